-- AlterTable
ALTER TABLE "chat_participants" ADD COLUMN     "archived_seq" INTEGER,
ADD COLUMN     "favourite" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "muted_until" BIGINT,
ADD COLUMN     "notify" TEXT NOT NULL DEFAULT 'all',
ADD COLUMN     "unread_from" INTEGER;

-- CreateTable
CREATE TABLE "chat_marks" (
    "conversation" INTEGER NOT NULL,
    "user_id" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "seq" INTEGER NOT NULL,
    "at" BIGINT NOT NULL,

    CONSTRAINT "chat_marks_pkey" PRIMARY KEY ("conversation","user_id","kind","seq")
);

-- CreateTable
CREATE TABLE "chat_blocks" (
    "user_id" TEXT NOT NULL,
    "blocked_id" TEXT NOT NULL,
    "created_at" BIGINT NOT NULL,

    CONSTRAINT "chat_blocks_pkey" PRIMARY KEY ("user_id","blocked_id")
);

-- CreateIndex
CREATE INDEX "chat_marks_at_idx" ON "chat_marks"("at");

-- CreateIndex
CREATE INDEX "chat_blocks_blocked_id_idx" ON "chat_blocks"("blocked_id");

-- AddForeignKey
ALTER TABLE "chat_marks" ADD CONSTRAINT "chat_marks_conversation_fkey" FOREIGN KEY ("conversation") REFERENCES "chat_conversations"("num") ON DELETE RESTRICT ON UPDATE CASCADE;
