import { chatError, isChatError } from '../errors.js'
import type { Emission } from '../hub/emission.js'
import type { ChatEvents } from '../schemas/events.js'
import { elapsedMs } from '../time.js'
import { Changes } from './changes.js'
import type { Database } from './database.js'
import type { Transaction } from './event-log.js'
import { gather } from './gather.js'
import { Keys } from './keys.js'
import { isConflict, isSingle } from './outage.js'
import type { Prisma } from './prisma.js'
import { postgresDialect, postgresWithoutLocks, type Sql } from './sql.js'
import { Unit } from './unit.js'
import { load } from './unit-load.js'
import { Conflict, flush } from './unit-write.js'

/** One change of the chat: what it needs, and what it decides. Both are called again when a transaction is repeated. */
export interface Command<Result> {
  /** Names the rows that `apply` reads or changes. */
  needs(keys: Keys): void
  /**
   * Checks everything first, then changes the unit. A refusal that is thrown before any change concerns only its caller.
   * Anything else that is thrown rolls the transaction back, and the other commands are repeated without this one.
   */
  apply(unit: Unit): Result
}

/** What a committed transaction has to emit. */
export interface Commit extends Pick<Changes, 'events'> {
  emissions: ReadonlyArray<Emission<ChatEvents>>
  /** The transaction in the event log, if it wrote to it. */
  logged: Transaction | undefined
}

interface Waiting {
  task: Command<unknown> | { alone: () => Promise<unknown> }
  since: number
  resolve: (result: never) => void
  reject: (error: unknown) => void
}

type Batch = Array<Waiting & { command: Command<unknown> }>

/** Maximum number of commands in one transaction. Limits how long it holds its locks. */
export const BATCH_MAX = 256
/** Maximum number of commands that wait. Further ones are refused. */
export const WAITING_MAX = 10_000
/** A command that has waited this long is refused, in milliseconds. */
const WAIT_MAX_MS = 5000
const ATTEMPTS = 5

/**
 * Group commit: all commands that wait are decided and written in one transaction, in the order in which they arrived. A
 * transaction costs some hundred microseconds, which all commands in it share.
 */
export class Writer {
  readonly #database: Database
  readonly #committed: (commit: Commit) => void
  #queue: Waiting[] = []
  #running: Promise<void> | undefined
  /** Set while something waits, or did a moment ago. */
  #late: NodeJS.Timeout | undefined
  #closed = false

  /** `committed` is called right after each commit, before the commands' callers continue. It must not throw. */
  constructor (database: Database, committed: (commit: Commit) => void) {
    this.#database = database
    this.#committed = committed
  }

  /**
   * Runs the command in the next transaction.
   * @throws the command's refusal, or UNAVAILABLE when the database is in trouble
   */
  async write<Result> (command: Command<Result>): Promise<Result> {
    return await this.#enqueue<Result>(command)
  }

  /**
   * Decides the command over what is committed, and writes nothing. It locks nothing, and does not wait for its turn.
   * @throws the command's refusal
   */
  async rehearse<Result> (command: Command<Result>): Promise<Result> {
    const { clock, dialect, read } = this.#database
    const keys = new Keys()
    const named = keys.namedBy(command)
    const moment = { now: clock.now(), ticks: clock.ticks() }
    const map = await load(dialect === postgresDialect ? postgresWithoutLocks : dialect, read, keys, moment.ticks)
    return command.apply(new Unit(map, new Changes(), moment, named))
  }

  /** Runs SQL in a transaction of its own, in its turn: after everything that waits. */
  async run<Result> (work: (sql: Sql) => Promise<Result>): Promise<Result> {
    return await this.#enqueue<Result>({ alone: async () => await this.#database.transaction(work) })
  }

