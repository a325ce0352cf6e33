import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { Clock, Alarm } from '../hub/clock.js'
import { deleteEmptyNode, deleteNode, endNode, findNodesOn, putNode, renewNode } from '../store/nodes.js'
import type { Prisma } from '../store/prisma.js'
import type { Queries } from '../store/queries.js'
import type { SharedClock } from '../store/shared-clock.js'
import type { StreamRow } from '../store/unit.js'
import type { Writer } from '../store/writer.js'
import { closeDeadStream, openStream } from './presence.js'

/** How long a lease lasts, in milliseconds. A process whose lease has lapsed counts as dead, and its streams as closed. */
export const LEASE_MS = 20_000
const RENEW_MS = 5000
/** The number of streams that are counted again at once. */
const RECOUNTED = 256
/** Leases of this process: one app may contain several installations. */
const ours = new Set<string>()

/**
 * The lease of this process: it is renewed for all of its streams at once. When it lapses (after a crash or a long
 * pause), the other nodes close its streams. A process that continues after a pause counts its streams again.
 */
export class Lease {
  readonly nodeId = randomUUID()
  readonly #writer: Writer
  readonly #clock: Clock
  readonly #shared: SharedClock
  readonly #openStreams: () => StreamRow[]
  /** Streams that are open here and have no row in the database. */
  #uncounted = new Set<StreamRow>()
  #alarm: Alarm | undefined
  #renewing: Promise<void> | undefined
  #stopped = false

  constructor (writer: Writer, clock: Clock, shared: SharedClock, openStreams: () => StreamRow[]) {
    this.#writer = writer
    this.#clock = clock
    this.#shared = shared
    this.#openStreams = openStreams
  }

  /** Takes a lease, and ends at once the leases of processes that have died on this host. May be called again if it fails. */
  async start (): Promise<void> {
    ours.add(this.nodeId)
    await this.#writer.exclusiveBeside(async prisma => {
      for (const { id, pid } of await findNodesOn(prisma, hostname())) {
        if (!ours.has(id) && !isAlive(pid)) await endNode(prisma, id)
      }
      await this.#register(prisma)
    })
    this.#renewLater()
  }

  /** Ends the lease. Streams that are still open are closed as if the process had died. */
  async stop (): Promise<void> {
    this.#stopped = true
    this.#clock.cancel(this.#alarm)
    ours.delete(this.nodeId)
    await this.#writer.exclusive(async prisma => {
      await endNode(prisma, this.nodeId)
      await deleteEmptyNode(prisma, this.nodeId, this.#shared.ticks())
    })
  }

  async #register (prisma: Prisma): Promise<void> {
    await putNode(prisma, { id: this.nodeId, host: hostname(), pid: process.pid, expiresAt: this.#shared.ticks() + LEASE_MS })
  }

  #renewLater (): void {
    this.#alarm = this.#clock.after(RENEW_MS, () => {
      void this.renew().catch(() => { /* the database is away: next time */ }).then(() => {
        if (!this.#stopped) this.#renewLater()
      })
    })
  }

  /** Renews the lease at once, because this process was taken for dead. */
  async renew (): Promise<void> {
    this.#renewing ??= this.#renewOnce().finally(() => { this.#renewing = undefined })
    await this.#renewing
  }

  async #renewOnce (): Promise<void> {
    const lapsed = await this.#writer.exclusiveBeside(async prisma => {
      const now = this.#shared.ticks()
      if (await renewNode(prisma, this.nodeId, now + LEASE_MS, now)) return false
      // This process was taken for dead: begin again.
      await deleteNode(prisma, this.nodeId)
      await this.#register(prisma)
      return true
    })
    if (lapsed) this.#uncounted = new Set(this.#openStreams())
    await this.#countAgain()
  }

  /** Counts streams that are open here but were closed by others. Those that fail are left for the next time. */
  async #countAgain (): Promise<void> {
    while (this.#uncounted.size > 0) {
      const open = new Set(this.#openStreams())
      const some = [...this.#uncounted].slice(0, RECOUNTED)
      await Promise.all(some.map(async row => {
        if (open.has(row)) await this.#writer.write(openStream(row, Infinity))
        this.#uncounted.delete(row)
      }))
    }
  }
}

/** Closes the streams of dead processes, as they would have done it. */
export async function closeDeadNodes (queries: Queries, writer: Writer, clock: SharedClock): Promise<void> {
  for (const { nodeId, streams } of await queries.deadNodes(clock.ticks())) {
    await Promise.all(streams.map(async ({ id, userId }) => await writer.write(closeDeadStream(userId, id))))
    await writer.exclusiveBeside(async prisma => { await deleteEmptyNode(prisma, nodeId, clock.ticks()) })
  }
}

function isAlive (pid: number): boolean {
  // The only process of a container has the same id as the one that ran before it.
  if (pid === process.pid) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
