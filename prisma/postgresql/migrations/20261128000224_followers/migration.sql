-- AlterTable
ALTER TABLE "chat_deletions" ADD COLUMN     "event_seq" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "num" INTEGER NOT NULL DEFAULT 0;

-- CreateTable
CREATE TABLE "chat_followers" (
    "name" TEXT NOT NULL,
    "position" BIGINT NOT NULL,
    "node_id" TEXT,
    "lease_until" BIGINT NOT NULL DEFAULT 0,
    "state" TEXT,
    "gap" BOOLEAN NOT NULL DEFAULT false,

    CONSTRAINT "chat_followers_pkey" PRIMARY KEY ("name")
);
