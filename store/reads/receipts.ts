// SQL by hand: one index seek for each participant.
import type { Database } from '../database.js'
import { select } from '../table.js'
import * as tables from '../tables.js'

const participant = select(tables.participants, 'p', ['userId', 'deliveredSeq', 'readSeq'])

/** A participant's marks, and when those moved past a message: the one of reading where they have read it, else that of delivery. */
export interface Reception {
  userId: string
  deliveredSeq: number
  readSeq: number
  /** Epoch milliseconds; null if nobody has kept it. */
  at: number | null
}

/** The marks of all participants who were there when a message was sent, except its sender. */
export async function findReceptions (
  { read }: Database, { num, seq, senderId }: { num: number, seq: number, senderId: string }
): Promise<Reception[]> {
  const rows = await read.query<{ moved_at: bigint | number | null }>(
    `SELECT ${participant.columns}, CASE WHEN p.delivered_seq >= ? THEN (SELECT m.at FROM chat_marks m
       WHERE m.conversation = p.conversation AND m.user_id = p.user_id AND m.kind = CASE WHEN p.read_seq >= ? THEN 'read' ELSE 'delivered' END
         AND m.seq >= ? ORDER BY m.seq LIMIT 1) END AS moved_at
     FROM chat_participants p WHERE p.conversation = ? AND p.joined_seq < ? AND p.user_id <> ?`, seq, seq, seq, num, seq, senderId)
  return rows.map(row => ({ ...participant.read(row), at: Number(row.moved_at ?? 0) || null }))
}
