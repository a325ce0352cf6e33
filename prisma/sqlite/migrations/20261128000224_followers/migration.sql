-- AlterTable
ALTER TABLE "chat_deletions" ADD COLUMN "num" INTEGER NOT NULL DEFAULT 0;
ALTER TABLE "chat_deletions" ADD COLUMN "event_seq" INTEGER NOT NULL DEFAULT 0;

-- CreateTable
CREATE TABLE "chat_followers" (
    "name" TEXT NOT NULL PRIMARY KEY,
    "position" BIGINT NOT NULL,
    "node_id" TEXT,
    "lease_until" BIGINT NOT NULL DEFAULT 0,
    "state" TEXT,
    "gap" BOOLEAN NOT NULL DEFAULT false
);
