// SQL by hand: runs whenever streams open, and one statement looks up the conversations of all of them.
import type { Transaction } from './event-log.js'
import { metaRow } from './meta.js'
import type { Dialect, Sql } from './sql.js'
import { GROWING } from './reads/growing.js'
import { select } from './table.js'
import * as tables from './tables.js'
import { tagOf } from './tag.js'

/** A conversation that a participant follows. */
export interface Followable {
  conversationId: string
  num: number
  /** Number and position of the newest event and of the newest pruned event. */
  eventSeq: number
  prunedSeq: number
  position: number
  prunedPosition: number
}

/** A conversation with the transaction of its newest event (see tag.ts). Undefined if it was not asked for or is no longer in the log. */
export interface Tagged extends Followable {
  newest: Transaction | undefined
  /** Whether a message grows there. */
  grows: boolean
}

/** A conversation that a participant resumes after an event. */
export interface Resumable extends Tagged {
  /** Tag of that event. Null if there is no such event, or it was pruned. */
  tagAfter: string | null
}

const conversation = select(tables.conversations, 'c', ['id', 'num', 'eventSeq', 'prunedSeq', 'position', 'prunedPosition'])
const event = select(tables.events, 'h', ['position'])

/** Index of the key that the row belongs to. */
interface Keyed { key: number | bigint }

function followable (row: unknown): Followable {
  const { id, ...rest } = conversation.read(row)
  return { conversationId: id, ...rest }
}

/** Returns the conversation of each pair, if the user participates in it. */
export async function findFollowables (
  sql: Sql, dialect: Dialect, pairs: ReadonlyArray<[conversationId: string, userId: string]>
): Promise<Array<Followable | undefined>> {
  const rows = await sql.query<Keyed>(
    `SELECT k.key, ${conversation.columns} FROM ${dialect.table({ key: 'int', id: 'text', user_id: 'text' })} k
     JOIN chat_conversations c ON c.id = k.id
     JOIN chat_participants p ON p.conversation = c.num AND p.user_id = k.user_id`,
    JSON.stringify(pairs.map(([id, userId], index) => [index, id, userId])))
  const found = new Map(rows.map(row => [Number(row.key), followable(row)]))
  return pairs.map((_, index) => found.get(index))
}

/** Maximum number of rows read by one statement. SQLite reads are synchronous and block the event loop. */
export const FOLLOWABLES_PAGE = 2000

/**
 * Position and tag of the newest event, `h` in the statement, whether a message grows, and the row of `chat_meta`. Without that row nothing
 * can be written, and a stream would wait in vain.
 */
const NEWEST = `${event.columns}, ${tagOf('h')} AS newest_tag, (SELECT m.id FROM chat_meta m WHERE m.id = 1) AS meta,
  c.num IN ${GROWING} AS grows`

interface WithNewest { newest_tag: string | null, meta: number | null, grows: boolean | number }

function tagged (row: WithNewest): Tagged {
  metaRow(row.meta)
  const { newest_tag: tag } = row
  return { ...followable(row), newest: tag === null ? undefined : { position: event.read(row).position, tag }, grows: Boolean(row.grows) }
}

/** Returns the conversation of each triple, if the user participates in it, with the tag of the event with that `seq`. */
export async function findResumables (
  sql: Sql, dialect: Dialect, keys: ReadonlyArray<[conversationId: string, userId: string, seq: number]>
): Promise<Array<Resumable | undefined>> {
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
 * Returns all conversations of each user, ordered by number. The transaction of the newest event is included where it is after
 * the given position. Reads pages if there are many. Streams of one user that open together share the result.
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

/** A change between two pages is an event after the position that the stream starts at, so the stream still gets it. */
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
