-- A mention is found by its key alone, so the table is its own index: a message with five mentions writes half as many pages.
CREATE TABLE "new_chat_mentions" (
    "conversation" INTEGER NOT NULL,
    "user_id" TEXT NOT NULL,
    "seq" INTEGER NOT NULL,

    PRIMARY KEY ("conversation", "user_id", "seq"),
    CONSTRAINT "chat_mentions_conversation_fkey" FOREIGN KEY ("conversation") REFERENCES "chat_conversations" ("num") ON DELETE RESTRICT ON UPDATE CASCADE
) WITHOUT ROWID;
INSERT INTO "new_chat_mentions" ("conversation", "user_id", "seq") SELECT "conversation", "user_id", "seq" FROM "chat_mentions";
DROP TABLE "chat_mentions";
ALTER TABLE "new_chat_mentions" RENAME TO "chat_mentions";
