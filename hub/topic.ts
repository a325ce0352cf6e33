import { Job } from './job.js'
import type { LoggedEvent } from './log.js'
import type { Stream } from './stream.js'

/** Events of a topic that may wait for an earlier one: durable ones are read from the log in their turn, the others are lost. */
export const EARLY_MAX = 1000

/**
 * What is followed together, such as one conversation: puts its durable events in order, each once, and knows who
 * follows live and who is behind.
 */
export class Topic {
  readonly name: string
  /** Newest `seq` handed to the live followers; everything up to it has been. */
  head: number
  /** Positions up to here may be claimed as seen while something of this topic is under way. */
  floor: number | undefined
  readonly live = new Set<Stream>()
  readonly behind = new Set<Stream>()
  job: Job | undefined
  /** Being read from the log. */
  filling = false

  #queue: LoggedEvent[] = []
  /** Durable events that came before an earlier one. */
  readonly #early = new Map<number, LoggedEvent>()
  /** Newest `seq` of those that were too many to be kept. */
  #unkept = 0
  /** Ephemeral events that came before what they follow. */
  #waiting: LoggedEvent[] = []

  constructor (name: string, head: number) {
    this.name = name
    this.head = head
  }

  get followed (): boolean {
    return this.live.size > 0 || this.behind.size > 0
  }

  /** Whether an event is missing in front of one that has come. */
  get hasGap (): boolean {
    return this.#early.size > 0 || this.#waiting.length > 0 || this.#unkept > this.head
  }

  /** Whether there may be a next job without anything more coming. */
  get ready (): boolean {
    return this.#queue.length > 0 || this.#early.has(this.head + 1) || this.#waiting.some(event => this.#mayGo(event))
  }

  get idle (): boolean {
    return this.#queue.length === 0 && !this.hasGap && this.job === undefined && !this.filling
  }

  push (event: LoggedEvent): void {
    this.#queue.push(event)
  }

  /**
   * Takes what has come, in order, and makes it the next job; undefined when there is nothing to send. What was sent
   * already is dropped; what is early waits.
   */
  nextJob (joining: (userId: string) => Iterable<Stream>): Job | undefined {
    const before = this.head
    const events: LoggedEvent[] = []
    let taken = 0
    this.#takeWaiting(events)
    this.#takeEarly(events)
    for (const event of this.#queue) {
      // a leave ends the job: who comes back after it is a new follower
      if (events.at(-1)?.emission.leaves !== undefined) break
      taken++
      const { seq } = event.emission
      if (seq === undefined) {
        if (this.#mayGo(event)) events.push(event)
        else if (this.#waiting.length < EARLY_MAX) this.#waiting.push(event)
      } else if (seq === this.head + 1 || (seq > this.head && this.#early.size < EARLY_MAX)) {
        this.#early.set(seq, event)
      } else {
        this.#unkept = Math.max(this.#unkept, seq)
      }
      this.#takeEarly(events)
    }
    this.#queue.splice(0, taken)
    if (events.length === 0) return undefined

    const parts = new Map<string, { from: number, to: number }>()
    events.forEach(({ emission: { seq, joins, leaves } }, index) => {
      for (const userId of joins ?? []) {
        for (const stream of joining(userId)) {
          if (stream.topics.has(this) || stream.hasPassed(this.name, seq!)) continue
          stream.topics.add(this)
          this.live.add(stream)
          parts.set(userId, { from: index, to: Infinity })
        }
      }
      if (leaves !== undefined) parts.set(leaves, { from: parts.get(leaves)?.from ?? 0, to: index })
    })
    const job = new Job(events.map(({ frame }) => frame), new Set(this.live), before, parts)
    for (const { emission: { leaves } } of events) {
      if (leaves === undefined) continue
      for (const stream of this.live) if (stream.userId === leaves) job.leaving.add(stream)
    }
    return job
  }

  /** Moves to `events` what is next in line now, as far as there is no gap and nobody leaves. */
  #takeEarly (events: LoggedEvent[]): void {
    for (let next = this.#early.get(this.head + 1); next !== undefined; next = this.#early.get(this.head + 1)) {
      this.head++
      this.#early.delete(this.head)
      events.push(next)
      if (next.emission.leaves !== undefined) return
      this.#takeWaiting(events)
    }
  }

  #takeWaiting (events: LoggedEvent[]): void {
    if (this.#waiting.length === 0) return
    events.push(...this.#waiting.filter(event => this.#mayGo(event)))
    this.#waiting = this.#waiting.filter(event => !this.#mayGo(event))
  }

  #mayGo ({ emission: { after = 0 } }: LoggedEvent): boolean {
    return after <= this.head
  }
}
