-- CreateTable
CREATE TABLE "chat_former_participants" (
    "conversation" INTEGER NOT NULL,
    "user_id" TEXT NOT NULL,
    "joined_seq" INTEGER NOT NULL,
    "delivered_seq" INTEGER NOT NULL,
    "read_seq" INTEGER NOT NULL,

    PRIMARY KEY ("conversation", "delivered_seq", "user_id"),
    CONSTRAINT "chat_former_participants_conversation_fkey" FOREIGN KEY ("conversation") REFERENCES "chat_conversations" ("num") ON DELETE RESTRICT ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "chat_quotas" (
    "user_id" TEXT NOT NULL PRIMARY KEY,
    "conversations" INTEGER NOT NULL DEFAULT 0,
    "groups_made" INTEGER NOT NULL DEFAULT 0,
    "groups_until" BIGINT
);

-- CreateIndex
CREATE INDEX "chat_messages_deleted_idx" ON "chat_messages"("conversation", "seq", "sender_id") WHERE deleted_at IS NOT NULL;

-- CreateIndex
CREATE INDEX "chat_tickets_user_id_idx" ON "chat_tickets"("user_id");

-- Those who take part already
INSERT INTO "chat_quotas" ("user_id", "conversations")
SELECT "user_id", count(*) FROM "chat_participants" GROUP BY "user_id";
