import type { Counters } from '../store/counters.js'
import { clampDeadlines } from '../store/deadlines.js'
import type { Queries } from '../store/queries.js'
import type { SharedClock } from '../store/shared-clock.js'
import type { Writer } from '../store/writer.js'
import type { Background } from './background.js'
import { closeDeadNodes, LEASE_MS } from './lease.js'
import { ONLINE_LEASE_MS, type Presence } from './presence.js'
import { forgetDeletions, pruneEvents } from './retention.js'
import { TICKET_MS } from './tickets.js'
import { TYPING_LAPSE_MS, type Typing } from './typing.js'

/** How often a node looks for what no alarm has ended, in milliseconds: the node that had set the alarm may have died. */
const ROUND_MS = 2000
const PRUNING_MS = 60_000

export interface HousekeepingOptions {
  clock: SharedClock
  queries: Queries
  writer: Writer
  counters: Counters
  background: Background
  typing: Typing
  presence: Presence
  /** Days that the event log is kept; undefined: as long as the conversation. */
  eventRetentionDays: number | undefined
}

/** What a node does regularly for all nodes: ends what is over, and deletes what is no longer needed. */
export class Housekeeping {
  readonly #options: HousekeepingOptions
  /** Steps of the shared clock that deadlines have been clamped after. */
  #stepsSeen = 0

  constructor (options: HousekeepingOptions) {
    this.#options = options
  }

  start (): void {
    const { background, clock, counters, eventRetentionDays, writer } = this.#options
    background.repeat(ROUND_MS, async () => { await this.#round() })
    background.repeat(PRUNING_MS, async () => { await counters.prune() })
    background.repeat(PRUNING_MS, async () => { await forgetDeletions(writer, clock.now()) })
    if (eventRetentionDays !== undefined) background.repeat(PRUNING_MS, async () => { await pruneEvents(writer, clock, eventRetentionDays) })
  }

  async #round (): Promise<void> {
    const { clock, presence, queries, typing, writer } = this.#options
    if (clock.steps !== this.#stepsSeen) await this.clampDeadlines()
    await closeDeadNodes(queries, writer, clock)
    await typing.endLapsed(clock.ticks())
    await presence.endLapsed(clock.ticks())
  }

  /** Moves back deadlines that are further ahead than they can have been set: the shared clock has been set back since. */
  async clampDeadlines (): Promise<void> {
    const { clock, writer } = this.#options
    const { steps } = clock
    await writer.exclusiveBeside(async prisma => {
      await clampDeadlines(prisma, clock.ticks(), { typing: TYPING_LAPSE_MS, online: ONLINE_LEASE_MS, lease: LEASE_MS, ticket: TICKET_MS })
    })
    this.#stepsSeen = steps
  }
}
