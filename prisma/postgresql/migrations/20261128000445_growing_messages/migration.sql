-- AlterTable
ALTER TABLE "chat_messages" ADD COLUMN     "append_count" INTEGER,
ADD COLUMN     "appended_from" BIGINT,
ADD COLUMN     "growing_until" BIGINT;

-- CreateIndex
CREATE INDEX "chat_messages_growing_idx" ON "chat_messages"("growing_until") WHERE (growing_until > 0);
