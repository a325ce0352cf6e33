-- AlterTable
ALTER TABLE "chat_streams" ADD COLUMN     "expires_at" BIGINT;

-- DropTable
DROP TABLE "chat_login_failures";

-- CreateTable
CREATE TABLE "chat_counters" (
    "id" TEXT NOT NULL,
    "count" INTEGER NOT NULL,
    "expires_at" BIGINT NOT NULL,

    CONSTRAINT "chat_counters_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "chat_counters_expires_at_idx" ON "chat_counters"("expires_at");