  /**
   * Runs SQL in a transaction of its own, for what does not depend on commands (counters, tickets). On PostgreSQL, which writes
   * on several connections, it does not wait for its turn.
   */
  async beside<Result> (work: (sql: Sql) => Promise<Result>): Promise<Result> {
    if (this.#database.provider === 'sqlite') return await this.run(work)
    this.#assertOpen()
    return await whileConflicting(async () => await this.#database.transaction(work))
  }

  /**
   * Writes with Prisma's typed client, in its turn: no transaction is open meanwhile. Each statement is a transaction of its
   * own, and may be repeated (see `Database.write`).
   */
  async exclusive<Result> (work: (prisma: Prisma) => Promise<Result>): Promise<Result> {
    return await this.#enqueue<Result>({ alone: async () => await this.#database.write(work) })
  }

  /** As `exclusive`, for what does not depend on commands (leases, tickets, counters). On PostgreSQL it does not wait for its turn. */
  async exclusiveBeside<Result> (work: (prisma: Prisma) => Promise<Result>): Promise<Result> {
    if (this.#database.provider === 'sqlite') return await this.exclusive(work)
    this.#assertOpen()
    return await whileConflicting(async () => await this.#database.write(work))
  }

  #assertOpen (): void {
    if (this.#closed) throw chatError('UNAVAILABLE', { retryAfter: 1 })
  }

  async #enqueue<Result> (task: Waiting['task']): Promise<Result> {
    return await new Promise<Result>((resolve, reject) => {
      if (this.#closed || this.#queue.length >= WAITING_MAX) return reject(chatError('UNAVAILABLE', { retryAfter: 1 }))
      this.#queue.push({ task, since: elapsedMs(), resolve, reject })
      this.#late ??= setTimeout(() => { this.#refuseLate() }, WAIT_MAX_MS).unref()
      this.#running ??= this.#run()
    })
  }

  /** Runs everything that waits, and refuses what comes later. */
  async close (): Promise<void> {
    this.#closed = true
    await this.#running
  }

  /**
   * Each transaction begins in a turn of the event loop of its own, after the callers of the one before have gone on: a caller that
   * writes to the same SQLite file over a synchronous connection of its own must find no lock of ours, for which it would block the loop.
   */
  async #run (): Promise<void> {
    while (this.#queue.length > 0) {
      await gather(() => this.#queue.length, BATCH_MAX)
      const batch: Batch = []
      for (let [next] = this.#queue; next !== undefined && 'needs' in next.task && batch.length < BATCH_MAX; [next] = this.#queue) {
        batch.push({ ...next, command: next.task })
        this.#queue.shift()
      }
      if (batch.length > 0) {
        await this.#commitAll(batch)
        continue
      }
      const waiting = this.#queue.shift()
      if (waiting !== undefined && 'alone' in waiting.task) await this.#runAlone(waiting, waiting.task.alone)
    }
    this.#running = undefined
  }

  /** Refuses what has waited for too long, even while a transaction is still waiting for a lock. */
  #refuseLate (): void {
    const now = elapsedMs()
    let [oldest] = this.#queue
    for (; oldest !== undefined && oldest.since + WAIT_MAX_MS <= now; [oldest] = this.#queue) {
      this.#queue.shift()
      oldest.reject(chatError('UNAVAILABLE', { retryAfter: 2 }))
    }
    this.#late = oldest === undefined ? undefined : setTimeout(() => { this.#refuseLate() }, oldest.since + WAIT_MAX_MS - now).unref()
  }

  async #runAlone ({ resolve, reject }: Waiting, work: () => Promise<unknown>): Promise<void> {
    try {
      resolve(await whileConflicting(work) as never)
    } catch (error) {
      reject(error)
    }
  }

  async #commitAll (batch: Batch): Promise<void> {
    const error = await this.#commit(batch)
    if (error === undefined) return
    if (batch.length === 1 || !isOfOne(error.thrown)) return rejectAll(batch, error.thrown)
    // One of them cannot be written. Each is repeated alone, so that the others are.
    for (const [index, waiting] of batch.entries()) {
      const alone = await this.#commit([waiting])
      if (alone === undefined) continue
      if (!isOfOne(alone.thrown)) return rejectAll(batch.slice(index), alone.thrown)
      waiting.reject(alone.thrown)
    }
  }

  /** @returns what kept the batch from being committed */
  async #commit (batch: Batch): Promise<{ thrown: unknown } | undefined> {
    let decided: Decided
    try {
      decided = await whileConflicting(async () =>
        await this.#database.transaction(async (sql, early) => await decide(this.#database, sql, early, batch)))
    } catch (thrown) {
      return { thrown }
    }
    const { changes: { emissions, events, logged }, outcomes } = decided
    this.#committed({ emissions, events, logged })
    outcomes.forEach((settle, index) => { settle(batch[index]!) })
    return undefined
  }
}

interface Decided { changes: Changes, outcomes: Array<(waiting: Waiting) => void> }

/** Whether the error may concern one command of the batch, and not the database. */
export const isOfOne = (error: unknown): boolean => !isChatError(error, 'UNAVAILABLE') || isSingle(error.cause)

function rejectAll (batch: Batch, error: unknown): void {
  for (const { reject } of batch) reject(error)
}

/** Repeats a transaction that conflicted with another one. Nothing of it was written then. */
async function whileConflicting<T> (transact: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await transact()
    } catch (error) {
      const again = error instanceof Conflict || isConflict(error)
      if (!again || attempt === ATTEMPTS) throw error
    }
  }
}

async function decide (database: Database, sql: Sql, early: Sql, batch: Batch): Promise<Decided> {
  const keys = new Keys()
  const named = batch.map(({ command }) => keys.namedBy(command))
  const moment = { now: database.clock.now(), ticks: database.clock.ticks() }
  const map = await load(database.dialect, early, keys, moment.ticks)
  const changes = new Changes()
  const outcomes = batch.map(({ command }, index) => {
    const before = changes.count
    try {
      const result = command.apply(new Unit(map, changes, moment, named[index]!)) as never
      return ({ resolve }: Waiting) => { resolve(result) }
    } catch (error) {
      if (!isChatError(error) || changes.count > before) throw error
      return ({ reject }: Waiting) => { reject(error) }
    }
  })
  await flush(database, sql, changes, moment.now)
  return { changes, outcomes }
}
