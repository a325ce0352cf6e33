import { LRUCache } from 'lru-cache'
import type { Database } from '../../store/database.js'
import { findEntries, type LogEntry, type LogPlace } from '../../store/reads/entries.js'
import { elapsedMs } from '../../time.js'

/** Entries read at once. */
const PAGE = 500
/**
 * Followers that wait are woken at most once in this time, in milliseconds: under load they get more entries at once, which cost less
 * each. A lone event wakes them at once.
 */
const GATHER_MS = 10
/** Pages kept for other followers that are at the same place. */
export const FEED_PAGES = 16

/** Entries that follow each other. */
export interface LogPage {
  readonly entries: readonly LogEntry[]
  /** What the feed had heard of when it read the last entries that there were. Undefined: there may be more. */
  readonly news: number | undefined
}

/**
 * The event log in commit order, for all followers of this process. Followers that have kept up are at the same place and share
 * each page, so a commit costs one read, however many they are.
 */
export class LogFeed {
  readonly #database: Database
  /** What follows a place in the log never changes, so a page stays right; there may only be more behind it. */
  readonly #pages = new LRUCache<string, LogPage>({ max: FEED_PAGES })
  readonly #reading = new Map<string, Promise<LogPage>>()
  readonly #waiting = new Set<() => void>()
  #newest = 0
  /** Number of times that there was something new. */
  #news = 0
  #wokenAt = -Infinity
  #waking: NodeJS.Timeout | undefined

  constructor (database: Database) {
    this.#database = database
  }

  /** The newest position that this process has heard of. */
  get newest (): number {
    return this.#newest
  }

  /** The log has come to this position. */
  heard (position: number): void {
    if (position <= this.#newest) return
    this.#newest = position
    if (this.#waking !== undefined) return
    const early = this.#wokenAt + GATHER_MS - elapsedMs()
    if (early <= 0) this.wake()
    else this.#waking = setTimeout(() => { this.wake() }, early).unref()
  }

  /** Lets those go on that wait for something new. */
  wake (): void {
    clearTimeout(this.#waking)
    this.#waking = undefined
    this.#wokenAt = elapsedMs()
    this.#news++
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const go of waiting) go()
  }

  /** Resolves when there is something behind the page, or with the signal. */
  async moreAfter ({ news }: LogPage, signal: AbortSignal): Promise<void> {
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

  /** A page of entries after a place. */
  async read (after: LogPlace): Promise<LogPage> {
    const key = `${after.position} ${after.conversation} ${after.seq}`
    const kept = this.#pages.get(key)
    if (kept !== undefined) return kept
    let reading = this.#reading.get(key)
    if (reading === undefined) {
      reading = this.#read(after).finally(() => this.#reading.delete(key))
      this.#reading.set(key, reading)
    }
    const page = await reading
    if (page.entries.length > 0) this.#pages.set(key, page)
    return page
  }

  async #read (after: LogPlace): Promise<LogPage> {
    const news = this.#news
    const entries = await findEntries(this.#database, after, PAGE)
    return { entries, news: entries.length < PAGE ? news : undefined }
  }

  /** The log has lost its end: what was read may not be in it. */
  forget (): void {
    this.#pages.clear()
    this.#reading.clear()
    this.#newest = 0
    this.wake()
  }
}
