import { LRUCache } from 'lru-cache'
import type { AnyEmission, Blank, Catalogue, Emission } from './emission.js'
import { blankFrame, frameOf, type Frame } from './frame.js'
import type { Newest, Transaction } from './known-log.js'

/** Where durable events are kept: what the hub didn't hear, or hasn't sent yet, it reads here. */
export interface Log<C extends Catalogue> {
  /** Events of a topic after a `seq`, ascending; fewer than `limit` only when there are no more. */
  read(topic: string, after: number, limit: number): Promise<Array<Emission<C> | Blank>>
  /** The newest transaction, and the tags of those at some positions. */
  look(positions: readonly number[]): Promise<Newest>
  /** Topics with events after a position, and their newest `seq`. */
  changedSince(position: number): Promise<Array<{ topic: string, seq: number }>>
  /** Who has joined which topic after a position, by which event. */
  joinedSince(position: number): Promise<Array<{ topic: string, userId: string, seq: number }>>
  /** The `id:` that says: seen is everything up to this transaction, and something of others up to `shown`. */
  cursor(at: Transaction, shown: Transaction): string
}

/** An event, with how it stands on the wire. */
export interface LoggedEvent { emission: AnyEmission, frame: Frame }

interface Page {
  /** The topic's newest `seq` when it was read, or a later one than that. */
  asOf: number
  events: LoggedEvent[]
}

/** Events read at once. */
export const PAGE = 100
/** Pages read at the same time. */
export const READERS = 16
/** What has been read is kept for those who come next: about so many bytes of it, for so many milliseconds. */
export const KEPT_BYTES = 16 * 1024 * 1024
const KEPT_MS = 10_000
/** What an event takes beside its text. */
const EVENT_BYTES = 500

/**
 * Reads pages of the log: a bounded number at a time, and the same page for many streams once, also when they come one after
 * the other: of ten thousand that reconnect, Node.js accepts one in each turn of the event loop, and each would read for itself.
 */
export class PageReader<C extends Catalogue> {
  readonly #log: Log<C>
  readonly #report: (error: unknown, emission: AnyEmission) => void
  readonly #underWay = new Map<string, { asOf: number, page: Promise<Page> }>()
  readonly #kept = new LRUCache<string, Page>({
    maxSize: KEPT_BYTES,
    ttl: KEPT_MS,
    // twice the text: as an object, and as it stands on the wire
    sizeCalculation: ({ events }) => events.reduce((sum, { frame }) => sum + EVENT_BYTES + 2 * frame.body.length, 0)
  })

  readonly #waiting: Array<() => void> = []
  #reading = 0

  /** `report` is told of events that can't be shown. */
  constructor (log: Log<C>, report: (error: unknown, emission: AnyEmission) => void = () => {}) {
    this.#log = log
    this.#report = report
  }

  /**
   * The events after a `seq`, as they are when the topic has come to `asOf`, or later: a message that is deleted by then isn't
   * shown any more. Without it, as they are now. Undefined when the database is away.
   */
  async read (topic: string, after: number, asOf = Infinity): Promise<LoggedEvent[] | undefined> {
    const key = `${after}:${topic}`
    const kept = this.#kept.get(key)
    if (kept !== undefined && kept.asOf >= asOf) return kept.events
    let reading = this.#underWay.get(key)
    if (reading === undefined || reading.asOf < asOf) {
      const mine = reading = { asOf: Math.max(after, asOf === Infinity ? 0 : asOf), page: this.#readInTurn(topic, after) }
      this.#underWay.set(key, mine)
      void mine.page.then(page => {
        page.asOf = Math.max(mine.asOf, page.asOf)
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

  async #readInTurn (topic: string, after: number): Promise<Page> {
    if (this.#reading < READERS) this.#reading++
    else await new Promise<void>(resolve => this.#waiting.push(resolve))
    try {
      const emissions: AnyEmission[] = await this.#log.read(topic, after, PAGE)
      return { asOf: emissions.at(-1)?.seq ?? after, events: emissions.map(emission => ({ emission, frame: this.#frameOf(emission) })) }
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#reading--
      // SQLite reads in this thread: a crowd that catches up has its turns, and the rest of the process has its own
      else setImmediate(next)
    }
  }

  /** One event that can't be shown doesn't keep its topic from going on. */
  #frameOf (emission: AnyEmission): Frame {
    try {
      return frameOf(emission)
    } catch (error) {
      this.#report(error, emission)
      return blankFrame(emission)
    }
  }
}
