-- CreateTable
CREATE TABLE "chat_webhooks" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "url" TEXT NOT NULL,
    "events" TEXT NOT NULL,
    "lanes" INTEGER NOT NULL,
    "description" TEXT,
    "enabled" BOOLEAN NOT NULL,
    "secret" TEXT NOT NULL,
    "previous_secret" TEXT,
    "previous_until" BIGINT,
    "created_at" BIGINT NOT NULL
);

-- CreateTable
CREATE TABLE "chat_dead_deliveries" (
    "webhook_id" TEXT NOT NULL,
    "position" BIGINT NOT NULL,
    "conversation" INTEGER NOT NULL,
    "event_seq" INTEGER NOT NULL,
    "conversation_id" TEXT NOT NULL,
    "type" TEXT NOT NULL,
    "tag" TEXT NOT NULL,
    "created_at" BIGINT NOT NULL,
    "at" BIGINT NOT NULL,
    "error" TEXT NOT NULL,

    PRIMARY KEY ("webhook_id", "position", "conversation", "event_seq")
);

-- CreateIndex
CREATE INDEX "chat_dead_deliveries_at_idx" ON "chat_dead_deliveries"("at");
