import type { Database } from '../store/database.js'
import { deleteMovesBefore } from '../store/moves.js'
import { deleteRefusedBefore } from '../store/pending.js'
import { deleteDeletionsBefore, deleteEventsBefore } from '../store/retention.js'
import type { SharedClock } from '../store/shared-clock.js'
import { deleteDeadBefore } from '../store/webhooks.js'
import type { Writer } from '../store/writer.js'

/** The default of how long it is kept when a mark was set, in days. */
export const RECEIPT_DAYS = 90
/** How long enqueued messages that were refused are kept, in days. */
export const REFUSED_DAYS = 30
/** How long events are kept that an endpoint did not take, in days. */
const DEAD_DAYS = 30
/** The most rows that are deleted in one transaction. Writers wait no longer than that takes. */
const STEP = 500
const DAY_MS = 86_400_000
/**
 * Days that the log is kept for followers that are behind, beyond those that it is kept anyway. One that has then missed something, and that
 * no node has led for as long, is not waited for any more: a host may have dropped `onEvent`, or never enable a webhook again. Its place stays.
 */
export const FOLLOWER_DAYS = 7

/**
 * Deletes events that are older than this many days, in small steps; those that a follower has not come to, a week later. Messages
 * stay. A stream that resumes among the deleted events gets `reset`.
 * @returns how many were deleted
 */
export async function pruneEvents (writer: Writer, clock: SharedClock, days: number): Promise<number> {
  // The clock that does not step: if the other one were set a month ahead, all events would be deleted.
  const before = clock.ticks() - days * DAY_MS
  const kept = { until: before - FOLLOWER_DAYS * DAY_MS, ledSince: clock.ticks() - FOLLOWER_DAYS * DAY_MS }
  return await inSteps(async () => await writer.run(async sql => await deleteEventsBefore(sql, before, STEP, kept)))
}

/**
 * Forgets when marks were set that are older than this many days, in small steps. The marks stay.
 * @returns how many times were forgotten
 */
export async function pruneMoves (writer: Writer, { clock, dialect }: Pick<Database, 'clock' | 'dialect'>, days: number): Promise<number> {
  const before = clock.ticks() - days * DAY_MS
  return await inSteps(async () => await writer.run(async sql => await deleteMovesBefore(sql, dialect, before, STEP)))
}

async function inSteps (step: () => Promise<number>): Promise<number> {
  for (let total = 0; ;) {
    const count = await step()
    total += count
    if (count < STEP) return total
  }
}

/** Forgets which conversations were deleted more than a day ago: no node is that far behind. Followers may be. */
export async function forgetDeletions (writer: Writer, now: number): Promise<void> {
  const kept = { until: now - (FOLLOWER_DAYS + 1) * DAY_MS, ledSince: now - FOLLOWER_DAYS * DAY_MS }
  await writer.exclusiveBeside(async prisma => { await deleteDeletionsBefore(prisma, now - DAY_MS, kept) })
}

/** Forgets enqueued messages that were refused long ago. */
export async function forgetRefused (writer: Writer, now: number): Promise<void> {
  await writer.exclusiveBeside(async prisma => { await deleteRefusedBefore(prisma, now - REFUSED_DAYS * DAY_MS) })
}

/** Forgets events that an endpoint did not take long ago. */
export async function forgetDead (writer: Writer, now: number): Promise<void> {
  await writer.exclusiveBeside(async prisma => { await deleteDeadBefore(prisma, now - DEAD_DAYS * DAY_MS) })
}
