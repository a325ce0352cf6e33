import type { Alarm, Clock } from '../../hub/clock.js'
import type { Database } from '../../store/database.js'
import {
  addFollowers, deleteFollowers, findFollowers, findNewestPosition, releaseFollowers, takeFollowers, writeFollowers, type FollowerRow
} from '../../store/followers.js'
import type { Writer } from '../../store/writer.js'
import type { Background } from '../background.js'
import { elapsedMs } from '../../time.js'
import { LogFeed } from './feed.js'
import type { Follower } from './follower.js'
import { FollowerRun } from './run.js'

/** How long a lease lasts, in milliseconds. With a round, another node takes over within ten seconds. */
export const FOLLOWER_LEASE_MS = 7000
/** The leader stops this long before its lease ends, as clocks may differ. */
const MARGIN_MS = 1500
const RENEW_MS = 2000
const ROUND_MS = 1000

export interface FollowersOptions {
  database: Database
  writer: Writer
  background: Background
  clock: Clock
  nodeId: string
}

/**
 * The followers of the event log that this process knows. Each is led by one node, which has a lease on it:
 *
 *     wanted ── the lease is free, or its node has died ──> led ── renewed every 2 s ────> led
 *       ^                                                    │
 *       └── another node has it, or it could not be renewed ─┘
 *
 * What the leading node has done is written once a second, for all of its followers with one statement.
 */
export class Followers {
  readonly feed: LogFeed
  readonly #options: FollowersOptions
  readonly #wanted = new Map<string, Follower>()
  readonly #led = new Map<string, FollowerRun>()
  /** Runs that were stopped and have not ended. */
  readonly #ending = new Map<string, Promise<void>>()
  #round: Promise<void> | undefined
  #started = false
  /** Nothing is led after this, by the clock of the process, unless it is renewed. */
  #lapse: Alarm | undefined
  #renewAt = 0

  constructor (options: FollowersOptions) {
    this.#options = options
    this.feed = new LogFeed(options.database)
  }

  /** Follows the log from now on, on this node or another. */
  add (follower: Follower): void {
    this.#wanted.set(follower.name, follower)
    this.look()
  }

