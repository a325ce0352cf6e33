-- AlterTable
ALTER TABLE "chat_events" ADD COLUMN     "by_user_id" TEXT;

-- AlterTable
ALTER TABLE "chat_messages" ADD COLUMN     "content_hash" TEXT,
ADD COLUMN     "deleted_by" TEXT,
ADD COLUMN     "mentions" TEXT,
ADD COLUMN     "mentions_all" BOOLEAN,
ADD COLUMN     "metadata" TEXT,
ADD COLUMN     "reactions" TEXT,
ADD COLUMN     "reply_count" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "reply_to" INTEGER;

-- AlterTable
ALTER TABLE "chat_users" ADD COLUMN     "is_bot" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "metadata" TEXT,
ADD COLUMN     "state_version" INTEGER NOT NULL DEFAULT 0;

-- CreateTable
CREATE TABLE "chat_reactions" (
    "conversation" INTEGER NOT NULL,
    "message_seq" INTEGER NOT NULL,
    "user_id" TEXT NOT NULL,
    "emoji" TEXT NOT NULL,
    "created_at" BIGINT NOT NULL,

    CONSTRAINT "chat_reactions_pkey" PRIMARY KEY ("conversation","message_seq","user_id","emoji")
);

-- CreateTable
CREATE TABLE "chat_mentions" (
    "conversation" INTEGER NOT NULL,
    "user_id" TEXT NOT NULL,
    "seq" INTEGER NOT NULL,

    CONSTRAINT "chat_mentions_pkey" PRIMARY KEY ("conversation","user_id","seq")
);

-- CreateIndex
CREATE INDEX "chat_reactions_user_id_idx" ON "chat_reactions"("user_id");

-- CreateIndex
CREATE INDEX "chat_mentions_conversation_seq_idx" ON "chat_mentions"("conversation", "seq");

-- CreateIndex
CREATE INDEX "chat_messages_replies_idx" ON "chat_messages"("conversation", "reply_to", "seq") WHERE (reply_to IS NOT NULL);

-- AddForeignKey
ALTER TABLE "chat_reactions" ADD CONSTRAINT "chat_reactions_conversation_fkey" FOREIGN KEY ("conversation") REFERENCES "chat_conversations"("num") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "chat_mentions" ADD CONSTRAINT "chat_mentions_conversation_fkey" FOREIGN KEY ("conversation") REFERENCES "chat_conversations"("num") ON DELETE RESTRICT ON UPDATE CASCADE;
