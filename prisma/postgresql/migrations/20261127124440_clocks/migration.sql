-- AlterTable
ALTER TABLE "chat_conversations" ADD COLUMN     "activity" BIGINT NOT NULL DEFAULT 0,
ADD COLUMN     "logged_at" BIGINT NOT NULL DEFAULT 0;

-- AlterTable
ALTER TABLE "chat_meta" ADD COLUMN     "clock_boot" TEXT,
ADD COLUMN     "clock_offset" BIGINT NOT NULL DEFAULT 0;

-- Conversations that are there keep their order in the list, below whatever happens from now on.
UPDATE "chat_conversations" SET "activity" = ranked.place, "logged_at" = "updated_at"
FROM (
    SELECT "num" AS ranked_num, row_number() OVER (ORDER BY "updated_at", "num") - count(*) OVER () AS place FROM "chat_conversations"
) AS ranked
WHERE "num" = ranked.ranked_num;
