import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { Clock, Alarm } from '../hub/clock.js'
import type { Queries } from '../store/queries.js'
import type { Sql } from '../store/sql.js'
import type { StreamRow } from '../store/unit.js'
import type { Writer } from '../store/writer.js'

/** A process whose lease lapses is taken for dead, and its streams for closed. */
const LEASE_MS = 20_000
const RENEW_MS = 5000
/** Leases of this process: an app may hold several installations. */
const ours = new Set<string>()

/**
 * This process's place among the nodes: a lease that is renewed for all of its streams at once. When it lapses (a crash,
 * a long pause) the other nodes close what it had; a process that goes on after a pause comes back with its streams.
 */
export class Lease {
  readonly nodeId = randomUUID()
  readonly #writer: Writer
  readonly #clock: Clock
  readonly #openStreams: () => StreamRow[]
  #alarm: Alarm | undefined
  #stopped = false

  constructor (writer: Writer, clock: Clock, openStreams: () => StreamRow[]) {
    this.#writer = writer
    this.#clock = clock
    this.#openStreams = openStreams
  }

  /** Takes a lease; ends at once those of processes that have died on this host. */
  async start (): Promise<void> {
    ours.add(this.nodeId)
    await this.#writer.run(async sql => {
      const nodes = await sql.query<{ id: string, pid: number }>('SELECT id, pid FROM chat_nodes WHERE host = ?', hostname())
      for (const { id, pid } of nodes) {
        if (!ours.has(id) && !isAlive(Number(pid))) await sql.execute('UPDATE chat_nodes SET expires_at = 0 WHERE id = ?', id)
      }
      await this.#register(sql)
    })
    this.#renewLater()
  }

  /** Gives the lease up; what is still open counts as closed. */
  async stop (): Promise<void> {
    this.#stopped = true
    this.#clock.cancel(this.#alarm)
    ours.delete(this.nodeId)
    await this.#writer.run(async sql => { await sql.execute('DELETE FROM chat_nodes WHERE id = ?', this.nodeId) })
  }

  async #register (sql: Sql): Promise<void> {
    await sql.execute('INSERT INTO chat_nodes (id, host, pid, expires_at) VALUES (?, ?, ?, ?)',
      this.nodeId, hostname(), process.pid, Date.now() + LEASE_MS)
  }

  #renewLater (): void {
    this.#alarm = this.#clock.after(RENEW_MS, () => {
      void this.#renew().catch(() => { /* the database is away: next time */ }).then(() => {
        if (!this.#stopped) this.#renewLater()
      })
    })
  }

  async #renew (): Promise<void> {
    await this.#writer.run(async sql => {
      const renewed = await sql.execute('UPDATE chat_nodes SET expires_at = ? WHERE id = ? AND expires_at > ?',
        Date.now() + LEASE_MS, this.nodeId, Date.now())
      if (renewed > 0) return
      // taken for dead: begin again, with what is open
      await sql.execute('DELETE FROM chat_nodes WHERE id = ?', this.nodeId)
      await this.#register(sql)
      for (const { id, nodeId, userId, conversationId } of this.#openStreams()) {
        await sql.execute('INSERT INTO chat_streams (id, node_id, user_id, conversation_id) VALUES (?, ?, ?, ?)', id, nodeId, userId, conversationId)
        await sql.execute('UPDATE chat_users SET online_until = ? WHERE id = ? AND online_until IS NULL', Date.now(), userId)
      }
    })
  }
}

/** What dead processes have left is closed as if they had done it. */
export async function closeDeadNodes (queries: Queries, writer: Writer, close: (userId: string, streamId: string) => Promise<unknown>): Promise<void> {
  for (const { nodeId, streams } of await queries.deadNodes(Date.now())) {
    await Promise.all(streams.map(async ({ id, userId }) => await close(userId, id)))
    await writer.run(async sql => {
      await sql.execute('DELETE FROM chat_nodes WHERE id = ? AND expires_at <= ? AND NOT EXISTS (SELECT 1 FROM chat_streams WHERE node_id = chat_nodes.id)',
        nodeId, Date.now())
    })
  }
}

function isAlive (pid: number): boolean {
  // a container's only process has the number of the one before it
  if (pid === process.pid) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
