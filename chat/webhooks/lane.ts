import type { LogEntry } from '../../store/reads/entries.js'
import { laneName } from '../../store/webhooks.js'
import { FollowerError, type Follower, type Lead } from '../followers/follower.js'
import type { FollowerEvent } from '../followers/rendering.js'
import type { Outcome } from './post.js'

/** Tries of an event that the receiver refuses by 4xx. */
const REFUSALS_MAX = 3
/** After this long, an endpoint that fails is disabled, in milliseconds. */
export const FAILING_MAX_MS = 3 * 86_400_000
/** Statuses of 4xx that say: later. */
const LATER = new Set([408, 425, 429])
const GONE = 410

/** What a lane needs of its webhook. */
export interface Endpoint {
  readonly id: string
  /** Number of its lanes. */
  readonly laneCount: number
  /** Whether the endpoint is sent events of this type. */
  wants(type: string): boolean
  /** As `Renderer.ahead`. */
  ahead(entries: readonly LogEntry[]): (index: number) => Promise<FollowerEvent | undefined>
  send(event: FollowerEvent, signal: AbortSignal): Promise<Outcome>
  /** Keeps an event that the endpoint refuses, or that somebody skips. */
  bury(entry: LogEntry, error: string): Promise<void>
  disable(): Promise<void>
  /** Milliseconds by the clock of deadlines. */
  now(): number
}

/** A lane of a webhook: sends the events of its conversations one after the other, each until the endpoint has taken it. */
export class Lane implements Follower {
  readonly name: string
  readonly from = 'row'
  readonly #endpoint: Endpoint
  readonly #lane: number

  constructor (endpoint: Endpoint, lane: number) {
    this.#endpoint = endpoint
    this.#lane = lane
    this.name = laneName(endpoint.id, lane)
  }

  async follow (entries: readonly LogEntry[], lead: Lead): Promise<void> {
    const { laneCount } = this.#endpoint
    const wanted = entries.filter(({ conversation, type }) => conversation % laneCount === this.#lane && this.#endpoint.wants(type))
    const eventAt = this.#endpoint.ahead(wanted)
    let index = 0
    for (const entry of entries) {
      if (entry === wanted[index]) await this.#deliver(entry, await eventAt(index++), lead)
      if (lead.signal.aborted) return
      lead.passed(entry)
    }
  }

  async #deliver (entry: LogEntry, event: FollowerEvent | undefined, { failing, signal }: Lead): Promise<void> {
    const endpoint = this.#endpoint
    if (event === undefined || signal.aborted) return
    const { status, error, retryAfterMs } = await endpoint.send(event, signal)
    if (error === undefined || signal.aborted) return
    if (status === GONE) await endpoint.disable()
    else if (status !== null && status >= 400 && status < 500 && !LATER.has(status)) {
      if ((failing?.refusals ?? 0) + 1 >= REFUSALS_MAX) return await endpoint.bury(entry, error)
      throw new FollowerError(error, { isRefusal: true })
    } else if (failing !== undefined && endpoint.now() - failing.since >= FAILING_MAX_MS) await endpoint.disable()
    throw new FollowerError(error, { retryAfterMs })
  }
}
