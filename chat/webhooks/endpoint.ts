import { versionOf } from '../../packages.js'
import { wallClockMs } from '../../time.js'
import type { LogEntry } from '../../store/reads/entries.js'
import type { SharedClock } from '../../store/shared-clock.js'
import type { WebhookRow } from '../../store/webhooks.js'
import type { FollowerEvent, Renderer } from '../followers/rendering.js'
import { Lane, type Endpoint } from './lane.js'
import type { Outcome, Sender } from './post.js'
import { signatureHeaders } from './signature.js'

export interface EndpointOptions {
  clock: SharedClock
  renderer: Renderer
  sender: Sender
  /** Counts requests. */
  tries: { delivered: number, refused: number, failed: number }
  bury: Endpoint['bury']
  disable: Endpoint['disable']
}

/** A webhook as this node knows it, and its lanes. */
export class LiveEndpoint implements Endpoint {
  readonly bury: Endpoint['bury']
  readonly disable: Endpoint['disable']
  readonly #options: EndpointOptions
  #row: WebhookRow
  #lanes: Lane[] | undefined
  #types: ReadonlySet<string>

  constructor (row: WebhookRow, options: EndpointOptions) {
    this.#row = row
    this.#types = typesOf(row)
    this.#options = options
    this.bury = options.bury
    this.disable = options.disable
  }

  get id (): string {
    return this.#row.id
  }

  get laneCount (): number {
    return this.#row.lanes
  }

  get lanes (): Lane[] {
    this.#lanes ??= Array.from({ length: this.#row.lanes }, (_, lane) => new Lane(this, lane))
    return this.#lanes
  }

  /** Takes over what was changed. */
  follow (row: WebhookRow): void {
    if (row.events !== this.#row.events) this.#types = typesOf(row)
    this.#row = row
  }

  wants (type: string): boolean {
    return this.#types.has('*') || this.#types.has(type)
  }

  ahead (entries: readonly LogEntry[]): (index: number) => Promise<FollowerEvent | undefined> {
    return this.#options.renderer.ahead(entries)
  }

  async send (event: { id: string, type: string, timestamp: string, data: unknown }, signal?: AbortSignal): Promise<Outcome> {
    const { clock, sender, tries } = this.#options
    const { id, type, timestamp, data } = event
    const { url, secret, previousSecret, previousUntil } = this.#row
    const isRotating = previousSecret !== null && previousUntil !== null && previousUntil > clock.ticks()
    const secrets = isRotating ? [secret, previousSecret] : [secret]
    const body = JSON.stringify({ id, type, timestamp, data })
    const headers = { ...signatureHeaders({ id, at: wallClockMs(), body, secrets }), 'user-agent': USER_AGENT }
    const outcome = await sender.post(url, body, headers, signal)
    tries[resultOf(outcome)]++
    return outcome
  }

  now (): number {
    return this.#options.clock.ticks()
  }
}

const USER_AGENT = `fastify-sse-chat/${versionOf()}`

const resultOf = ({ error, status }: Outcome): 'delivered' | 'refused' | 'failed' =>
  error === undefined ? 'delivered' : status !== null && status >= 400 && status < 500 ? 'refused' : 'failed'

const typesOf = ({ events }: WebhookRow): ReadonlySet<string> => new Set(JSON.parse(events) as string[])
