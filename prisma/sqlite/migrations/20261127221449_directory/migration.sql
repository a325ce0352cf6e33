-- AlterTable
ALTER TABLE "chat_users" ADD COLUMN "sort_name" TEXT;

-- CreateTable
CREATE TABLE "chat_user_terms" (
    "term" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,

    PRIMARY KEY ("term", "user_id")
);

-- CreateIndex
CREATE INDEX "chat_user_terms_user_id_idx" ON "chat_user_terms"("user_id");

-- CreateIndex
CREATE INDEX "chat_users_unlisted_idx" ON "chat_users"("id") WHERE sort_name IS NULL;
