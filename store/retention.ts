// SQL by hand: a step is one transaction of up to a thousand statements, and writers wait for it.
import { findHeldPosition } from './followers.js'
import type { Prisma } from './prisma.js'
import type { Sql } from './sql.js'

/** For which followers something is kept. */
export interface Kept {
  /** What is older than this is not kept for any of them, in epoch milliseconds. */
  until: number
  /** See `findHeldPosition`. */
  ledSince: number
}

/**
 * Deletes the oldest events, at most `step`, that are older than an instant. Each conversation records up to where. Events that a
 * follower has not come to are kept, unless they are too old: then the follower is marked.
 * @returns number of events that were found
 */
export async function deleteEventsBefore (sql: Sql, before: number, step: number, kept: Kept = { until: before, ledSince: 0 }): Promise<number> {
  const held = await findHeldPosition(sql, kept.ledSince)
  const rows = await sql.query<{ conversation: number, seq: number, position: bigint }>(
    `SELECT conversation, seq, position FROM
       (SELECT conversation, seq, position, created_at FROM chat_events ORDER BY position, conversation, seq LIMIT ${step}) oldest
     WHERE created_at < ? AND (position < ? OR created_at < ?) ORDER BY conversation, seq`, before, held, kept.until)
  const newest = new Map(rows.map(row => [Number(row.conversation), row]))
  for (const { conversation, seq, position } of newest.values()) {
    await sql.execute('UPDATE chat_conversations SET pruned_seq = ?, pruned_position = ? WHERE num = ?',
      Number(seq), Number(position), Number(conversation))
    await sql.execute('DELETE FROM chat_events WHERE conversation = ? AND seq <= ?', Number(conversation), Number(seq))
  }
  const last = Math.max(0, ...rows.map(({ position }) => Number(position)))
  if (last > held) await sql.execute('UPDATE chat_followers SET gap = ? WHERE position < ?', true, last)
  return rows.length
}

/** Deletes what is kept of conversations that were deleted before an instant, in epoch milliseconds. */
export async function deleteDeletionsBefore (prisma: Prisma, before: number, kept: Kept): Promise<void> {
  const { _min: { position } } = await prisma.follower.aggregate({
    _min: { position: true }, where: { NOT: { gap: true, leaseUntil: { lt: kept.ledSince } } }
  })
  await prisma.deletion.deleteMany({ where: { deletedAt: { lt: before }, ...(position === null ? {} : { position: { lt: position } }) } })
  await prisma.deletion.deleteMany({ where: { deletedAt: { lt: kept.until } } })
}
