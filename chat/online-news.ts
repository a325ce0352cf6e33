import { LRUCache } from 'lru-cache'

/** Changes of a user's online status that are told immediately. */
export const CHANGES_AT_ONCE = 10
/** After those, one change is told in this many milliseconds: the status as it is then. */
export const CHANGE_EVERY_MS = 2000
/** Users whose changes are counted. */
export const CHANGING_MAX = 10_000

interface Changes { left: number, at: number }

/**
 * Limits how often a user's online status is told. Each change goes to everybody who shares a conversation with the user, so
 * a small request can cause much work. The status itself is always saved immediately.
 */
export class OnlineNews {
  readonly #changes = new LRUCache<string, Changes>({ max: CHANGING_MAX })
  /** Users with a change that was not told yet, and the status that was told last. */
  readonly #untold = new Map<string, boolean>()

  /** Counts a change. @returns whether to tell it now; false too when others know this status already, or when it is owed to them */
  mayTell (userId: string, isOnline: boolean): boolean {
    const told = this.#untold.get(userId) ?? !isOnline
    this.#untold.delete(userId)
    // Others know it so already.
    if (told === isOnline) return false
    const now = performance.now()
    const { left, at } = this.#changes.get(userId) ?? { left: CHANGES_AT_ONCE, at: now }
    const earned = Math.min(CHANGES_AT_ONCE, left + (now - at) / CHANGE_EVERY_MS)
    const may = earned >= 1 || this.#untold.size >= CHANGING_MAX
    this.#changes.set(userId, { left: may ? Math.max(0, earned - 1) : earned, at: now })
    if (!may) this.#untold.set(userId, told)
    return may
  }

  /** The status that others were told last, if they are owed a change since then. */
  owed (userId: string): boolean | undefined {
    return this.#untold.get(userId)
  }

  /** Notes that nothing is owed any more. */
  settled (userId: string): void {
    this.#untold.delete(userId)
  }
}
