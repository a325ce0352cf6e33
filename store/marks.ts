import type { Marks } from '../schemas/status.js'
import type { Dialect, Sql } from './sql.js'
import { insert, perDialect, type RowOf, type Written } from './table.js'
import * as tables from './tables.js'

/** Messages of a conversation, by `seq`. */
export interface Range { conversation: number, low: number, high: number }

/** A message's place, and whose it is. */
export interface Place { conversation: number, seq: number, senderId: string }

const insertStatement = perDialect(dialect => insert(tables.formerParticipants, dialect, ['conversation', 'userId', 'joinedSeq', 'deliveredSeq', 'readSeq']))

/** For each conversation the smallest range that holds its messages. */
export function rangesOf (places: Iterable<Pick<Place, 'conversation' | 'seq'>>): Range[] {
  const ranges = new Map<number, Range>()
  for (const { conversation, seq } of places) {
    const { low, high } = ranges.get(conversation) ?? { low: seq, high: seq }
    ranges.set(conversation, { conversation, low: Math.min(low, seq), high: Math.max(high, seq) })
  }
  return [...ranges.values()]
}

/**
 * The marks of participants, or of former ones, as far as they say anything about a range of messages. They are cut to the
 * range and counted: a thousand participants who have all read a page are one row.
 */
export async function findMarks (sql: Sql, { greatest, least, table }: Dialect, of: 'participants' | 'former_participants', ranges: Range[]): Promise<Map<number, Marks[]>> {
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

/** Marks that say nothing about any message are not kept. */
export const saysSomething = ({ joinedSeq, deliveredSeq }: Marks): boolean => deliveredSeq > joinedSeq

/** Keeps how far participants had come when they left. */
export async function insertFormer (sql: Sql, dialect: Dialect, rows: Array<Written<RowOf<typeof tables.formerParticipants>>>): Promise<void> {
  const { sql: text, parameter } = insertStatement(dialect)
  await sql.execute(text, parameter(rows))
}
