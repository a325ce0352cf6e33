import { mkdirSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3'
import SqliteConnection from 'better-sqlite3'
import { PrismaClient } from '../prisma/generated/sqlite/client.js'
import type { Database } from './database.js'
import { DatabaseError, migrate } from './migrate.js'
import { isLocked, outageToRefusal } from './outage.js'
import { sqliteDialect, type Param, type Sql } from './sql.js'

/** How long a write waits for another process that holds the lock, in milliseconds, before it is refused. */
const LOCK_TIMEOUT_MS = 5000

/**
 * SQLite: one connection writes and another reads, so that a read never sees what isn't committed yet (WAL gives it a
 * snapshot). Reads go through Prisma's client. The connection that writes is the driver itself: Prisma's adapter prepares
 * each statement every time (221 µs of CPU a message instead of 183, when 64 connections write at once).
 *
 * A write transaction takes the lock when it begins; waiting for another process's is done here and not in SQLite's
 * busy handler, which would stop the event loop.
 */
export async function openSqlite (url: string): Promise<Database> {
  const [path, query] = url.slice('file:'.length).replace(/^\/\/(?=\/)/, '').split('?', 2) as [string, string?]
  const file = resolve(path)
  const synchronous = new URLSearchParams(query).get('synchronous') === 'normal' ? 'NORMAL' : 'FULL'
  try {
    mkdirSync(dirname(file), { recursive: true })
  } catch (error) {
    throw new DatabaseError(`The folder of the database file ${path} can't be made (${(error as NodeJS.ErrnoException).code})`)
  }
  const { identity } = await migrate('sqlite', new PrismaBetterSqlite3({ url: `file:${file}`, timeout: LOCK_TIMEOUT_MS }))

  const writer = new SqliteConnection(file, { timeout: 10 })
  // another process that starts on a new file may be at the same; SQLite doesn't wait for that
  for (const pragma of ['journal_mode = WAL', `synchronous = ${synchronous}`, 'cache_size = -16000']) await onceUnlocked(() => writer.pragma(pragma))
  const write = preparedSql(writer)
  const reader = new PrismaClient({ adapter: new PrismaBetterSqlite3({ url: `file:${file}`, timeout: 10 }) })
  await reader.$queryRawUnsafe('PRAGMA query_only = ON')
  await reader.$queryRawUnsafe('PRAGMA cache_size = -16000')
  const read = prismaSql(reader)

  return {
    provider: 'sqlite',
    dialect: sqliteDialect,
    identity,
    installation: identity,
    read,
    async transaction (work) {
      await onceUnlocked(async () => await write.execute('BEGIN IMMEDIATE'))
      try {
        const result = await work(write)
        await write.execute('COMMIT')
        return result
      } catch (error) {
        // some errors (a full disk) have rolled back already
        await write.execute('ROLLBACK').catch(() => {})
        throw error
      }
    },
    ping: async () => { await read.query('SELECT position FROM chat_meta') },
    async close () {
      await reader.$disconnect()
      writer.close()
    }
  }
}

/** Again and again while another process holds the lock. */
async function onceUnlocked<T> (work: () => T | Promise<T>): Promise<T> {
  const deadline = Date.now() + LOCK_TIMEOUT_MS
  for (let wait = 2; ; wait = Math.min(wait * 2, 50)) {
    try {
      return await work()
    } catch (error) {
      if (!isLocked(error) || Date.now() >= deadline) throw error
      await sleep(wait)
    }
  }
}

function prismaSql (client: PrismaClient): Sql {
  return {
    query: async (sql: string, ...params: Param[]) => await outageToRefusal(client.$queryRawUnsafe(sql, ...params)),
    execute: async (sql: string, ...params: Param[]) => await outageToRefusal(client.$executeRawUnsafe(sql, ...params))
  }
}

/** What the driver binds: it knows no booleans. */
type Bindable = Exclude<Param, boolean>

/** Prepares each statement once: there are some forty. */
function preparedSql (connection: SqliteConnection.Database): Sql {
  const statements = new Map<string, SqliteConnection.Statement<Bindable[], never>>()
  const prepared = (sql: string): SqliteConnection.Statement<Bindable[], never> => {
    let statement = statements.get(sql)
    if (statement === undefined) statements.set(sql, statement = connection.prepare<Bindable[], never>(sql))
    return statement
  }
  const bindable = (params: Param[]): Bindable[] => params.map(param => typeof param === 'boolean' ? Number(param) : param)
  return {
    query: async (sql, ...params) => await outageToRefusal((async () => prepared(sql).all(...bindable(params)))()),
    execute: async (sql, ...params) => await outageToRefusal((async () => prepared(sql).run(...bindable(params)).changes)())
  }
}
