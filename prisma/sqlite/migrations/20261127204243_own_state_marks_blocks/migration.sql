-- AlterTable: column by column, which leaves the rows as they are. Prisma would write the table anew.
ALTER TABLE "chat_participants" ADD COLUMN "muted_until" BIGINT;
ALTER TABLE "chat_participants" ADD COLUMN "archived_seq" INTEGER;
ALTER TABLE "chat_participants" ADD COLUMN "favourite" BOOLEAN NOT NULL DEFAULT false;
ALTER TABLE "chat_participants" ADD COLUMN "notify" TEXT NOT NULL DEFAULT 'all';
ALTER TABLE "chat_participants" ADD COLUMN "unread_from" INTEGER;

-- CreateTable
CREATE TABLE "chat_marks" (
    "conversation" INTEGER NOT NULL,
    "user_id" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "seq" INTEGER NOT NULL,
    "at" BIGINT NOT NULL,

    PRIMARY KEY ("conversation", "user_id", "kind", "seq"),
    CONSTRAINT "chat_marks_conversation_fkey" FOREIGN KEY ("conversation") REFERENCES "chat_conversations" ("num") ON DELETE RESTRICT ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "chat_blocks" (
    "user_id" TEXT NOT NULL,
    "blocked_id" TEXT NOT NULL,
    "created_at" BIGINT NOT NULL,

    PRIMARY KEY ("user_id", "blocked_id")
);

-- CreateIndex
CREATE INDEX "chat_marks_at_idx" ON "chat_marks"("at");

-- CreateIndex
CREATE INDEX "chat_blocks_blocked_id_idx" ON "chat_blocks"("blocked_id");
