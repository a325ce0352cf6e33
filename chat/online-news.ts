import { BoundedCache } from '../bounded-cache.js'

/** The number of changes of a user's online status that are announced immediately. */
export const CHANGES_AT_ONCE = 10
/** After those, one change is announced in this many milliseconds: the status as it is then. */
export const CHANGE_EVERY_MS = 2000
/** Users whose changes are counted. */
export const CHANGING_MAX = 10_000

interface Changes { left: number, at: number }

/** A change that is not announced yet. */
export interface Owed {
  /** The status that was announced last. */
  told: boolean
  /** When it ceased to be true, in epoch milliseconds. */
  since: number
  /** Users who were told alone meanwhile. */
  knowing: Set<string>
}

/**
 * Limits how often a user's online status is announced. Each change goes to everybody who shares a conversation with the
 * user, so a small request can cause much work. The status itself is always saved immediately.
 */
export class OnlineNews {
  readonly #changes = new BoundedCache<Changes>(CHANGING_MAX)
  /** By user. */
  readonly #untold = new Map<string, Owed>()

  /**
   * Counts a change, made at `since`. @returns whether to announce it now; false also if others know this status already, or if it will
   * be announced later
   */
  mayTell (userId: string, isOnline: boolean, since: number): boolean {
    const told = this.#untold.get(userId)?.told ?? !isOnline
    this.#untold.delete(userId)
    // Others already know this status.
    if (told === isOnline) return false
    const now = performance.now()
    const { left, at } = this.#changes.get(userId) ?? { left: CHANGES_AT_ONCE, at: now }
    const earned = Math.min(CHANGES_AT_ONCE, left + (now - at) / CHANGE_EVERY_MS)
    const may = earned >= 1 || this.#untold.size >= CHANGING_MAX
    this.#changes.set(userId, { left: may ? Math.max(0, earned - 1) : earned, at: now })
    if (!may) this.#untold.set(userId, { told, since, knowing: new Set() })
    return may
  }

  /** The change that is still to be announced. */
  owed (userId: string): Owed | undefined {
    return this.#untold.get(userId)
  }

  /** Nothing is to be announced any more. */
  settled (userId: string): void {
    this.#untold.delete(userId)
  }
}
