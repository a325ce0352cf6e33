import type { Counters } from '../store/counters.js'
import type { Database } from '../store/database.js'
import { clampDeadlines } from '../store/deadlines.js'
import type { Queries } from '../store/queries.js'
import type { Writer } from '../store/writer.js'
import type { FileKeeper } from './file-keeper.js'
import { FREE_FILE_MS } from './files.js'
import type { Background } from './background.js'
import { listUnlisted } from './directory.js'
import { FOLLOWER_LEASE_MS } from './followers/followers.js'
import type { Finishing } from './finishing.js'
import { closeDeadNodes, LEASE_MS } from './lease.js'
import { ONLINE_LEASE_MS, type Presence } from './presence.js'
import { GROWING_DEADLINE_MS } from './silence.js'
import { forgetDeletions, forgetRefused, pruneEvents, pruneMoves } from './retention.js'
import { TICKET_MS } from './tickets.js'
import { TYPING_LAPSE_MS, type Typing } from './typing.js'

/** How often a node looks for what no alarm has ended, in milliseconds: the node that had set the alarm may have died. */
const ROUND_MS = 2000
const SWEEPING_MS = 60_000
/** Bytes of deleted files are gone within this time, and what it takes to delete them, in milliseconds. */
const COLLECTING_MS = 10_000

export interface HousekeepingOptions {
  database: Database
  queries: Queries
  writer: Writer
  counters: Counters
  background: Background
  typing: Typing
  presence: Presence
  finishing: Finishing
  /** Undefined: there are no files. */
  fileKeeper: FileKeeper | undefined
  /** Days that the event log is kept; undefined: as long as the conversation. */
  eventRetentionDays: number | undefined
  /** Days that it is kept when a mark was set. */
  receiptDays: number
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
    const { background, counters, database, eventRetentionDays, fileKeeper, finishing, queries, receiptDays, writer } = this.#options
    const { clock } = database
    background.repeat(ROUND_MS, async () => { await this.#round() })
    // By itself: the host may be asked, and take its time.
    background.repeat(ROUND_MS, async () => { await finishing.endSilent(clock.ticks()) })
    background.prune(async () => { await counters.prune() })
    background.prune(async () => { await forgetDeletions(writer, clock.now()) })
    background.prune(async () => { await forgetRefused(writer, clock.now()) })
    background.prune(async () => { await pruneMoves(writer, database, receiptDays) })
    background.repeat(SWEEPING_MS, async () => { await listUnlisted(queries, writer) })
    if (fileKeeper !== undefined) {
      background.repeat(COLLECTING_MS, async () => { await fileKeeper.collect() })
      background.repeat(SWEEPING_MS, async () => { await fileKeeper.sweep() })
    }
    if (eventRetentionDays !== undefined) background.prune(async () => { await pruneEvents(writer, clock, eventRetentionDays) })
  }

  async #round (): Promise<void> {
    const { database: { clock }, presence, queries, typing, writer } = this.#options
    if (clock.steps !== this.#stepsSeen) await this.clampDeadlines()
    await closeDeadNodes(queries, writer, clock)
    await typing.endLapsed(clock.ticks())
    await presence.endLapsed(clock.ticks())
  }

  /** Moves back deadlines that are further ahead than they can have been set: the shared clock has been set back since. */
  async clampDeadlines (): Promise<void> {
    const { database: { clock }, writer } = this.#options
    const { steps } = clock
    const limits = {
      typing: TYPING_LAPSE_MS,
      online: ONLINE_LEASE_MS,
      lease: LEASE_MS,
      ticket: TICKET_MS,
      file: FREE_FILE_MS,
      follower: FOLLOWER_LEASE_MS,
      growing: GROWING_DEADLINE_MS
    }
    await writer.beside(async sql => { await clampDeadlines(sql, clock.ticks(), limits) })
    this.#stepsSeen = steps
  }
}
