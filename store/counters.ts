// SQL by hand for counting: it runs for every call if calls are limited, and needs a CASE in an upsert, which Prisma cannot express.
import { hash } from 'node:crypto'
import { chatError } from '../errors.js'
import type { Database } from './database.js'
import { CLOCK_ERROR_MS } from './deadlines.js'
import type { Dialect, Sql } from './sql.js'
import { insert, perDialect, select } from './table.js'
import * as tables from './tables.js'
import type { Writer } from './writer.js'

/** What was counted in a window of time. */
export interface Count {
  count: number
  /** Milliseconds until the window ends. */
  leftMs: number
}

/**
 * Whether a window is open. One that ends later than a window that begins now was opened by another clock. Parameters: now, and
 * the clock's error.
 */
const IS_OPEN = 'chat_counters.expires_at > ? AND chat_counters.expires_at <= excluded.expires_at + ?'

const counter = select(tables.counters, 'chat_counters')

const addStatement = perDialect((dialect: Dialect) => insert(tables.counters, dialect, ['id', 'count', 'expiresAt'], `ON CONFLICT (id) DO UPDATE SET
  count = CASE WHEN ${IS_OPEN} THEN chat_counters.count ELSE 0 END + excluded.count,
  expires_at = CASE WHEN ${IS_OPEN} THEN chat_counters.expires_at ELSE excluded.expires_at END
  RETURNING ${counter.columns}`))

interface Waiting {
  id: string
  windowMs: number
  resolve: (count: Count) => void
  reject: (error: unknown) => void
}

/** Maximum number of counts that wait for the next transaction. Further ones are refused. */
export const COUNTS_MAX = 10_000

/**
 * Counters that all nodes share, such as failed logins and calls per user. A window begins with its first count. Counts
 * that arrive during a transaction share the next one.
 */
export class Counters {
  readonly #database: Database
  readonly #writer: Writer
  #queue: Waiting[] = []
  #running: Promise<void> | undefined

  constructor (database: Database, writer: Writer) {
    this.#database = database
    this.#writer = writer
  }

  /** Counts one more. @returns the number of this one in its window */
  async add (key: string, windowMs: number): Promise<Count> {
    return await new Promise<Count>((resolve, reject) => {
      if (this.#queue.length >= COUNTS_MAX) return reject(chatError('UNAVAILABLE', { retryAfter: 1 }))
      this.#queue.push({ id: idOf(key), windowMs, resolve, reject })
      this.#running ??= this.#run()
    })
  }

  /** The count of the open window, if there is one. */
  async get (key: string, windowMs: number): Promise<Count | undefined> {
    const now = this.#database.clock.ticks()
    const found = await this.#database.prisma.counter.findFirst({
      where: { id: idOf(key), expiresAt: { gt: now, lte: now + windowMs + CLOCK_ERROR_MS } }, select: { count: true, expiresAt: true }
    })
    return found === null ? undefined : { count: found.count, leftMs: Number(found.expiresAt) - now }
  }

  /** Deletes the windows that have ended. */
  async prune (): Promise<void> {
    await this.#writer.exclusiveBeside(async prisma => {
      await prisma.counter.deleteMany({ where: { expiresAt: { lte: this.#database.clock.ticks() } } })
    })
  }

  async #run (): Promise<void> {
    await new Promise(resolve => setImmediate(resolve))
    while (this.#queue.length > 0) {
      const batch = this.#queue
      this.#queue = []
      try {
        const counts = await this.#writer.beside(async sql => await this.#count(sql, batch))
        // Of several with the same key, the first gets the smallest number.
        for (const { id, resolve } of batch.toReversed()) {
          const { count, leftMs } = counts.get(id)!
          resolve({ count, leftMs })
          counts.set(id, { count: count - 1, leftMs })
        }
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
    this.#running = undefined
  }

  async #count (sql: Sql, batch: Waiting[]): Promise<Map<string, Count>> {
    const now = this.#database.clock.ticks()
    const more = new Map<string, { count: number, windowMs: number }>()
    for (const { id, windowMs } of batch) more.set(id, { count: (more.get(id)?.count ?? 0) + 1, windowMs })
    // In the same order on every node, so that nodes do not wait for each other.
    const rows = [...more].sort(([a], [b]) => a < b ? -1 : 1).map(([id, { count, windowMs }]) => ({ id, count, expiresAt: now + windowMs }))
    const { sql: text, parameter } = addStatement(this.#database.dialect)
    const counted = await sql.query(text, parameter(rows), now, CLOCK_ERROR_MS, now, CLOCK_ERROR_MS)
    return new Map(counted.map(counter.read).map(({ id, count, expiresAt }) => [id, { count, leftMs: expiresAt - now }]))
  }
}

/** Keys are hashed: they may be private (an address, for example), and of any length. */
const idOf = (key: string): string => hash('sha256', key, 'base64url')
