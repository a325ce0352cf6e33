import type { SharedClock } from '../store/shared-clock.js'
import type { Writer } from '../store/writer.js'

/** Events deleted in one transaction: writers wait no longer than that. */
const STEP = 500
const DAY_MS = 86_400_000

/**
 * Deletes events that are older than so many days, in small steps; messages stay. Positions in what is gone can't be
 * resumed any more (`reset`).
 * @returns how many were deleted
 */
export async function pruneEvents (writer: Writer, clock: SharedClock, days: number): Promise<number> {
  // the clock that doesn't step: once it was set a month ahead, all would be gone
  const before = clock.ticks() - days * DAY_MS
  for (let pruned = 0; ;) {
    const step = await writer.run(async sql => {
      const rows = await sql.query<{ conversation: number, seq: number, position: bigint }>(
        `SELECT conversation, seq, position FROM
           (SELECT conversation, seq, position, created_at FROM chat_events ORDER BY position, conversation, seq LIMIT ${STEP}) oldest
         WHERE created_at < ? ORDER BY conversation, seq`, before)
      const newest = new Map(rows.map(row => [Number(row.conversation), row]))
      for (const { conversation, seq, position } of newest.values()) {
        await sql.execute('UPDATE chat_conversations SET pruned_seq = ?, pruned_position = ? WHERE num = ?', Number(seq), Number(position), Number(conversation))
        await sql.execute('DELETE FROM chat_events WHERE conversation = ? AND seq <= ?', Number(conversation), Number(seq))
      }
      return rows.length
    })
    pruned += step
    if (step < STEP) return pruned
  }
}
