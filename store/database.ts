import { mkdirSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3'
import { PrismaPg } from '@prisma/adapter-pg'
import { chatError } from '../errors.js'
import { PrismaClient as PostgresClient } from '../prisma/generated/postgresql/client.js'
import { PrismaClient as SqliteClient } from '../prisma/generated/sqlite/client.js'
import { DatabaseError, DEFAULT_SCHEMA, migrate, type Provider } from './migrate.js'
import { isLocked, isOutage } from './outage.js'
import { numbered, postgresDialect, sqliteDialect, type Dialect, type Param, type Sql } from './sql.js'

export { DatabaseError, DatabaseVersionError } from './migrate.js'

/** The chat's database: what is committed, and one write transaction at a time. */
export interface Database {
  provider: Provider
  dialect: Dialect
  /** Random identity of this installation; part of every event id. */
  identity: string
  /** Reads what is committed. @throws UNAVAILABLE when the database is in trouble */
  read: Sql
  /**
   * Runs the work in a write transaction; rolls back when it throws.
   * @throws UNAVAILABLE when the database is in trouble: nothing is written then, or (PostgreSQL, the connection broke
   * during the commit) the outcome is unknown
   */
  transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T>
  /** Rejects when the database doesn't answer. */
  ping(): Promise<void>
  close(): Promise<void>
}

export interface DatabaseOptions {
  /** `file:…` (SQLite) or `postgres://…`. */
  url: string
  /** PostgreSQL: the schema that holds the tables. Default `fastify_sse_chat`. */
  schema?: string
  /** PostgreSQL: connections at most. Default 10. */
  poolSize?: number
}

/** How long a write waits for another process that holds the lock, in milliseconds, before it is refused. */
const LOCK_TIMEOUT_MS = 5000

/**
 * Opens the database, brings its tables up to date, and connects.
 * @throws {DatabaseError} with a one-line message when that fails
 */
export async function openDatabase (options: DatabaseOptions): Promise<Database> {
  if (options.url.startsWith('file:')) return await openSqlite(options.url)
  if (/^postgres(ql)?:\/\//.test(options.url)) return await openPostgres(options)
  throw new DatabaseError('The database URL must begin with file: or postgres://')
}

interface RawClient {
  $queryRawUnsafe<T>(sql: string, ...params: Param[]): Promise<T>
  $executeRawUnsafe(sql: string, ...params: Param[]): Promise<number>
}

function sqlOver (client: RawClient, translate: (sql: string) => string): Sql {
  return {
    query: async (sql, ...params) => await outageToRefusal(client.$queryRawUnsafe(translate(sql), ...params)),
    execute: async (sql, ...params) => await outageToRefusal(client.$executeRawUnsafe(translate(sql), ...params))
  }
}

async function outageToRefusal<T> (work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw isOutage(error) ? chatError('UNAVAILABLE', { cause: error, retryAfter: 2 }) : error
  }
}

/**
 * SQLite: one connection writes and another reads, so that a read never sees what isn't committed yet (WAL gives it a
 * snapshot). A write transaction takes the lock when it begins; waiting for another process's is done here and not in
 * SQLite's busy handler, which would stop the event loop.
 */
async function openSqlite (url: string): Promise<Database> {
  const [path, query] = url.slice('file:'.length).replace(/^\/\/(?=\/)/, '').split('?', 2) as [string, string?]
  const file = resolve(path)
  const synchronous = new URLSearchParams(query).get('synchronous') === 'normal' ? 'NORMAL' : 'FULL'
  try {
    mkdirSync(dirname(file), { recursive: true })
  } catch (error) {
    throw new DatabaseError(`The folder of the database file ${path} can't be made (${(error as NodeJS.ErrnoException).code})`)
  }
  const { identity } = await migrate('sqlite', new PrismaBetterSqlite3({ url: `file:${file}`, timeout: LOCK_TIMEOUT_MS }))

  const connect = async (...pragmas: string[]): Promise<SqliteClient> => {
    const client = new SqliteClient({ adapter: new PrismaBetterSqlite3({ url: `file:${file}`, timeout: 10 }) })
    for (const pragma of pragmas) await client.$queryRawUnsafe(`PRAGMA ${pragma}`)
    return client
  }
  const writer = await connect('journal_mode = WAL', `synchronous = ${synchronous}`, 'cache_size = -16000')
  const reader = await connect('query_only = ON', 'cache_size = -16000')
  const write = sqlOver(writer, sql => sql)
  const read = sqlOver(reader, sql => sql)

  const begin = async (): Promise<void> => {
    const deadline = Date.now() + LOCK_TIMEOUT_MS
    for (let wait = 2; ; wait = Math.min(wait * 2, 50)) {
      try {
        await writer.$executeRawUnsafe('BEGIN IMMEDIATE')
        return
      } catch (error) {
        if (isLocked(error) && Date.now() < deadline) await sleep(wait)
        else throw isOutage(error) ? chatError('UNAVAILABLE', { cause: error, retryAfter: 2 }) : error
      }
    }
  }
  return {
    provider: 'sqlite',
    dialect: sqliteDialect,
    identity,
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
      await writer.$disconnect()
    }
  }
}

async function openPostgres (options: DatabaseOptions): Promise<Database> {
  const schema = options.schema ?? DEFAULT_SCHEMA
  const config = {
    connectionString: options.url,
    max: options.poolSize ?? 10,
    connectionTimeoutMillis: 3000,
    statement_timeout: LOCK_TIMEOUT_MS,
    query_timeout: LOCK_TIMEOUT_MS + 1000,
    idle_in_transaction_session_timeout: 15_000,
    keepAlive: true,
    options: `-c search_path=${schema}`
  }
  const factory = new PrismaPg(config, { schema, onPoolError: () => { /* the next query reports it */ } })
  const { identity } = await migrate('postgresql', factory, { schema })
  const client = new PostgresClient({ adapter: factory })

  const translated = new Map<string, string>()
  const translate = (sql: string): string => {
    let translation = translated.get(sql)
    if (translation === undefined) translated.set(sql, translation = numbered(sql))
    return translation
  }
  const read = sqlOver(client, translate)
  return {
    provider: 'postgresql',
    dialect: postgresDialect,
    identity,
    read,
    transaction: async work => await outageToRefusal(client.$transaction(
      async transaction => await work(sqlOver(transaction, translate)),
      { maxWait: 3000, timeout: 2 * LOCK_TIMEOUT_MS })),
    ping: async () => { await read.query('SELECT position FROM chat_meta') },
    close: async () => { await client.$disconnect() }
  }
}
