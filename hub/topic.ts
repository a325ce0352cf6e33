import type { Frame } from './frame.js'
import { Job } from './job.js'
import type { FramedEvent } from './log.js'
import type { Progress, Stream } from './stream.js'

/** Events of a topic that may wait for an earlier one. Beyond that, durable events are read from the log in their turn, others are lost. */
export const EARLY_MAX = 1000

/**
 * What is followed as one, such as a conversation. Puts its durable events in order, each once, and knows which streams
 * follow it:
 *
 *     join, goLive ──► live ── fallBehind ──► behind ── goLive ──► live
 *                        │                      │
 *                        └────── unfollow ──────┴──► follows it no longer
 *
 * A live stream has been sent everything up to `head`, or is one of those that the current job still goes to. A stream that
 * is behind reads the log up to `head` first.
 */
export class Topic {
  readonly name: string
  #head: number
  #growth = 0
  /** Where growth is collected, too, by those who read how things are meanwhile. */
  readonly #collectors = new Set<Frame[]>()
  readonly #live = new Set<Stream>()
  readonly #behind = new Set<Stream>()
  #job: Job | undefined
  #filling = false

  #queue: FramedEvent[] = []
  /** Durable events that came before an earlier one. */
  readonly #early = new Map<number, FramedEvent>()
  /** Newest `seq` of the early events that were too many to keep. */
  #unkept = 0
  /** Ephemeral events that came before the durable one that they follow. */
  #waiting: FramedEvent[] = []

  constructor (name: string, head: number) {
    this.name = name
    this.#head = head
  }

  /** Newest `seq` handed to the live followers; everything up to it has been. */
  get head (): number {
    return this.#head
  }

  /** Number of ephemeral events that told of growth. */
  get growth (): number {
    return this.#growth
  }

  /** What is told of growth from here on, until it is given to `endCollecting`: at most `EARLY_MAX`. */
  collectGrowth (): Frame[] {
    const frames: Frame[] = []
    this.#collectors.add(frames)
    return frames
  }

  endCollecting (frames: Frame[]): void {
    this.#collectors.delete(frames)
  }

  get live (): ReadonlySet<Stream> {
    return this.#live
  }

  /** What is being sent to the live followers. */
  get job (): Job | undefined {
    return this.#job
  }

  get followed (): boolean {
    return this.#live.size > 0 || this.#behind.size > 0
  }

  /** Whether an event is missing before one that has come. */
  get hasGap (): boolean {
    return this.#early.size > 0 || this.#waiting.length > 0 || this.#unkept > this.#head
  }

  /** Whether there can be a next job without any further event. */
  get ready (): boolean {
    return this.#queue.length > 0 || this.#early.has(this.#head + 1) || this.#waiting.some(event => this.#mayGo(event))
  }

  get idle (): boolean {
    return this.#queue.length === 0 && !this.hasGap && this.#job === undefined && !this.#filling
  }

