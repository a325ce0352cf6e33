-- AlterTable
ALTER TABLE "chat_events" ADD COLUMN     "tag" TEXT;
