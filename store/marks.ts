// SQL by hand: all participants of many messages in one statement, grouped by their marks.
import type { Marks } from '../schemas/status.js'
import type { Dialect, Sql } from './sql.js'
import { insert, perDialect, write, type RowOf, type Written } from './table.js'
import * as tables from './tables.js'

/** A range of messages of a conversation, by `seq`. */
export interface Range { conversation: number, low: number, high: number }

/** Conversation, number and sender of a message. */
export interface Place { conversation: number, seq: number, senderId: string }

const insertStatement = perDialect(dialect =>
  insert(tables.formerParticipants, dialect, ['conversation', 'userId', 'joinedSeq', 'deliveredSeq', 'readSeq']))

/** Returns, for each conversation, the smallest range that contains its messages. */
export function rangesOf (places: Iterable<Pick<Place, 'conversation' | 'seq'>>): Range[] {
  const ranges = new Map<number, Range>()
  for (const { conversation, seq } of places) {
    const { low, high } = ranges.get(conversation) ?? { low: seq, high: seq }
    ranges.set(conversation, { conversation, low: Math.min(low, seq), high: Math.max(high, seq) })
  }
  return [...ranges.values()]
}

/**
 * Returns the marks of participants, or of former ones, that matter for a range of messages. Marks are clamped to the range
 * and grouped: a thousand participants who have all read a page are one row.
 */
export async function findMarks (
  sql: Sql, { greatest, least, table }: Dialect, of: 'participants' | 'former_participants', ranges: Range[]
): Promise<Map<number, Marks[]>> {
  const found = new Map<number, Marks[]>()
  if (ranges.length === 0) return found
  const rows = await sql.query<{ conversation: number, joined: number, delivered: number, seen: number, people: number | bigint, somebody: string }>(
    `SELECT p.conversation, ${greatest}(p.joined_seq, k.low - 1) AS joined,
       ${least}(${greatest}(p.delivered_seq, k.low - 1), k.high) AS delivered,
       ${least}(${greatest}(p.read_seq, k.low - 1), k.high) AS seen,
       count(*) AS people, min(p.user_id) AS somebody
     FROM ${table({ conversation: 'int', low: 'int', high: 'int' })} k
     JOIN chat_${of} p ON p.conversation = k.conversation AND p.joined_seq < k.high${of === 'participants' ? '' : ' AND p.delivered_seq >= k.low'}
     GROUP BY 1, 2, 3, 4`, JSON.stringify(ranges.map(({ conversation, low, high }) => [conversation, low, high])))
  for (const row of rows) {
    const conversation = Number(row.conversation)
    const marks = found.get(conversation) ?? []
    found.set(conversation, marks)
    marks.push({
      userId: Number(row.people) === 1 ? row.somebody : null,
      joinedSeq: Number(row.joined),
      deliveredSeq: Number(row.delivered),
      readSeq: Number(row.seen)
    })
  }
  return found
}

/** Whether the marks matter for any message. Others are not kept. */
export const saysSomething = ({ joinedSeq, deliveredSeq }: Marks): boolean => deliveredSeq > joinedSeq

/** Keeps the marks of participants who left. */
export async function insertFormer (sql: Sql, dialect: Dialect, rows: Array<Written<RowOf<typeof tables.formerParticipants>>>): Promise<void> {
  await write(sql, insertStatement(dialect), rows)
}
