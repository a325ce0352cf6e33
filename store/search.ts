// SQL by hand: full-text indexes, which Prisma cannot describe. They are made where a server starts with search, not by a migration.
import type { OwnMessage } from '../schemas/messages.js'
import type { Database } from './database.js'
import { messageColumns, renderOwnMessages } from './reads/messages.js'
import { readAttachments } from './rendering.js'
import { lookUp, postgresDialect, type Dialect, type Sql } from './sql.js'
import { lookupBy, perDialect, select } from './table.js'
import * as tables from './tables.js'

/** Separates the conversation's number from the word. No folded word has it. */
const SEPARATOR = '\u00b7'
/** The follower that writes the index. */
export const SEARCH_FOLLOWER = 'search'

/** Where a message stands. */
export interface Place { conversation: number, seq: number }

/** The words of messages are written with what is searched for behind it. */
export type TokensOf = (texts: readonly string[]) => Set<string>

const STATE = `CREATE TABLE IF NOT EXISTS chat_search_state
  (id integer PRIMARY KEY, at_conversation integer NOT NULL, at_seq integer NOT NULL, is_done boolean NOT NULL)`

const statements = {
  sqlite: [
    `CREATE VIRTUAL TABLE IF NOT EXISTS chat_search USING fts5
       (tokens, content='', contentless_delete=1, detail=none, tokenize="ascii tokenchars '_'")`,
    STATE
  ],
  postgresql: [
    'SELECT pg_advisory_xact_lock(hashtext(\'chat_search \' || current_schema()))',
    `CREATE TABLE IF NOT EXISTS chat_search
       (conversation integer NOT NULL, seq integer NOT NULL, tokens tsvector NOT NULL, PRIMARY KEY (conversation, seq))`,
    // Every search reads the list of pending entries as a whole: with the default of 4 MB, 3 ms for each conversation instead of 0.3.
    'CREATE INDEX IF NOT EXISTS chat_search_tokens_idx ON chat_search USING gin (tokens) WITH (gin_pending_list_limit = 256)',
    // A GIN index is read by bitmap scans only, which our connections switch off (docs/decisions/0009-index-only-plans.md).
    // Materialized, since the index by conversation and seq would be read from the newest message on until enough match.
    `DO $do$ BEGIN
       IF to_regprocedure('chat_search_find(integer, integer, tsquery, integer)') IS NULL THEN
         CREATE FUNCTION chat_search_find (wanted integer, up_to integer, query tsquery, most integer) RETURNS SETOF integer
           LANGUAGE sql STABLE SET enable_bitmapscan = on
           AS $fn$
             WITH hits AS MATERIALIZED (SELECT s.conversation, s.seq FROM chat_search s WHERE s.tokens @@ query)
             SELECT h.seq FROM hits h WHERE h.conversation = wanted AND h.seq <= up_to ORDER BY h.seq DESC LIMIT most
           $fn$;
       END IF;
     END $do$`,
    STATE
  ]
}

/** Makes the index where there is none. */
export async function makeIndex (sql: Sql, provider: Database['provider']): Promise<void> {
  for (const statement of statements[provider]) await (statement.startsWith('SELECT') ? sql.query(statement) : sql.execute(statement))
  await sql.execute('INSERT INTO chat_search_state (id, at_conversation, at_seq, is_done) VALUES (1, 0, 0, false) ON CONFLICT DO NOTHING')
  // Retention did not wait for the follower any longer, while search was off: it lacks what was deleted from the log.
  const gaps = await sql.execute('UPDATE chat_followers SET gap = false WHERE name = ? AND gap', SEARCH_FOLLOWER)
  if (gaps > 0) await restartBuilding(sql)
}

/** Lets the index be built anew. It goes on to be used meanwhile. */
export async function restartBuilding (sql: Sql): Promise<void> {
  await sql.execute('UPDATE chat_search_state SET at_conversation = 0, at_seq = 0, is_done = false WHERE id = 1')
}

const indexed = select(tables.messages, 'm', ['conversation', 'seq', 'text', 'attachments', 'deletedAt'])
const indexedAt = perDialect(dialect => lookupBy(tables.messages, dialect, ['conversation', 'seq'], keys =>
  `SELECT ${indexed.columns} FROM ${keys} k JOIN chat_messages m ON m.conversation = k.conversation AND m.seq = k.seq`))

/** A conversation that is searched. */
export interface Searched {
  num: number
  id: string
  /** No message is newer than this. */
  updatedAt: number
  messageSeq: number
}

const searched = select(tables.conversations, 'c', ['num', 'id', 'updatedAt', 'messageSeq'])

