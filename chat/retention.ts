import { deleteDeletionsBefore, deleteEventsBefore } from '../store/retention.js'
import type { SharedClock } from '../store/shared-clock.js'
import type { Writer } from '../store/writer.js'

/** The most events that are deleted in one transaction. Writers wait no longer than that takes. */
const STEP = 500
const DAY_MS = 86_400_000

/**
 * Deletes events that are older than this many days, in small steps. Messages stay. A stream that resumes among the deleted
 * events gets `reset`.
 * @returns how many were deleted
 */
export async function pruneEvents (writer: Writer, clock: SharedClock, days: number): Promise<number> {
  // The clock that does not step: if the other one were set a month ahead, all events would be deleted.
  const before = clock.ticks() - days * DAY_MS
  for (let pruned = 0; ;) {
    const step = await writer.run(async sql => await deleteEventsBefore(sql, before, STEP))
    pruned += step
    if (step < STEP) return pruned
  }
}

/** Forgets which conversations were deleted more than a day ago: no node is that far behind. */
export async function forgetDeletions (writer: Writer, now: number): Promise<void> {
  await writer.exclusiveBeside(async prisma => { await deleteDeletionsBefore(prisma, now - DAY_MS) })
}
