import type { LogEntry, LogPlace } from '../../store/reads/entries.js'

/**
 * Something that follows the event log: it gets each entry at least once, in commit order, on one node at a time. How far it has come
 * is written within a second, so after a crash it gets some entries again.
 */
export interface Follower {
  /** Under which its place in the log is kept. */
  readonly name: string
  /** Where it begins when it is new: with what comes next, or with the oldest event that is kept. `row`: it is only led once it has a row. */
  readonly from: 'now' | 'start' | 'row'
  /**
   * Works on entries. Once it resolves, they are done. If it rejects, it is called again after a while (see `retryDelays`), with the
   * entries from the first one on that was not passed.
   */
  follow(entries: readonly LogEntry[], lead: Lead): Promise<void>
}

/** What a follower is told by the node that leads it. */
export interface Lead {
  /** Aborts when the node stops, or no longer leads. Stop at once then: another node goes on. */
  readonly signal: AbortSignal
  /** How the first entry has failed so far. */
  readonly failing: Failing | undefined
  /** Everything up to this entry is done, even if a later one fails. */
  passed(place: LogPlace): void
}

/** An entry that could not be worked on. Times are by the clock of deadlines (`SharedClock.ticks`). */
export interface Failing {
  /** Number of tries. */
  tries: number
  /** How many of them were refused for good. */
  refusals?: number
  since: number
  /** When it is tried again. */
  nextAt: number
  error: string
}

/** Why an entry fails. Other errors that are thrown count, too. */
export class FollowerError extends Error {
  override name = 'FollowerError'
  /** When to try again at the earliest, in milliseconds. Undefined: as `retryDelays` says. */
  readonly retryAfterMs: number | undefined
  /** Whether trying again is unlikely to help. */
  readonly isRefusal: boolean

  constructor (message: string, { retryAfterMs, isRefusal = false }: { retryAfterMs?: number | undefined, isRefusal?: boolean } = {}) {
    super(message)
    this.retryAfterMs = retryAfterMs
    this.isRefusal = isRefusal
  }
}

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
/** A receiver may ask for a pause of this long. */
const RETRY_AFTER_MAX = HOUR
const JITTER = 0.2

/** Milliseconds before each further try; then always the last of them. Tests shorten them. */
export const retryDelays = { ms: [5 * SECOND, 30 * SECOND, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR] }

/** Milliseconds until the next try, after this many. */
export function retryDelay (tries: number, retryAfterMs = 0): number {
  const { ms } = retryDelays
  const delay = ms[Math.min(tries, ms.length) - 1] ?? HOUR
  return Math.max(delay * (1 - JITTER + 2 * JITTER * Math.random()), Math.min(retryAfterMs, RETRY_AFTER_MAX))
}