/** A user's conversations, or one of them, latest activity first. */
export async function findSearched ({ read }: Pick<Database, 'read'>, userId: string, conversationId?: string): Promise<Searched[]> {
  const rows = await read.query(
    `SELECT ${searched.columns} FROM chat_participants p JOIN chat_conversations c ON c.num = p.conversation
     WHERE p.user_id = ? ${conversationId === undefined ? '' : 'AND c.id = ?'}`, userId, ...(conversationId === undefined ? [] : [conversationId]))
  return rows.map(row => searched.read(row)).sort((a, b) => b.updatedAt - a.updatedAt || b.num - a.num)
}

/** The newest message of a conversation that was sent at an instant or before: by halves, since instants rise with `seq`. */
export async function findSeqAt ({ read }: Pick<Database, 'read'>, { num, messageSeq }: Searched, at: number): Promise<number> {
  const createdAt = '(SELECT m.created_at FROM chat_messages m WHERE m.conversation = ? AND m.seq = (lo + hi + 1) / 2)'
  const [row] = await read.query<{ seq: number }>(
    `WITH RECURSIVE half (lo, hi) AS (SELECT 0, CAST(? AS integer) UNION ALL
       SELECT CASE WHEN ${createdAt} <= ? THEN (lo + hi + 1) / 2 ELSE lo END, CASE WHEN ${createdAt} <= ? THEN hi ELSE (lo + hi + 1) / 2 - 1 END
       FROM half WHERE lo < hi)
     SELECT lo AS seq FROM half WHERE lo >= hi`, messageSeq, num, at, num, at)
  return Number(row?.seq ?? 0)
}

const judged = select(tables.messages, 'm',
  ['conversation', 'seq', 'senderId', 'text', 'createdAt', 'deletedAt', 'attachments', 'mentions', 'mentionsAll'])

/** A message as it is judged. */
export type Judged = ReturnType<typeof judged.read>

/** The messages that stand there, as they are now. */
export async function findJudged ({ read, dialect }: Pick<Database, 'read' | 'dialect'>, places: readonly Place[]): Promise<Judged[]> {
  const rows = await read.query(
    `SELECT ${judged.columns} FROM ${dialect.table({ conversation: 'int', seq: 'int' })} k
     JOIN chat_messages m ON m.conversation = k.conversation AND m.seq = k.seq`, JSON.stringify(places.map(({ conversation, seq }) => [conversation, seq])))
  return rows.map(row => judged.read(row))
}

/** The messages that stand there, in that order, as a user sees them; those of conversations that the user has left are missing. */
export async function findFound (database: Database, userId: string, places: readonly Place[]): Promise<OwnMessage[]> {
  const rows = await database.read.query(
    `SELECT ${messageColumns}, ${searched.columns}, k.place FROM ${database.dialect.table({ place: 'int', conversation: 'int', seq: 'int' })} k
     JOIN chat_messages m ON m.conversation = k.conversation AND m.seq = k.seq JOIN chat_users s ON s.id = m.sender_id
     JOIN chat_participants p ON p.conversation = m.conversation AND p.user_id = ? JOIN chat_conversations c ON c.num = m.conversation
     ORDER BY k.place`, JSON.stringify(places.map(({ conversation, seq }, index) => [index, conversation, seq])), userId)
  return [...(await renderOwnMessages(database, rows, userId, row => searched.read(row).id)).values()]
}

/** Writes what the index holds of the messages that stand there, as they are now. */
export async function indexMessages (sql: Sql, dialect: Dialect, places: readonly Place[], tokensOf: TokensOf): Promise<void> {
  const rows = await lookUp(sql, indexedAt(dialect), places.map(({ conversation, seq }) => [conversation, seq]))
  await writeTokens(sql, dialect, rows.map(row => indexed.read(row)), tokensOf)
}

/**
 * Indexes the messages behind the place where building has come to. They stay as they are until the transaction ends.
 * @returns whether there may be more
 */
export async function buildStep (sql: Sql, dialect: Dialect, tokensOf: TokensOf, step: number): Promise<boolean> {
  const [state] = await sql.query<{ conversation: number, seq: number, is_done: unknown }>(
    `SELECT at_conversation AS conversation, at_seq AS seq, is_done FROM chat_search_state WHERE id = 1 ${dialect.lock}`)
  if (state === undefined || Boolean(state.is_done)) return false
  const rows = (await sql.query(
    `SELECT ${indexed.columns} FROM chat_messages m WHERE m.conversation > ? OR (m.conversation = ? AND m.seq > ?)
     ORDER BY m.conversation, m.seq LIMIT ${step} ${dialect.lock === '' ? '' : 'FOR SHARE'}`, state.conversation, state.conversation, state.seq))
    .map(row => indexed.read(row))
  await writeTokens(sql, dialect, rows, tokensOf)
  const last = rows.at(-1)
  await sql.execute('UPDATE chat_search_state SET at_conversation = ?, at_seq = ?, is_done = ? WHERE id = 1',
    last?.conversation ?? state.conversation, last?.seq ?? state.seq, rows.length < step)
  return rows.length === step
}

