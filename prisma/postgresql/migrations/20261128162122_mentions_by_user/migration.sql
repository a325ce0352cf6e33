-- DropIndex
DROP INDEX "chat_mentions_conversation_seq_idx";
