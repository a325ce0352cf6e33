-- CreateTable
CREATE TABLE "chat_meta" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "identity" TEXT NOT NULL,
    "position" BIGINT NOT NULL DEFAULT 0
);

-- CreateTable
CREATE TABLE "chat_users" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "display_name" TEXT NOT NULL,
    "avatar" TEXT,
    "password_hash" TEXT,
    "profile_at" BIGINT NOT NULL,
    "created_at" BIGINT NOT NULL,
    "is_online" BOOLEAN NOT NULL DEFAULT false,
    "is_hidden" BOOLEAN NOT NULL DEFAULT false,
    "online_until" BIGINT,
    "last_seen" BIGINT
);

-- CreateTable
CREATE TABLE "chat_conversations" (
    "num" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "id" TEXT NOT NULL,
    "type" TEXT NOT NULL,
    "title" TEXT,
    "created_by" TEXT NOT NULL,
    "created_at" BIGINT NOT NULL,
    "updated_at" BIGINT NOT NULL,
    "message_seq" INTEGER NOT NULL DEFAULT 0,
    "event_seq" INTEGER NOT NULL DEFAULT 0,
    "pruned_seq" INTEGER NOT NULL DEFAULT 0,
    "position" BIGINT NOT NULL DEFAULT 0,
    "pruned_position" BIGINT NOT NULL DEFAULT 0,
    "participant_count" INTEGER NOT NULL DEFAULT 0
);

-- CreateTable
CREATE TABLE "chat_participants" (
    "conversation" INTEGER NOT NULL,
    "user_id" TEXT NOT NULL,
    "role" TEXT NOT NULL,
    "joined_at" BIGINT NOT NULL,
    "joined_seq" INTEGER NOT NULL,
    "delivered_seq" INTEGER NOT NULL,
    "read_seq" INTEGER NOT NULL,
    "typing_until" BIGINT,

    PRIMARY KEY ("conversation", "user_id"),
    CONSTRAINT "chat_participants_conversation_fkey" FOREIGN KEY ("conversation") REFERENCES "chat_conversations" ("num") ON DELETE RESTRICT ON UPDATE CASCADE,
    CONSTRAINT "chat_participants_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "chat_users" ("id") ON DELETE RESTRICT ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "chat_messages" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "conversation" INTEGER NOT NULL,
    "seq" INTEGER NOT NULL,
    "sender_id" TEXT NOT NULL,
    "sender_seq" INTEGER NOT NULL,
    "client_id" TEXT,
    "text" TEXT NOT NULL,
    "type" TEXT NOT NULL,
    "created_at" BIGINT NOT NULL,
    "edited_at" BIGINT,
    "deleted_at" BIGINT,
    "first_text_hash" TEXT,
    CONSTRAINT "chat_messages_conversation_fkey" FOREIGN KEY ("conversation") REFERENCES "chat_conversations" ("num") ON DELETE RESTRICT ON UPDATE CASCADE,
    CONSTRAINT "chat_messages_sender_id_fkey" FOREIGN KEY ("sender_id") REFERENCES "chat_users" ("id") ON DELETE RESTRICT ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "chat_events" (
    "conversation" INTEGER NOT NULL,
    "seq" INTEGER NOT NULL,
    "position" BIGINT NOT NULL,
    "type" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "message_seq" INTEGER,
    "detail" TEXT,
    "created_at" BIGINT NOT NULL,

    PRIMARY KEY ("conversation", "seq"),
    CONSTRAINT "chat_events_conversation_fkey" FOREIGN KEY ("conversation") REFERENCES "chat_conversations" ("num") ON DELETE RESTRICT ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "chat_nodes" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "host" TEXT NOT NULL,
    "pid" INTEGER NOT NULL,
    "expires_at" BIGINT NOT NULL
);

-- CreateTable
CREATE TABLE "chat_streams" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "node_id" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "conversation_id" TEXT,
    CONSTRAINT "chat_streams_node_id_fkey" FOREIGN KEY ("node_id") REFERENCES "chat_nodes" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "chat_tickets" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "user_id" TEXT NOT NULL,
    "conversation_id" TEXT,
    "expires_at" BIGINT NOT NULL,
    "token_expires_at" BIGINT
);

-- CreateTable
CREATE TABLE "chat_login_failures" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "count" INTEGER NOT NULL,
    "expires_at" BIGINT NOT NULL
);

-- CreateIndex
CREATE INDEX "chat_users_online_until_idx" ON "chat_users"("online_until");

-- CreateIndex
CREATE UNIQUE INDEX "chat_conversations_id_key" ON "chat_conversations"("id");

-- CreateIndex
CREATE INDEX "chat_conversations_position_idx" ON "chat_conversations"("position");

-- CreateIndex
CREATE INDEX "chat_participants_user_id_conversation_idx" ON "chat_participants"("user_id", "conversation");

-- CreateIndex
CREATE INDEX "chat_participants_typing_until_idx" ON "chat_participants"("typing_until");

-- CreateIndex
CREATE INDEX "chat_messages_conversation_sender_id_seq_idx" ON "chat_messages"("conversation", "sender_id", "seq");

-- CreateIndex
CREATE UNIQUE INDEX "chat_messages_conversation_seq_key" ON "chat_messages"("conversation", "seq");

-- CreateIndex
CREATE UNIQUE INDEX "chat_messages_conversation_sender_id_client_id_key" ON "chat_messages"("conversation", "sender_id", "client_id");

-- CreateIndex
CREATE INDEX "chat_events_position_idx" ON "chat_events"("position");

-- CreateIndex
CREATE INDEX "chat_streams_user_id_idx" ON "chat_streams"("user_id");

-- CreateIndex
CREATE INDEX "chat_streams_node_id_idx" ON "chat_streams"("node_id");

-- CreateIndex
CREATE INDEX "chat_tickets_expires_at_idx" ON "chat_tickets"("expires_at");

-- CreateIndex
CREATE INDEX "chat_login_failures_expires_at_idx" ON "chat_login_failures"("expires_at");
