-- AlterTable
ALTER TABLE "chat_events" ADD COLUMN "after_seq" INTEGER;

-- AlterTable: column by column, which leaves the rows as they are. Prisma would write the table anew.
ALTER TABLE "chat_conversations" ADD COLUMN "avatar" TEXT;
ALTER TABLE "chat_conversations" ADD COLUMN "description" TEXT;
ALTER TABLE "chat_conversations" ADD COLUMN "metadata" TEXT;
ALTER TABLE "chat_conversations" ADD COLUMN "settings" TEXT;
ALTER TABLE "chat_conversations" ADD COLUMN "first_seq" INTEGER NOT NULL DEFAULT 1;

-- CreateIndex
CREATE INDEX "chat_events_changes_idx" ON "chat_events"("conversation", "seq", "after_seq") WHERE after_seq IS NOT NULL;

-- CreateTable
CREATE TABLE "chat_deletions" (
    "position" BIGINT NOT NULL PRIMARY KEY,
    "conversation_id" TEXT NOT NULL,
    "deleted_at" BIGINT NOT NULL
);
