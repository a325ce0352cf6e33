import { elapsedMs } from '../time.js'
import type { Alarm, Clock } from './clock.js'
import type { AnyEmission, Catalogue } from './emission.js'
import type { Log } from './log.js'
import type { Topic } from './topic.js'

/** How long growth waits for each reader of a topic, and at most, in milliseconds. A write to a reader takes some 10 µs of CPU. */
const WAIT_PER_READER_MS = 0.5
const WAIT_MAX_MS = 500
/** A wait that would be shorter is none: a reader sees no difference, and few appends would be joined. */
const WAIT_MIN_MS = 25

type Join = (first: AnyEmission, second: AnyEmission) => AnyEmission | undefined

interface Paced {
  /** When what grows there was sent last. */
  sentAt: number
  /** What waits, by what grows. */
  held: Map<string, AnyEmission>
  alarm: Alarm | undefined
}

/**
 * Holds back events that tell of growth where many read them, and joins them: a text that grows twenty times a second would be as
 * many writes to each of a thousand readers, and now is two. The first one is sent at once, and what waits is sent before any other event
 * of its topic.
 */
export class Pace<C extends Catalogue> {
  readonly #clock: Clock
  readonly #send: (topic: Topic, emission: AnyEmission) => void
  #paced = new WeakMap<Topic, Paced>()
  #join: Join | undefined

  constructor (clock: Clock, send: (topic: Topic, emission: AnyEmission) => void) {
    this.#clock = clock
    this.#send = send
  }

  /** Joins events as this log says. Without, none is held back. */
  joinBy ({ joined }: Log<C>): void {
    this.#join = joined as Join | undefined
  }

  /** Sends an event of a topic when its time has come. */
  send (topic: Topic, emission: AnyEmission): void {
    const { grows, seq } = emission
    if (grows === undefined || seq !== undefined || this.#join === undefined) {
      this.#release(topic)
      this.#send(topic, emission)
      return
    }
    const wait = Math.min(topic.live.size * WAIT_PER_READER_MS, WAIT_MAX_MS)
    let paced = this.#paced.get(topic)
    if (paced === undefined) {
      if (wait < WAIT_MIN_MS) return this.#send(topic, emission)
      this.#paced.set(topic, paced = { sentAt: -Infinity, held: new Map(), alarm: undefined })
    }
    const first = paced.held.get(grows)
    const both = first === undefined ? emission : this.#join(first, emission)
    if (both === undefined) this.#release(topic)
    paced.held.set(grows, both ?? emission)
    const left = paced.sentAt + wait - elapsedMs()
    if (left <= 0) this.#release(topic)
    else paced.alarm ??= this.#clock.after(left, () => { this.#release(topic) })
  }

  /** Sends what waits in a topic. */
  #release (topic: Topic): void {
    const paced = this.#paced.get(topic)
    if (paced === undefined || paced.held.size === 0) return
    this.#clock.cancel(paced.alarm)
    paced.alarm = undefined
    paced.sentAt = elapsedMs()
    const held = [...paced.held.values()]
    paced.held.clear()
    for (const emission of held) this.#send(topic, emission)
  }

  /** Forgets what waits: who follows reads anew how things are. */
  forgetAll (): void {
    this.#paced = new WeakMap()
  }
}
