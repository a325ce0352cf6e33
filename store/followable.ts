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

/** Of each user all conversations, by number. */
export async function findAllFollowables (sql: Sql, dialect: Dialect, userIds: readonly string[]): Promise<Followable[][]> {
  const rows = await sql.query<Row>(
    `SELECT k.key, ${COLUMNS} FROM ${dialect.table({ key: 'int', user_id: 'text' })} k
     JOIN chat_participants p ON p.user_id = k.user_id
     JOIN chat_conversations c ON c.num = p.conversation ORDER BY c.num`,
    JSON.stringify(userIds.map((userId, index) => [index, userId])))
  const found = userIds.map((): Followable[] => [])
  for (const row of rows) found[Number(row.key)]!.push(followable(row))
  return found
}
