-- AlterTable
ALTER TABLE "chat_conversations" ADD COLUMN     "avatar" TEXT,
ADD COLUMN     "description" TEXT,
ADD COLUMN     "first_seq" INTEGER NOT NULL DEFAULT 1,
ADD COLUMN     "metadata" TEXT,
ADD COLUMN     "settings" TEXT;

-- AlterTable
ALTER TABLE "chat_events" ADD COLUMN     "after_seq" INTEGER;

-- CreateIndex
CREATE INDEX "chat_events_changes_idx" ON "chat_events"("conversation", "seq", "after_seq") WHERE (after_seq IS NOT NULL);

-- CreateTable
CREATE TABLE "chat_deletions" (
    "position" BIGINT NOT NULL,
    "conversation_id" TEXT NOT NULL,
    "deleted_at" BIGINT NOT NULL,

    CONSTRAINT "chat_deletions_pkey" PRIMARY KEY ("position")
);
