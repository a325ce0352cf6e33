-- AlterTable
ALTER TABLE "chat_streams" ADD COLUMN "expires_at" BIGINT;

-- DropTable
PRAGMA foreign_keys=off;
DROP TABLE "chat_login_failures";
PRAGMA foreign_keys=on;

-- CreateTable
CREATE TABLE "chat_counters" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "count" INTEGER NOT NULL,
    "expires_at" BIGINT NOT NULL
);

-- CreateIndex
CREATE INDEX "chat_counters_expires_at_idx" ON "chat_counters"("expires_at");
