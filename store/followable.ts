// SQL by hand: whenever streams open, their conversations are looked up together, by one statement with all keys.
import type { Transaction } from './event-log.js'
import { metaRow } from './meta.js'
import type { Dialect, Sql } from './sql.js'
import { select } from './table.js'
import * as tables from './tables.js'
import { tagOf } from './tag.js'

/** A conversation as its participant may follow it. */
export interface Followable {
  conversationId: string
  num: number
  /** Newest event, and newest pruned one: number in the conversation, and position. */
  eventSeq: number
  prunedSeq: number
  position: number
  prunedPosition: number
}

/** A conversation with the transaction of its newest event (see tag.ts); undefined where it was not asked for, or is not kept. */
export interface Tagged extends Followable {
  newest: Transaction | undefined
}

/** A conversation as its participant may resume it after an event. */
export interface Resumable extends Tagged {
  /** Tag of the event resumed after; null where there is none, or not any more. */
  tagAfter: string | null
}

const conversation = select(tables.conversations, 'c', ['id', 'num', 'eventSeq', 'prunedSeq', 'position', 'prunedPosition'])
const event = select(tables.events, 'h', ['position'])

/** A key's place among those that were asked for; a database gives it as it likes. */
interface Keyed { key: number | bigint }

function followable (row: unknown): Followable {
  const { id, ...rest } = conversation.read(row)
  return { conversationId: id, ...rest }
}

/** Of each pair the conversation, if the user participates in it. */
export async function findFollowables (sql: Sql, dialect: Dialect, pairs: ReadonlyArray<[conversationId: string, userId: string]>): Promise<Array<Followable | undefined>> {
  const rows = await sql.query<Keyed>(
    `SELECT k.key, ${conversation.columns} FROM ${dialect.table({ key: 'int', id: 'text', user_id: 'text' })} k
     JOIN chat_conversations c ON c.id = k.id
     JOIN chat_participants p ON p.conversation = c.num AND p.user_id = k.user_id`,
    JSON.stringify(pairs.map(([id, userId], index) => [index, id, userId])))
  const found = new Map(rows.map(row => [Number(row.key), followable(row)]))
  return pairs.map((_, index) => found.get(index))
}

/** Rows read by one statement: SQLite reads in this thread, where nobody else gets a turn meanwhile. */
export const FOLLOWABLES_PAGE = 2000

/** With the row of `chat_meta`: without it, nothing can be written, and a stream would wait in vain. */
const NEWEST = `${event.columns}, ${tagOf('h')} AS newest_tag, (SELECT m.id FROM chat_meta m WHERE m.id = 1) AS meta`

interface WithNewest { newest_tag: string | null, meta: number | null }

function tagged (row: WithNewest): Tagged {
  metaRow(row.meta)
  const { newest_tag: tag } = row
  return { ...followable(row), newest: tag === null ? undefined : { position: event.read(row).position, tag } }
}

/** Of each triple the conversation, if the user participates in it, with the transaction of its newest event and the tag of that `seq`. */
export async function findResumables (sql: Sql, dialect: Dialect, keys: ReadonlyArray<[conversationId: string, userId: string, seq: number]>): Promise<Array<Resumable | undefined>> {
  const rows = await sql.query<Keyed & WithNewest & { tag_after: string | null }>(
    `SELECT k.key, ${conversation.columns}, ${NEWEST}, ${tagOf('a')} AS tag_after
     FROM ${dialect.table({ key: 'int', id: 'text', user_id: 'text', seq: 'bigint' })} k
     JOIN chat_conversations c ON c.id = k.id
     JOIN chat_participants p ON p.conversation = c.num AND p.user_id = k.user_id
     LEFT JOIN chat_events h ON h.conversation = c.num AND h.seq = c.event_seq
     LEFT JOIN chat_events a ON a.conversation = c.num AND a.seq = k.seq`,
    JSON.stringify(keys.map(([id, userId, seq], index) => [index, id, userId, seq])))
  const found = new Map(rows.map(row => [Number(row.key), { ...tagged(row), tagAfter: row.tag_after }]))
  return keys.map((_, index) => found.get(index))
}

/**
 * Of each user all conversations, by number; with the transaction of the newest event where that is after a position. In pages
 * where there are many. Streams of one user that open together share them.
 */
export async function findAllFollowables (sql: Sql, dialect: Dialect, keys: ReadonlyArray<[userId: string, after: number]>): Promise<Tagged[][]> {
  const since = new Map<string, number>()
  for (const [userId, after] of keys) since.set(userId, Math.min(after, since.get(userId) ?? after))
  const found = new Map([...since.keys()].map((userId): [string, Tagged[]] => [userId, []]))
  const rows = await sql.query<WithNewest & { user_id: string }>(
    `SELECT k.user_id, ${conversation.columns}, ${NEWEST} FROM ${dialect.table({ user_id: 'text', since: 'bigint' })} k
     JOIN chat_participants p ON p.user_id = k.user_id
     JOIN chat_conversations c ON c.num = p.conversation
     LEFT JOIN chat_events h ON c.position > k.since AND h.conversation = c.num AND h.seq = c.event_seq LIMIT ${FOLLOWABLES_PAGE}`,
    JSON.stringify([...since]))
  if (rows.length < FOLLOWABLES_PAGE) {
    for (const row of rows) found.get(row.user_id)?.push(tagged(row))
    for (const conversations of found.values()) conversations.sort((a, b) => a.num - b.num)
  } else {
    for (const [userId, conversations] of found) await readPages(sql, userId, since.get(userId) ?? 0, conversations)
  }
  return keys.map(([userId]) => found.get(userId) ?? [])
}

/** What changes between two pages is an event after the position that the stream begins at, and is looked up. */
async function readPages (sql: Sql, userId: string, since: number, conversations: Tagged[]): Promise<void> {
  for (let more = true; more;) {
    const rows = await sql.query<WithNewest>(
      `SELECT ${conversation.columns}, ${NEWEST} FROM chat_participants p JOIN chat_conversations c ON c.num = p.conversation
       LEFT JOIN chat_events h ON c.position > ? AND h.conversation = c.num AND h.seq = c.event_seq
       WHERE p.user_id = ? AND p.conversation > ? ORDER BY p.conversation LIMIT ${FOLLOWABLES_PAGE}`, since, userId, conversations.at(-1)?.num ?? 0)
    for (const row of rows) conversations.push(tagged(row))
    more = rows.length === FOLLOWABLES_PAGE
    await new Promise(resolve => setImmediate(resolve))
  }
}
