import type { AnyEmission } from './emission.js'
import { frameOf } from './frame.js'
import { Job } from './job.js'
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

  #queue: Array<AnyEmission> = []
  /** Durable events that came before an earlier one. */
  readonly #early = new Map<number, AnyEmission>()
  /** Newest `seq` of those that were too many to be kept. */
  #unkept = 0
  /** Ephemeral events that came before what they follow. */
  #waiting: AnyEmission[] = []

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
    return this.#queue.length > 0 || this.#early.has(this.head + 1) || this.#waiting.some(emission => this.#mayGo(emission))
  }

  get idle (): boolean {
    return this.#queue.length === 0 && !this.hasGap && this.job === undefined && !this.filling
  }

  push (emission: AnyEmission): void {
    this.#queue.push(emission)
  }

  /**
   * Takes what has come, in order, and makes it the next job; undefined when there is nothing to send. What was sent
   * already is dropped; what is early waits.
   */
  nextJob (joining: (userId: string) => Iterable<Stream>): Job | undefined {
    const before = this.head
    const emissions: Array<AnyEmission> = []
    let taken = 0
    this.#takeWaiting(emissions)
    this.#takeEarly(emissions)
    for (const emission of this.#queue) {
      // a leave ends the job: who comes back after it is a new follower
      if (emissions.at(-1)?.leaves !== undefined) break
      taken++
      if (emission.seq === undefined) {
        if (this.#mayGo(emission)) emissions.push(emission)
        else if (this.#waiting.length < EARLY_MAX) this.#waiting.push(emission)
      } else if (emission.seq === this.head + 1 || (emission.seq > this.head && this.#early.size < EARLY_MAX)) {
        this.#early.set(emission.seq, emission)
      } else {
        this.#unkept = Math.max(this.#unkept, emission.seq)
      }
      this.#takeEarly(emissions)
    }
    this.#queue.splice(0, taken)
    if (emissions.length === 0) return undefined

    const parts = new Map<string, { from: number, to: number }>()
    emissions.forEach(({ seq, joins, leaves }, index) => {
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
    const job = new Job(emissions.map(frameOf), new Set(this.live), before, parts)
    for (const { leaves } of emissions) {
      if (leaves === undefined) continue
      for (const stream of this.live) if (stream.userId === leaves) job.leaving.add(stream)
    }
    return job
  }

  /** Moves to `emissions` what is next in line now, as far as there is no gap and nobody leaves. */
  #takeEarly (emissions: Array<AnyEmission>): void {
    for (let next = this.#early.get(this.head + 1); next !== undefined; next = this.#early.get(this.head + 1)) {
      this.#early.delete(next.seq!)
      this.head++
      emissions.push(next)
      if (next.leaves !== undefined) return
      this.#takeWaiting(emissions)
    }
  }

  #takeWaiting (emissions: Array<AnyEmission>): void {
    if (this.#waiting.length === 0) return
    emissions.push(...this.#waiting.filter(emission => this.#mayGo(emission)))
    this.#waiting = this.#waiting.filter(emission => !this.#mayGo(emission))
  }

  #mayGo ({ after = 0 }: AnyEmission): boolean {
    return after <= this.head
  }
}
