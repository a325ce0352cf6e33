-- CreateTable
CREATE TABLE "chat_pending" (
    "id" TEXT NOT NULL,
    "caller" TEXT NOT NULL,
    "input" TEXT NOT NULL,
    "created_at" BIGINT NOT NULL,
    "position" BIGINT NOT NULL DEFAULT 0,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "error" TEXT,

    CONSTRAINT "chat_pending_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "chat_pending_created_at_idx" ON "chat_pending"("created_at");

-- CreateIndex
CREATE INDEX "chat_pending_waiting_idx" ON "chat_pending"("position") WHERE (error IS NULL);

-- Transactions of hosts commit in another order than they insert in. When one commits, its rows get the next numbers, and the nodes
-- are woken. The function runs with the rights of its owner, so that a host's role needs no more than INSERT.
CREATE SEQUENCE "chat_pending_position_seq" OWNED BY "chat_pending"."position";

CREATE FUNCTION "chat_pending_committed"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('UPDATE %I.chat_pending SET position = nextval(%L) WHERE id = $1', TG_TABLE_SCHEMA,
        format('%I.chat_pending_position_seq', TG_TABLE_SCHEMA)) USING NEW.id;
    PERFORM pg_notify('chat_pending_' || md5(TG_TABLE_SCHEMA), '');
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER "chat_pending_committed" AFTER INSERT ON "chat_pending"
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION "chat_pending_committed"();