type Indexed = ReturnType<typeof indexed.read>

const rowIdOf = ({ conversation, seq }: Place): bigint => (BigInt(conversation) << 32n) + BigInt(seq)

const prefixOf = (conversation: number): string => conversation.toString(36) + SEPARATOR

async function writeTokens (sql: Sql, dialect: Dialect, rows: readonly Indexed[], tokensOf: TokensOf): Promise<void> {
  const written = rows.map(row => {
    const texts = row.deletedAt !== null ? [] : [row.text, ...readAttachments(row.attachments).map(({ name }) => name)]
    return { row, tokens: Array.from(tokensOf(texts), token => prefixOf(row.conversation) + token) }
  })
  if (sql.executeEach !== undefined) {
    const gone = written.filter(({ tokens }) => tokens.length === 0)
    await sql.executeEach('DELETE FROM chat_search WHERE rowid = ?', gone.map(({ row }) => [rowIdOf(row)]))
    await sql.executeEach('INSERT OR REPLACE INTO chat_search (rowid, tokens) VALUES (?, ?)',
      written.filter(({ tokens }) => tokens.length > 0).map(({ row, tokens }) => [rowIdOf(row), tokens.join(' ')]))
    return
  }
  await sql.execute(
    `INSERT INTO chat_search (conversation, seq, tokens)
     SELECT (e ->> 0)::int, (e ->> 1)::int, (e ->> 2)::tsvector FROM jsonb_array_elements(?::jsonb) AS e
     ORDER BY 1, 2 ON CONFLICT (conversation, seq) DO UPDATE SET tokens = excluded.tokens`,
    JSON.stringify(written.map(({ row, tokens }) => [row.conversation, row.seq, tokens.map(token => `'${token}'`).join(' ')])))
}

/** Removes what the index holds of conversations that are gone. */
export async function forgetConversations (sql: Sql, dialect: Dialect, conversations: readonly number[]): Promise<void> {
  for (const conversation of conversations) {
    if (dialect.lock === '') {
      await sql.execute('DELETE FROM chat_search WHERE rowid > ? AND rowid < ?',
        rowIdOf({ conversation, seq: 0 }), rowIdOf({ conversation: conversation + 1, seq: 0 }))
    } else {
      await sql.execute('DELETE FROM chat_search WHERE conversation = ?', conversation)
    }
  }
}

/** The messages of each conversation that may match, newest first, up to a `seq`. */
export async function findCandidates (
  { read, provider }: Pick<Database, 'read' | 'provider'>, asked: ReadonlyArray<{ conversation: number, upTo: number }>,
  beginnings: readonly string[], limit: number
): Promise<Place[]> {
  if (provider === 'sqlite') {
    const found: Place[] = []
    for (const { conversation, upTo } of asked) {
      const query = beginnings.map(beginning => `"${prefixOf(conversation)}${beginning}" *`).join(' AND ')
      const rows = await read.query<{ seq: number }>(
        'SELECT rowid & 4294967295 AS seq FROM chat_search WHERE chat_search MATCH ? AND rowid > ? AND rowid <= ? ORDER BY rowid DESC LIMIT ?',
        query, rowIdOf({ conversation, seq: 0 }), rowIdOf({ conversation, seq: upTo }), limit)
      for (const { seq } of rows) found.push({ conversation, seq: Number(seq) })
    }
    return found
  }
  const rows = await read.query<Place>(
    `SELECT k.conversation, h.seq FROM ${postgresDialect.table({ conversation: 'int', up_to: 'int', query: 'text' })} k
     CROSS JOIN LATERAL chat_search_find(k.conversation, k.up_to, k.query::tsquery, CAST(? AS integer)) AS h (seq)`,
    JSON.stringify(asked.map(({ conversation, upTo }) =>
      [conversation, upTo, beginnings.map(beginning => `'${prefixOf(conversation)}${beginning}':*`).join(' & ')])), limit)
  return rows.map(({ conversation, seq }) => ({ conversation: Number(conversation), seq: Number(seq) }))
}
