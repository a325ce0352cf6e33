import type { AnyEmission, Catalogue, Emission } from './emission.js'

/** Where durable events are kept: what the hub didn't hear, or hasn't sent yet, it reads here. */
export interface Log<C extends Catalogue> {
  /** Events of a topic after a `seq`, ascending; fewer than `limit` only when there are no more. */
  read(topic: string, after: number, limit: number): Promise<Array<Emission<C>>>
  /** Number of the newest transaction. */
  position(): Promise<number>
  /** Topics with events after a position, and their newest `seq`. */
  changedSince(position: number): Promise<Array<{ topic: string, seq: number }>>
  /** Who has joined which topic after a position, by which event. */
  joinedSince(position: number): Promise<Array<{ topic: string, userId: string, seq: number }>>
  /** A position as an `id:` shows it. */
  cursor(position: number): string
}

/** Events read at once. */
export const PAGE = 100
/** Pages read at the same time. */
const READERS = 16

/** Reads pages of the log: a bounded number at a time, and the same page for many streams once. */
export class PageReader<C extends Catalogue> {
  readonly #log: Log<C>
  readonly #pages = new Map<string, Promise<AnyEmission[]>>()
  readonly #waiting: Array<() => void> = []
  #reading = 0

  constructor (log: Log<C>) {
    this.#log = log
  }

  /** Undefined when the database is away. */
  async read (topic: string, after: number): Promise<AnyEmission[] | undefined> {
    const key = `${after}:${topic}`
    let page = this.#pages.get(key)
    if (page === undefined) {
      page = this.#readInTurn(topic, after).finally(() => this.#pages.delete(key))
      this.#pages.set(key, page)
    }
    try {
      return await page
    } catch {
      return undefined
    }
  }

  async #readInTurn (topic: string, after: number): Promise<AnyEmission[]> {
    if (this.#reading < READERS) this.#reading++
    else await new Promise<void>(resolve => this.#waiting.push(resolve))
    try {
      return await this.#log.read(topic, after, PAGE)
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#reading--
      // SQLite reads in this thread: a crowd that catches up has its turns, and the rest of the process has its own
      else setImmediate(next)
    }
  }
}
