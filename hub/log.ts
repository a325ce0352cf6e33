import { LRUCache } from 'lru-cache'
import type { AnyEmission, Blank, Catalogue, Emission } from './emission.js'
import { blankFrame, frameOf, type Frame } from './frame.js'
import type { Newest, Transaction } from './known-log.js'
import { nextTurn } from './slice.js'

/** Where durable events are kept. The hub reads here what it did not hear of, or has not sent yet. */
export interface Log<C extends Catalogue> {
  /** Events of a topic after a `seq`, ascending; fewer than `limit` only when there are no more. */
  read(topic: string, after: number, limit: number): Promise<Array<Emission<C> | Blank>>
  /** The newest transaction, and the tags of those at some positions. */
  look(positions: readonly number[]): Promise<Newest>
  /** Topics with events after a position, with their newest `seq`. */
  changedSince(position: number): Promise<Array<{ topic: string, seq: number }>>
  /** Users who joined a topic after a position, with the event of the join. */
  joinedSince(position: number): Promise<Array<{ topic: string, userId: string, seq: number }>>
  /** The last events of topics that have ended after a position. Default: none. */
  endedSince?(position: number): Promise<Array<Emission<C>>>
  /** What grows in a topic, as it is now: events for streams that have missed how it came about. Default: nothing does. */
  growing?(topic: string): Promise<Array<Emission<C>>>
  /** One event that says what two ephemeral events say that follow each other and have the same `grows`. Default: none. */
  joined?(first: Emission<C>, second: Emission<C>): Emission<C> | undefined
  /** The event id that says: everything up to this transaction has been seen, and something of later ones up to `shown`. */
  cursor(at: Transaction, shown: Transaction): string
}

/** An event, and how it is written. */
export interface FramedEvent { emission: AnyEmission, frame: Frame }

interface Page {
  /** The page is as it was when the topic's newest `seq` was this one, or later. */
  head: number
  events: FramedEvent[]
}

/** Events of a page. */
export const PAGE = 100
/** Pages read at the same time. */
export const READERS = 16
/** Bytes of pages kept for the next streams that need them, and how long, in milliseconds. */
export const KEPT_BYTES = 16 * 1024 * 1024
const KEPT_MS = 10_000
/** Estimate of what a kept event takes beside its text. */
const EVENT_BYTES = 500

/**
 * Reads pages of the log, a bounded number at a time. Reads a page once for many streams, also if they come one after the
 * other: of ten thousand that reconnect, Node.js accepts one in each turn of the event loop.
 */
export class PageReader<C extends Catalogue> {
  readonly #log: Log<C>
  readonly #report: (error: unknown, emission: AnyEmission) => void
  readonly #underWay = new Map<string, { head: number, page: Promise<Page> }>()
  readonly #kept = new LRUCache<string, Page>({
    maxSize: KEPT_BYTES,
    ttl: KEPT_MS,
    // Twice the text: as an object, and as it is written
    sizeCalculation: ({ events }) => events.reduce((sum, { frame }) => sum + EVENT_BYTES + 2 * frame.body.length, 0)
  })

  readonly #waiting: Array<() => void> = []
  #reading = 0
  /** What grows, by topic: readings that have not begun. */
  readonly #growing = new Map<string, Promise<Frame[]>>()

  /** `report` is called for events that cannot be written. */
  constructor (log: Log<C>, report: (error: unknown, emission: AnyEmission) => void = () => {}) {
    this.#log = log
    this.#report = report
  }

  /**
   * The events after a `seq`, as they were when the topic's newest was `head`, or later, so that a message that was deleted by
   * then does not show. Without `head`, as they are now. Undefined when the database is unavailable.
   */
  async read (topic: string, after: number, head = Infinity): Promise<FramedEvent[] | undefined> {
    const key = `${after}:${topic}`
    const kept = this.#kept.get(key)
    if (kept !== undefined && kept.head >= head) return kept.events
    let reading = this.#underWay.get(key)
    if (reading === undefined || reading.head < head) {
      const mine = reading = { head: Math.max(after, head === Infinity ? 0 : head), page: this.#readInTurn(topic, after) }
      this.#underWay.set(key, mine)
      void mine.page.then(page => {
        page.head = Math.max(mine.head, page.head)
        if (page.events.length > 0) this.#kept.set(key, page)
      }, () => {}).finally(() => {
        if (this.#underWay.get(key) === mine) this.#underWay.delete(key)
      })
    }
    try {
      return (await reading.page).events
    } catch {
      return undefined
    }
  }

  /**
   * What grows in a topic, read after this call. Streams that ask in one turn of the event loop share the answer. Undefined when the
   * database is unavailable.
   */
  async growing (topic: string): Promise<Frame[] | undefined> {
    let reading = this.#growing.get(topic)
    if (reading === undefined) this.#growing.set(topic, reading = this.#readGrowing(topic))
    return await reading.catch(() => undefined)
  }

  async #readGrowing (topic: string): Promise<Frame[]> {
    await nextTurn()
    return await this.#inTurn(async () => {
      this.#growing.delete(topic)
      const emissions: AnyEmission[] = await this.#log.growing?.(topic) ?? []
      return emissions.map(emission => this.#frameOf(emission))
    })
  }

  async #readInTurn (topic: string, after: number): Promise<Page> {
    return await this.#inTurn(async () => {
      const emissions: AnyEmission[] = await this.#log.read(topic, after, PAGE)
      return { head: emissions.at(-1)?.seq ?? after, events: emissions.map(emission => ({ emission, frame: this.#frameOf(emission) })) }
    })
  }

  async #inTurn<T> (read: () => Promise<T>): Promise<T> {
    if (this.#reading < READERS) this.#reading++
    else await new Promise<void>(resolve => this.#waiting.push(resolve))
    try {
      return await read()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#reading--
      // SQLite reads in this thread: gives the rest of the process a turn between two pages
      else setImmediate(next)
    }
  }

  /** An event that cannot be written does not hold up its topic. */
  #frameOf (emission: AnyEmission): Frame {
    try {
      return frameOf(emission)
    } catch (error) {
      this.#report(error, emission)
      return blankFrame(emission)
    }
  }
}
