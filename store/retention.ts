// SQL by hand: a step is one transaction of up to a thousand statements, and writers wait for it.
import type { Prisma } from './prisma.js'
import type { Sql } from './sql.js'

/**
 * Deletes the oldest events, at most `step`, that are older than an instant. Each conversation records up to where.
 * @returns number of events that were found
 */
export async function deleteEventsBefore (sql: Sql, before: number, step: number): Promise<number> {
  const rows = await sql.query<{ conversation: number, seq: number, position: bigint }>(
    `SELECT conversation, seq, position FROM
       (SELECT conversation, seq, position, created_at FROM chat_events ORDER BY position, conversation, seq LIMIT ${step}) oldest
     WHERE created_at < ? ORDER BY conversation, seq`, before)
  const newest = new Map(rows.map(row => [Number(row.conversation), row]))
  for (const { conversation, seq, position } of newest.values()) {
    await sql.execute('UPDATE chat_conversations SET pruned_seq = ?, pruned_position = ? WHERE num = ?',
      Number(seq), Number(position), Number(conversation))
    await sql.execute('DELETE FROM chat_events WHERE conversation = ? AND seq <= ?', Number(conversation), Number(seq))
  }
  return rows.length
}

/** Deletes what is kept of conversations that were deleted before an instant, in epoch milliseconds. */
export async function deleteDeletionsBefore (prisma: Prisma, before: number): Promise<void> {
  await prisma.deletion.deleteMany({ where: { deletedAt: { lt: before } } })
}