  followers (): Stream[] {
    return [...this.#live, ...this.#behind]
  }

  /** A stream that has been sent everything up to `head` follows from here on. */
  goLive (stream: Stream): void {
    stream.topics.add(this.name)
    this.#behind.delete(stream)
    this.#live.add(stream)
    stream.caughtUp(this.name)
  }

  /** A stream is sent no further events until it has read the log from `progress` on. */
  fallBehind (stream: Stream, progress: Progress): void {
    stream.topics.add(this.name)
    this.#live.delete(stream)
    this.#behind.add(stream)
    stream.fallBehind(this.name, progress)
  }

  unfollow (stream: Stream): void {
    stream.topics.delete(this.name)
    this.#live.delete(stream)
    this.#behind.delete(stream)
    stream.caughtUp(this.name)
    this.#job?.take(stream)
  }

  /** Drops what is in line, because nobody may see it any more. */
  stop (): void {
    this.#queue = []
    this.#waiting = []
    this.#early.clear()
    this.#unkept = 0
  }

  push (event: FramedEvent): void {
    this.#queue.push(event)
  }

  /** Begins to read missing events from the log. @returns false where that is under way already */
  beginFilling (): boolean {
    if (this.#filling) return false
    this.#filling = true
    return true
  }

  endFilling (): void {
    this.#filling = false
  }

  /** Passes over events that the log does not keep any more. */
  skipTo (seq: number): void {
    this.#head = seq
  }

  endJob (): void {
    this.#job = undefined
  }

  /**
   * Makes the events that have come the next job, in order, if there is none. Events that were sent before are dropped, early
   * ones wait. `joining` gives the streams that come in with a user, `joined` joins what can be one event.
   */
  startJob (joining: (userId: string) => Iterable<Stream>, joined: (events: FramedEvent[]) => FramedEvent[]): void {
    if (this.#job !== undefined || !this.ready) return
    const before = this.#head
    const growth = this.#growth
    const next = this.#nextEvents()
    if (next.length === 0) return
    const events = next.length > 1 ? joined(next) : next
    for (const { frame } of events) if (frame.grows !== undefined && frame.seq === undefined) this.#grow(frame)

    const parts = new Map<string, { from: number, to: number }>()
    events.forEach(({ emission: { seq, joins, leaves } }, index) => {
      for (const userId of joins ?? []) {
        for (const stream of joining(userId)) {
          if (stream.topics.has(this.name) || stream.hasPassed(this.name, seq!)) continue
          stream.topics.add(this.name)
          this.#live.add(stream)
          parts.set(userId, { from: index, to: Infinity })
        }
      }
      if (leaves !== undefined) parts.set(leaves, { from: parts.get(leaves)?.from ?? 0, to: index })
    })
    const leaving = new Set<Stream>()
    for (const { emission: { leaves } } of events) {
      if (leaves === undefined) continue
      for (const stream of this.#live) if (stream.userId === leaves) leaving.add(stream)
    }
    this.#job = new Job(events.map(({ frame }) => frame), new Set(this.#live), { before, growth, parts, leaving })
  }

  #grow (frame: Frame): void {
    this.#growth++
    for (const frames of this.#collectors) if (frames.length < EARLY_MAX) frames.push(frame)
  }

  #nextEvents (): FramedEvent[] {
    const events: FramedEvent[] = []
    let taken = 0
    this.#takeWaiting(events)
    this.#takeEarly(events)
    for (const event of this.#queue) {
      // A leave ends the job: a user who comes back after it is a new follower
      if (events.at(-1)?.emission.leaves !== undefined) break
      taken++
      const { seq } = event.emission
      if (seq === undefined) {
        if (this.#mayGo(event)) events.push(event)
        else if (this.#waiting.length < EARLY_MAX) this.#waiting.push(event)
      } else if (seq === this.#head + 1 || (seq > this.#head && this.#early.size < EARLY_MAX)) {
        this.#early.set(seq, event)
      } else {
        this.#unkept = Math.max(this.#unkept, seq)
      }
      this.#takeEarly(events)
    }
    this.#queue.splice(0, taken)
    return events
  }

  /** Moves to `events` the durable events that are next, up to a gap or a leave. */
  #takeEarly (events: FramedEvent[]): void {
    for (let next = this.#early.get(this.#head + 1); next !== undefined; next = this.#early.get(this.#head + 1)) {
      this.#head++
      this.#early.delete(this.#head)
      events.push(next)
      if (next.emission.leaves !== undefined) return
      this.#takeWaiting(events)
    }
  }

  #takeWaiting (events: FramedEvent[]): void {
    if (this.#waiting.length === 0) return
    events.push(...this.#waiting.filter(event => this.#mayGo(event)))
    this.#waiting = this.#waiting.filter(event => !this.#mayGo(event))
  }

  #mayGo ({ emission: { after = 0 } }: FramedEvent): boolean {
    return after <= this.#head
  }
}
