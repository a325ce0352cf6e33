-- CreateTable
CREATE TABLE "chat_pending" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "caller" TEXT NOT NULL,
    "input" TEXT NOT NULL,
    "created_at" BIGINT NOT NULL,
    "position" BIGINT NOT NULL DEFAULT 0,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "error" TEXT
);

-- CreateIndex
CREATE INDEX "chat_pending_created_at_idx" ON "chat_pending"("created_at");

-- CreateIndex
CREATE INDEX "chat_pending_waiting_idx" ON "chat_pending"("position") WHERE error IS NULL;
