import type { Dialect, Sql } from './sql.js'

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

type Row = Record<string, never>

const COLUMNS = 'c.id, c.num, c.event_seq, c.pruned_seq, c.position, c.pruned_position'

const followable = (row: Row): Followable => ({
  conversationId: row.id!,
  num: Number(row.num),
  eventSeq: Number(row.event_seq),
  prunedSeq: Number(row.pruned_seq),
  position: Number(row.position),
  prunedPosition: Number(row.pruned_position)
})

/** Of each pair the conversation, if the user participates in it. */
export async function findFollowables (sql: Sql, dialect: Dialect, pairs: ReadonlyArray<[conversationId: string, userId: string]>): Promise<Array<Followable | undefined>> {
  const rows = await sql.query<Row>(
    `SELECT k.key, ${COLUMNS} FROM ${dialect.table({ key: 'int', id: 'text', user_id: 'text' })} k
     JOIN chat_conversations c ON c.id = k.id
     JOIN chat_participants p ON p.conversation = c.num AND p.user_id = k.user_id`,
    JSON.stringify(pairs.map(([id, userId], index) => [index, id, userId])))
  const found = new Map(rows.map(row => [Number(row.key), followable(row)]))
  return pairs.map((_, index) => found.get(index))
}

/** Rows read by one statement: SQLite reads in this thread, where nobody else gets a turn meanwhile. */
export const FOLLOWABLES_PAGE = 2000

/** Of each user all conversations, by number; in pages where there are many. Streams of one user that open together share them. */
export async function findAllFollowables (sql: Sql, dialect: Dialect, userIds: readonly string[]): Promise<Followable[][]> {
  const users = [...new Set(userIds)]
  const found = new Map(users.map((userId): [string, Followable[]] => [userId, []]))
  const rows = await sql.query<Row>(
    `SELECT k.user_id, ${COLUMNS} FROM ${dialect.table({ user_id: 'text' })} k
     JOIN chat_participants p ON p.user_id = k.user_id
     JOIN chat_conversations c ON c.num = p.conversation LIMIT ${FOLLOWABLES_PAGE}`,
    JSON.stringify(users.map(userId => [userId])))
  if (rows.length < FOLLOWABLES_PAGE) {
    for (const row of rows) found.get(row.user_id!)!.push(followable(row))
    for (const conversations of found.values()) conversations.sort((a, b) => a.num - b.num)
  } else {
    for (const [userId, conversations] of found) await readPages(sql, userId, conversations)
  }
  return userIds.map(userId => found.get(userId)!)
}

/** What changes between two pages is an event after the position that the stream begins at, and is looked up. */
async function readPages (sql: Sql, userId: string, conversations: Followable[]): Promise<void> {
  for (let more = true; more;) {
    const rows = await sql.query<Row>(
      `SELECT ${COLUMNS} FROM chat_participants p JOIN chat_conversations c ON c.num = p.conversation
       WHERE p.user_id = ? AND p.conversation > ? ORDER BY p.conversation LIMIT ${FOLLOWABLES_PAGE}`, userId, conversations.at(-1)?.num ?? 0)
    for (const row of rows) conversations.push(followable(row))
    more = rows.length === FOLLOWABLES_PAGE
    await new Promise(resolve => setImmediate(resolve))
  }
}
