import { LRUCache } from 'lru-cache'
import type { Database } from '../../store/database.js'
import { findEntries, type LogEntry, type LogPlace } from '../../store/reads/entries.js'

/** Entries read at once. */
const PAGE = 500
/** Pages kept for other followers that are at the same place. */
export const FEED_PAGES = 16

/**
 * The event log in commit order, for all followers of this process. Followers that have kept up are at the same place and share
 * each page, so a commit costs one read, however many they are.
 */
export class LogFeed {
  readonly #database: Database
  /** What follows a place in the log never changes, so a page stays right; there may only be more behind it. */
  readonly #pages = new LRUCache<string, LogEntry[]>({ max: FEED_PAGES })
  readonly #reading = new Map<string, Promise<LogEntry[]>>()
  readonly #waiting = new Set<() => void>()
  #newest = 0
  #news = 0

  constructor (database: Database) {
    this.#database = database
  }

  /** Number of times that there was something new. Take it before reading. */
  get news (): number {
    return this.#news
  }

  /** The newest position that this process has heard of. */
  get newest (): number {
    return this.#newest
  }

  /** The log has come to this position. */
  heard (position: number): void {
    if (position <= this.#newest) return
    this.#newest = position
    this.wake()
  }

  /** Lets those go on that wait for something new. */
  wake (): void {
    this.#news++
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const go of waiting) go()
  }

  /** Resolves when there is something new since `news` was taken, or with the signal. */
  async newsSince (news: number, signal: AbortSignal): Promise<void> {
    if (news !== this.#news || signal.aborted) return
    await new Promise<void>(resolve => {
      const go = (): void => {
        this.#waiting.delete(go)
        signal.removeEventListener('abort', go)
        resolve()
      }
      this.#waiting.add(go)
      signal.addEventListener('abort', go)
    })
  }

  /** A page of entries after a place; empty only when there are none. */
  async read (after: LogPlace): Promise<readonly LogEntry[]> {
    const key = `${after.position} ${after.conversation} ${after.seq}`
    const kept = this.#pages.get(key)
    if (kept !== undefined) return kept
    let reading = this.#reading.get(key)
    if (reading === undefined) {
      reading = findEntries(this.#database, after, PAGE).finally(() => this.#reading.delete(key))
      this.#reading.set(key, reading)
    }
    const entries = await reading
    if (entries.length > 0) this.#pages.set(key, entries)
    return entries
  }

  /** The log has lost its end: what was read may not be in it. */
  forget (): void {
    this.#pages.clear()
    this.#reading.clear()
    this.#newest = 0
    this.wake()
  }
}
