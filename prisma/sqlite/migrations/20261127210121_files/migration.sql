-- AlterTable
ALTER TABLE "chat_messages" ADD COLUMN "attachments" TEXT;

-- AlterTable
ALTER TABLE "chat_meta" ADD COLUMN "file_key" TEXT;

-- CreateTable
CREATE TABLE "chat_files" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "owner_id" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "type" TEXT NOT NULL,
    "size" INTEGER NOT NULL,
    "width" INTEGER,
    "height" INTEGER,
    "thumbhash" TEXT,
    "sha256" TEXT NOT NULL,
    "storage_key" TEXT NOT NULL,
    "created_at" BIGINT NOT NULL,
    "expires_at" BIGINT
);

-- CreateTable
CREATE TABLE "chat_attachments" (
    "conversation" INTEGER NOT NULL,
    "message_seq" INTEGER NOT NULL,
    "position" INTEGER NOT NULL,
    "file_id" TEXT NOT NULL,

    PRIMARY KEY ("conversation", "message_seq", "position"),
    CONSTRAINT "chat_attachments_conversation_fkey" FOREIGN KEY ("conversation") REFERENCES "chat_conversations" ("num") ON DELETE RESTRICT ON UPDATE CASCADE
);

-- CreateIndex
CREATE INDEX "chat_files_state_expires_at_idx" ON "chat_files"("state", "expires_at");

-- CreateIndex
CREATE INDEX "chat_files_owner_id_state_idx" ON "chat_files"("owner_id", "state");

-- CreateIndex
CREATE INDEX "chat_files_storage_key_idx" ON "chat_files"("storage_key");

-- CreateIndex
CREATE INDEX "chat_attachments_file_id_idx" ON "chat_attachments"("file_id");
