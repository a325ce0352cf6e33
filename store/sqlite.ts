import { mkdirSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3'
import type { SqlDriverAdapter, SqlQuery } from '@prisma/driver-adapter-utils'
import { PrismaClient } from '../prisma/generated/sqlite/client.js'
import type { Database } from './database.js'
import { DatabaseError, migrate } from './migrate.js'
import { isLocked, outageToRefusal } from './outage.js'
import { sqliteDialect, type Param, type Sql } from './sql.js'

/** How long a write waits for another process that holds the lock, in milliseconds, before it is refused. */
const LOCK_TIMEOUT_MS = 5000

/**
 * SQLite: one connection writes and another reads, so that a read never sees what isn't committed yet (WAL gives it a
 * snapshot). Reads go through Prisma's client, writes through its driver adapter: a transaction of raw statements has no use
 * for the client's own work, which would triple its CPU.
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

  const writer = await new PrismaBetterSqlite3({ url: `file:${file}`, timeout: 10 }).connect()
  const write = adapterSql(writer)
  for (const pragma of ['journal_mode = WAL', `synchronous = ${synchronous}`, 'cache_size = -16000']) await write.query(`PRAGMA ${pragma}`)
  const reader = new PrismaClient({ adapter: new PrismaBetterSqlite3({ url: `file:${file}`, timeout: 10 }) })
  await reader.$queryRawUnsafe('PRAGMA query_only = ON')
  await reader.$queryRawUnsafe('PRAGMA cache_size = -16000')
  const read = prismaSql(reader)

  const begin = async (): Promise<void> => {
    const deadline = Date.now() + LOCK_TIMEOUT_MS
    for (let wait = 2; ; wait = Math.min(wait * 2, 50)) {
      try {
        await write.execute('BEGIN IMMEDIATE')
        return
      } catch (error) {
        if (isLocked(error) && Date.now() < deadline) await sleep(wait)
        else throw error
      }
    }
  }
  return {
    provider: 'sqlite',
    dialect: sqliteDialect,
    identity,
    installation: identity,
    read,
    async transaction (work) {
      await begin()
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
      await writer.dispose()
    }
  }
}

function prismaSql (client: PrismaClient): Sql {
  return {
    query: async (sql: string, ...params: Param[]) => await outageToRefusal(client.$queryRawUnsafe(sql, ...params)),
    execute: async (sql: string, ...params: Param[]) => await outageToRefusal(client.$executeRawUnsafe(sql, ...params))
  }
}

/**
 * SQL through the driver adapter, as Prisma's own client runs it, without the client's work around each statement (its
 * query plans and spans cost more than the statement).
 */
function adapterSql (adapter: SqlDriverAdapter): Sql {
  const queryOf = (sql: string, params: Param[]): SqlQuery => ({ sql, args: params, argTypes: params.map(typeOf) })
  return {
    async query<Row> (sql: string, ...params: Param[]) {
      const { columnNames, rows } = await outageToRefusal(adapter.queryRaw(queryOf(sql, params)))
      return rows.map(row => Object.fromEntries(columnNames.map((name, index) => [name, row[index]])) as Row)
    },
    execute: async (sql, ...params) => await outageToRefusal(adapter.executeRaw(queryOf(sql, params)))
  }
}

function typeOf (param: Param): SqlQuery['argTypes'][number] {
  const scalarType = typeof param === 'string' ? 'string' : typeof param === 'boolean' ? 'boolean' : typeof param === 'bigint' ? 'bigint' : Number.isInteger(param) ? 'bigint' : 'float'
  return { scalarType, arity: 'scalar' }
}
