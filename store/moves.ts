// SQL by hand: it runs with every mark, and decides over the newest row without reading it first.
import type { ReceiptStatus } from '../schemas/messages.js'
import type { ConversationRow } from './rows.js'
import type { Dialect, Sql } from './sql.js'
import { columnTypes, perDialect } from './table.js'
import * as tables from './tables.js'

/**
 * When watermarks moved, in `chat_marks`. The rows of a user and kind form a chain: a row says when everything above the row
 * below it, up to its own `seq`, was marked. A row whose `at` is 0 only says where the chain begins: what lies up to there was marked before
 * times were kept, or so long ago that its time has been deleted. Without a row, no time is known.
 */

/** Moves within one such slot of the clock share a row, in milliseconds. So a time is late by less than this. */
export const MARK_SLOT_MS = 5000

/** A watermark that has moved. */
export interface Move {
  conversation: ConversationRow
  userId: string
  kind: ReceiptStatus
  /** Where it is now. */
  seq: number
  /** Epoch milliseconds. */
  at: number
  /** Where it was, if messages up to there were marked before. They get no time from this move, even if they have no row. */
  before: number | null
}

const places = (a: string, b: string): string => `${a}.conversation = ${b}.conversation AND ${a}.user_id = ${b}.user_id AND ${a}.kind = ${b}.kind`

/** The newest row of each user and kind, if it is of the slot of the move. */
const shared = `SELECT m.conversation, m.user_id, m.kind, m.seq FROM k JOIN chat_marks m ON ${places('m', 'k')}
  AND m.seq = (SELECT max(x.seq) FROM chat_marks x WHERE ${places('x', 'k')} AND x.seq < k.seq)
  AND (k.before IS NULL OR m.seq >= k.before) AND m.at >= k.at - k.at % ${MARK_SLOT_MS} AND m.at < k.at - k.at % ${MARK_SLOT_MS} + ${MARK_SLOT_MS}`
const removal = `DELETE FROM chat_marks WHERE (conversation, user_id, kind, seq) IN (${shared})`

const statements = perDialect(dialect => {
  const moves = `k AS MATERIALIZED (SELECT * FROM ${dialect.table({ ...columnTypes(tables.marks), before: 'int' })} moves)`
  const insertion = `INSERT INTO chat_marks (conversation, user_id, kind, seq, at)
    SELECT k.conversation, k.user_id, k.kind, k.seq, k.at FROM k
    UNION ALL SELECT k.conversation, k.user_id, k.kind, k.before, 0 FROM k WHERE k.before IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM chat_marks m WHERE ${places('m', 'k')} AND m.seq >= k.before)
    ON CONFLICT DO NOTHING`
  return {
    inOne: `WITH ${moves}, removed AS (${removal}) ${insertion}`,
    insert: `WITH ${moves} ${insertion}`,
    remove: `WITH ${moves} ${removal}`
  }
})

/** Writes when watermarks moved. A move in the slot of the newest row of its user and kind takes the place of that row. */
export async function writeMoves (sql: Sql, dialect: Dialect, moves: Iterable<Move>): Promise<void> {
  const rows = JSON.stringify(Array.from(moves, ({ conversation, userId, kind, seq, at, before }) =>
    [conversation.num, userId, kind, seq, at, before]))
  const statement = statements(dialect)
  if (dialect.writesInWith) {
    await sql.execute(statement.inOne, rows)
  } else {
    // In this order: the row that is removed shows that nothing is missing below the new one.
    await sql.execute(statement.insert, rows)
    await sql.execute(statement.remove, rows)
  }
}

const chain = { conversation: 'int', user_id: 'text', kind: 'text', seq: 'int' } as const

const pruning = perDialect(({ lock, table }) => ({
  lock: `SELECT c.num FROM chat_conversations c WHERE c.num IN (SELECT k.num FROM ${table({ num: 'int' })} k) ORDER BY c.num ${lock}`,
  remove: `DELETE FROM chat_marks WHERE (conversation, user_id, kind, seq) IN
    (SELECT m.conversation, m.user_id, m.kind, m.seq FROM ${table(chain)} k JOIN chat_marks m ON ${places('m', 'k')} AND m.seq <= k.seq)`,
  begin: `INSERT INTO chat_marks (conversation, user_id, kind, seq, at) SELECT k.conversation, k.user_id, k.kind, k.seq, 0 FROM ${table(chain)} k
    WHERE EXISTS (SELECT 1 FROM chat_marks m WHERE ${places('m', 'k')} AND m.seq > k.seq)`
}))

/**
 * Deletes the oldest rows, at most `step` with a time, that are older than an instant. What remains of a chain begins where they ended.
 * @returns number of rows that were found
 */
export async function deleteMovesBefore (sql: Sql, dialect: Dialect, before: number, step: number): Promise<number> {
  const rows = await sql.query<{ conversation: number, user_id: string, kind: string, seq: number }>(
    `SELECT conversation, user_id, kind, seq FROM chat_marks WHERE at > 0 AND at < ? ORDER BY at LIMIT ${step}`, before)
  if (rows.length === 0) return 0
  const newest = new Map<string, [conversation: number, userId: string, kind: string, seq: number]>()
  for (const { conversation, user_id: userId, kind, seq } of rows) {
    const key = JSON.stringify([Number(conversation), userId, kind])
    newest.set(key, [Number(conversation), userId, kind, Math.max(Number(seq), newest.get(key)?.[3] ?? 0)])
  }
  const chains = JSON.stringify([...newest.values()])
  const statement = pruning(dialect)
  // A move that does not know yet that the row below it is gone would leave a chain without a beginning.
  await sql.query(statement.lock, JSON.stringify([...new Set([...newest.values()].map(([conversation]) => conversation))].map(num => [num])))
  await sql.execute(statement.remove, chains)
  await sql.execute(statement.begin, chains)
  return rows.length
}