  /** Looks at once for what there is to lead. */
  look (): void {
    if (this.#started) this.#options.background.run(async () => { await this.#soon() })
  }

  /** No longer lets this node lead the follower. Its place in the log is kept. */
  async drop (name: string): Promise<void> {
    this.#wanted.delete(name)
    const run = this.#led.get(name)
    if (run === undefined) return
    await this.#end(run)
    await this.#write([run], 0)
  }

  /** Forgets followers and their places, on all nodes. */
  async remove (names: string[]): Promise<void> {
    for (const name of names) {
      this.#wanted.delete(name)
      const run = this.#led.get(name)
      if (run !== undefined) void this.#end(run)
    }
    await this.#options.writer.exclusiveBeside(async prisma => { await deleteFollowers(prisma, names) })
  }

  /** The follower, if this node leads it. */
  led (name: string): FollowerRun | undefined {
    return this.#led.get(name)
  }

  /** All followers, as far as this node knows: of its own, how far they are; of others, what was written last. */
  async rows (): Promise<FollowerRow[]> {
    const { database: { read, clock }, nodeId } = this.#options
    const rows = await findFollowers(read, nodeId, clock.ticks())
    return rows.map(row => ({ ...row, ...this.#led.get(row.name)?.row }))
  }

  /** Number of transactions, as this node knows them, between a follower and the end of the log. */
  behind (position: number): number {
    return Math.max(0, this.feed.newest - position)
  }

  start (): void {
    this.#started = true
    this.#options.background.repeat(ROUND_MS, async () => { await this.#soon() })
  }

  /** Stops all, writes how far they have come, and lets other nodes lead them. */
  async stop (): Promise<void> {
    const { clock, writer, nodeId } = this.#options
    this.#started = false
    clock.cancel(this.#lapse)
    await this.#round?.catch(() => {})
    const runs = [...this.#led.values()]
    await Promise.all([...runs.map(async run => { await this.#end(run) }), ...this.#ending.values()])
    if (runs.length === 0) return
    await this.#write(runs, 0)
    await writer.exclusiveBeside(async prisma => { await releaseFollowers(prisma, nodeId) })
  }

  /** The log has lost its end. What was done of it stays done; each goes on from where its row in the log that is there says. */
  diverged (): void {
    this.#endAll()
    this.feed.forget()
  }

  #endAll (): void {
    for (const run of this.#led.values()) void this.#end(run)
  }

  async #end (run: FollowerRun): Promise<void> {
    const { follower: { name }, ended } = run
    run.stop()
    this.#led.delete(name)
    this.#ending.set(name, ended)
    await ended
    if (this.#ending.get(name) === ended) this.#ending.delete(name)
  }

  async #soon (): Promise<void> {
    if (this.#wanted.size === 0) return
    this.#round ??= this.#once().finally(() => { this.#round = undefined })
    await this.#round
  }

  async #once (): Promise<void> {
    const { database: { read, clock }, nodeId } = this.#options
    const rows = new Map((await findFollowers(read, nodeId, clock.ticks())).map(row => [row.name, row]))
    for (const [name, run] of this.#led) {
      // Another node took this one for dead, or the follower is gone.
      if (rows.get(name)?.nodeId !== nodeId) void this.#end(run)
    }
    const isFree = ({ name, from }: Follower): boolean =>
      !this.#led.has(name) && !this.#ending.has(name) && (rows.get(name)?.isFree ?? from !== 'row')
    const free = [...this.#wanted.values()].filter(isFree).map(({ name }) => name)
    if (free.length > 0) await this.#take(free)
    const runs = [...this.#led.values()]
    if (runs.length > 0 && (elapsedMs() >= this.#renewAt || runs.some(({ isDirty }) => isDirty))) await this.#write(runs)
  }

  async #take (names: string[]): Promise<void> {
    const { database: { dialect, clock }, writer, nodeId, clock: alarms } = this.#options
    const wanted = names.flatMap(name => this.#wanted.get(name) ?? [])
    const rows = await writer.beside(async sql => {
      const newest = await findNewestPosition(sql)
      await addFollowers(sql, dialect, wanted
        .filter(({ from }) => from !== 'row')
        .map(({ name, from }) => ({ name, position: from === 'now' ? newest : 0 })))
      const ticks = clock.ticks()
      return await takeFollowers(sql, dialect, names, { nodeId, ticks, leaseUntil: ticks + FOLLOWER_LEASE_MS })
    })
    for (const row of rows) {
      const follower = this.#wanted.get(row.name)
      if (follower === undefined || this.#led.has(row.name) || !this.#started) continue
      this.#led.set(row.name, new FollowerRun(follower, row, { feed: this.feed, clock: alarms, shared: clock }))
    }
    // All leases end at the same time, so that one alarm is enough.
    await this.#write([...this.#led.values()])
  }

  /** Writes how far they are, and renews their leases. */
  async #write (runs: FollowerRun[], leaseMs = FOLLOWER_LEASE_MS): Promise<void> {
    const { database: { dialect, clock }, writer, clock: alarms, nodeId } = this.#options
    const dirty = runs.filter(({ isDirty }) => isDirty)
    for (const run of dirty) run.isDirty = false
    const leaseUntil = clock.ticks() + leaseMs
    const written = runs.map(({ follower: { name }, row }) => ({ name, nodeId, leaseUntil, ...row }))
    try {
      if (written.length > 0) await writer.beside(async sql => { await writeFollowers(sql, dialect, written) })
    } catch (error) {
      for (const run of dirty) run.isDirty = true
      throw error
    }
    if (leaseMs === 0) return
    this.#renewAt = elapsedMs() + RENEW_MS
    alarms.cancel(this.#lapse)
    this.#lapse = alarms.after(leaseUntil - MARGIN_MS - clock.ticks(), () => {
      // They could not be renewed: other nodes may lead from now on.
      this.#endAll()
    })
  }
}
