-- AlterTable
ALTER TABLE "chat_events" ADD COLUMN "by_user_id" TEXT;

-- CreateTable
CREATE TABLE "chat_reactions" (
    "conversation" INTEGER NOT NULL,
    "message_seq" INTEGER NOT NULL,
    "user_id" TEXT NOT NULL,
    "emoji" TEXT NOT NULL,
    "created_at" BIGINT NOT NULL,

    PRIMARY KEY ("conversation", "message_seq", "user_id", "emoji"),
    CONSTRAINT "chat_reactions_conversation_fkey" FOREIGN KEY ("conversation") REFERENCES "chat_conversations" ("num") ON DELETE RESTRICT ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "chat_mentions" (
    "conversation" INTEGER NOT NULL,
    "user_id" TEXT NOT NULL,
    "seq" INTEGER NOT NULL,

    PRIMARY KEY ("conversation", "user_id", "seq"),
    CONSTRAINT "chat_mentions_conversation_fkey" FOREIGN KEY ("conversation") REFERENCES "chat_conversations" ("num") ON DELETE RESTRICT ON UPDATE CASCADE
);

-- AlterTable: column by column, which leaves the rows as they are. Prisma would write the tables anew.
ALTER TABLE "chat_messages" ADD COLUMN "metadata" TEXT;
ALTER TABLE "chat_messages" ADD COLUMN "reply_to" INTEGER;
ALTER TABLE "chat_messages" ADD COLUMN "reply_count" INTEGER NOT NULL DEFAULT 0;
ALTER TABLE "chat_messages" ADD COLUMN "mentions" TEXT;
ALTER TABLE "chat_messages" ADD COLUMN "mentions_all" BOOLEAN;
ALTER TABLE "chat_messages" ADD COLUMN "reactions" TEXT;
ALTER TABLE "chat_messages" ADD COLUMN "content_hash" TEXT;
ALTER TABLE "chat_messages" ADD COLUMN "deleted_by" TEXT;
ALTER TABLE "chat_users" ADD COLUMN "metadata" TEXT;
ALTER TABLE "chat_users" ADD COLUMN "is_bot" BOOLEAN NOT NULL DEFAULT false;
ALTER TABLE "chat_users" ADD COLUMN "state_version" INTEGER NOT NULL DEFAULT 0;

-- CreateIndex
CREATE INDEX "chat_messages_replies_idx" ON "chat_messages"("conversation", "reply_to", "seq") WHERE reply_to IS NOT NULL;

-- CreateIndex
CREATE INDEX "chat_reactions_user_id_idx" ON "chat_reactions"("user_id");

-- CreateIndex
CREATE INDEX "chat_mentions_conversation_seq_idx" ON "chat_mentions"("conversation", "seq");
