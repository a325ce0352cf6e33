-- AlterTable: compared byte by byte, as SQLite does, whatever the database's locale
ALTER TABLE "chat_users" ADD COLUMN     "sort_name" TEXT COLLATE "C";

-- CreateTable
CREATE TABLE "chat_user_terms" (
    "term" TEXT COLLATE "C" NOT NULL,
    "user_id" TEXT NOT NULL,

    CONSTRAINT "chat_user_terms_pkey" PRIMARY KEY ("term","user_id")
);

-- CreateIndex
CREATE INDEX "chat_user_terms_user_id_idx" ON "chat_user_terms"("user_id");

-- CreateIndex
CREATE INDEX "chat_users_unlisted_idx" ON "chat_users"("id") WHERE (sort_name IS NULL);
