import { LRUCache } from 'lru-cache'

/** Changes of a user's online status that are told at once. */
export const CHANGES_AT_ONCE = 10
/** After those, one is told in so many milliseconds: the status as it is then. */
export const CHANGE_EVERY_MS = 2000
/** Users whose changes are counted. */
export const CHANGING_MAX = 10_000

interface Changes { left: number, at: number }

/**
 * How often one user's online status is told. Each telling goes to everybody who shares a conversation with them, so that a
 * few bytes could become a great deal of work. The status itself is saved at once, whatever is told.
 */
export class OnlineNews {
  readonly #changes = new LRUCache<string, Changes>({ max: CHANGING_MAX })
  /** Users with a change that wasn't told, and what was told last. */
  readonly #untold = new Map<string, boolean>()

  /** Counts a change. Whether it is to be told now; if it only may not be, it is owed. */
  mayTell (userId: string, isOnline: boolean): boolean {
    const told = this.#untold.get(userId) ?? !isOnline
    this.#untold.delete(userId)
    // back to what others know
    if (told === isOnline) return false
    const now = performance.now()
    const { left, at } = this.#changes.get(userId) ?? { left: CHANGES_AT_ONCE, at: now }
    const earned = Math.min(CHANGES_AT_ONCE, left + (now - at) / CHANGE_EVERY_MS)
    const may = earned >= 1 || this.#untold.size >= CHANGING_MAX
    this.#changes.set(userId, { left: may ? Math.max(0, earned - 1) : earned, at: now })
    if (!may) this.#untold.set(userId, told)
    return may
  }

  /** What others were told last, if a change since is owed to them. */
  owed (userId: string): boolean | undefined {
    return this.#untold.get(userId)
  }

  /** Others are told, or there is nothing to tell. */
  settled (userId: string): void {
    this.#untold.delete(userId)
  }
}
