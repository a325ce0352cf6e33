import { setTimeout as sleep } from 'node:timers/promises'
import { PrismaPg } from '@prisma/adapter-pg'
import type pg from 'pg'
import { parse, toClientConfig } from 'pg-connection-string'
import { PrismaClient } from '../prisma/generated/postgresql/client.js'
import { elapsedMs } from '../time.js'
import type { Database, DatabaseOptions } from './database.js'
import { metaRow } from './meta.js'
import { DEFAULT_SCHEMA, migrate } from './migrate.js'
import { CommitUnknown, isDropped, refusalOf } from './outage.js'
import { RenewablePool } from './pool.js'
import { prismaOptions, readerOf, through, type Prisma } from './prisma.js'
import { consequencesOf } from './reading.js'
import { inFlightOnce } from './once.js'
import { PostgresClock, type ClockColumns } from './shared-clock.js'
import { numbered, postgresDialect, type Param, type Sql } from './sql.js'
import { inOne, writeChecks, type Column } from './write-check.js'

/**
 * Ten nodes with this many connections, and one each for LISTEN, fit PostgreSQL's default of a hundred. A node has one write
 * transaction at a time; the other connections read.
 */
const POOL_SIZE = 8
const APPLICATION_NAME = 'fastify-sse-chat'
const CONNECT_TIMEOUT_MS = 3000
/** Maximum duration of a statement, waiting for locks included, in milliseconds. */
const STATEMENT_TIMEOUT_MS = 5000
/**
 * A process that stops between two statements of a transaction (because it is suspended or cut off) blocks all writers that
 * need its locks. Its transaction has to end before their statements time out. In milliseconds.
 */
const IDLE_IN_TRANSACTION_MS = 3000
/**
 * All queries look up rows by key, however large the tables are. The planner assumes a hundred keys for every list, and
 * therefore reads medium tables completely (10,000 conversations: 3.9 ms, by index 0.05 ms); after an import, large ones, too.
 */
const BY_KEY = ['enable_seqscan = off', 'enable_bitmapscan = off', 'enable_hashjoin = off', 'enable_mergejoin = off', 'jit = off',
  'plan_cache_mode = force_generic_plan'].map(setting => `SET ${setting}`).join('; ')
const COLUMNS = 'SELECT table_name::text, column_name::text FROM information_schema.columns WHERE table_schema = ?'
/** Maximum number of attempts when connections break. */
const ATTEMPTS = 3
const RETRY_MS = 50
/** Number of readings that set the clock at the start. They narrow its bounds. */
const CLOCK_READINGS = 3

/**
 * PostgreSQL: one pool under Prisma's adapter. Reads, and single statements that write, go through Prisma's client. Write
 * transactions take a connection of the pool themselves, because Prisma's interactive ones cost three times the CPU and return
 * a connection to the pool in whatever state a timeout has left it.
 */
export async function openPostgres (options: DatabaseOptions): Promise<Database> {
  const { connection, schema } = placeOf(options)
  const statements = new Statements()
  const pool = new RenewablePool({
    ...connection,
    fallback_application_name: APPLICATION_NAME,
    max: options.poolSize ?? POOL_SIZE,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    query_timeout: STATEMENT_TIMEOUT_MS + 1000,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    keepAlive: true,
    // Statements are sent without waiting for the answer to the one before.
    pipeline: true,
    onConnect: async client => { await client.query(BY_KEY) }
  })
  // The pool drops an idle connection that breaks. One that is in use reports the error to its query.
  pool.on('error', () => {})
  pool.on('connect', client => { client.on('error', () => {}) })
  const factory = new PrismaPg(pool, { schema, statementNameGenerator: ({ sql }) => statements.nameOf(sql) })
  let identity: string
  try {
    // A migration, and waiting for that of another node, may take longer than a query.
    const config = { ...connection, fallback_application_name: APPLICATION_NAME, connectionTimeoutMillis: CONNECT_TIMEOUT_MS, keepAlive: true }
    const migrator = new PrismaPg(config, { schema });
    ({ identity } = await migrate('postgresql', factory, { schema, migrator }))
  } catch (error) {
    await pool.end().catch(() => {})
    throw error
  }
  const client = new PrismaClient({ adapter: factory, ...prismaOptions })
  const read: Sql = {
    query: async (sql, ...params) => await again(pool, async () => await client.$queryRawUnsafe(statements.translate(sql).text, ...params)),
    execute: async (sql, ...params) => await again(pool, async () => await client.$executeRawUnsafe(statements.translate(sql).text, ...params))
  }
  // Both generated clients have the same models, and the type is that of SQLite's.
  const prisma = through(client as unknown as Prisma, async operation => await again(pool, operation))
  let check: string | undefined
  const transaction: Database['transaction'] = async work => await again(pool, async () => await transact(pool, statements, work))
  return {
    provider: 'postgresql',
    dialect: postgresDialect,
    identity,
    installation: `${identity}.${schema}`,
    schema,
    clock: await openClock(read),
    read,
    prisma: readerOf(prisma),
    transaction,
    write: async work => await work(prisma),
    ping: inFlightOnce(async () => {
      await transaction(async sql => {
        const statement = check ?? inOne(writeChecks(await sql.query<Column>(COLUMNS, schema)))
        metaRow((await sql.query(statement))[0])
        check = statement
      })
    }),
    async close () {
      await client.$disconnect()
      await pool.end()
    }
  }
}

async function openClock (read: Sql): Promise<PostgresClock> {
  const clock = new PostgresClock()
  for (let reading = 0; reading < CLOCK_READINGS; reading++) {
    const askedAt = elapsedMs()
    const [row] = await read.query<ClockColumns>(`SELECT ${clock.columns}`)
    if (row !== undefined) clock.observe(row, askedAt)
  }
  return clock
}

/** Repeats the work on another connection if that can help. The failed attempt has written nothing, or may be repeated. */
async function again<T> (pool: RenewablePool, work: () => Promise<T>): Promise<T> {
  let renewed = false
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      const { retry } = consequencesOf(error)
      if (retry === undefined || renewed || attempt === ATTEMPTS) throw refusalOf(error)
      if (retry === 'any') {
        await sleep(RETRY_MS)
      } else {
        renewed = true
        pool.renew()
      }
    }
  }
}

async function transact<T> (pool: RenewablePool, statements: Statements, work: (sql: Sql, early: Sql) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  let committing = false
  try {
    // This level decides what a statement sees after it has waited for a lock. The server's default may be another one.
    const begun = client.query('BEGIN ISOLATION LEVEL READ COMMITTED')
    begun.catch(() => {})
    const [sql, early] = sqlOver(client, statements, begun)
    const result = await work(sql, early)
    await begun
    committing = true
    const { command } = await client.query('COMMIT')
    // PostgreSQL answers COMMIT with ROLLBACK after a statement has failed.
    if (command !== 'COMMIT') throw new Error(`The transaction was ended by ${command} instead of COMMIT`)
    client.release()
    return result
  } catch (error) {
    const clean = consequencesOf(error).keep === true && await client.query('ROLLBACK').then(() => true, () => false)
    client.release(!clean)
    throw committing && isDropped(error) ? new CommitUnknown('The connection broke during the commit', { cause: error }) : error
  }
}

/**
 * Statements of a transaction, and those that are sent before it has begun. If beginning fails, the latter have run outside of it, and fail,
 * too.
 */
function sqlOver (client: pg.PoolClient, statements: Statements, begun: Promise<unknown>): [sql: Sql, early: Sql] {
  const send = async (sql: string, values: Param[]): Promise<pg.QueryResult> => await client.query({ ...statements.translate(sql), values })
  const over = (run: typeof send): Sql => ({
    query: async <Row> (sql: string, ...values: Param[]) => (await run(sql, values)).rows as Row[],
    execute: async (sql, ...values) => (await run(sql, values)).rowCount ?? 0
  })
  return [
    over(async (sql, values) => {
      await begun
      return await send(sql, values)
    }),
    over(async (sql, values) => (await Promise.all([send(sql, values), begun]))[0])
  ]
}

/** Names statements, so that each connection parses and plans them once. */
class Statements {
  readonly #translated = new Map<string, { name: string, text: string }>()
  readonly #names = new Map<string, string>()

  translate (sql: string): { name: string, text: string } {
    let statement = this.#translated.get(sql)
    if (statement === undefined) {
      statement = { name: `chat_${this.#translated.size}`, text: numbered(sql) }
      this.#translated.set(sql, statement)
      this.#names.set(statement.text, statement.name)
    }
    return statement
  }

  /** The statement's name, or an empty one: then it is parsed each time. */
  nameOf (text: string): string {
    return this.#names.get(text) ?? ''
  }
}

/** The schema of the tables is the option, else `?schema=` in the URL, as in Prisma. The connection's search path has no other. */
export function placeOf ({ url, schema }: DatabaseOptions): { connection: pg.ClientConfig, schema: string } {
  // This is pg's own parser. It also reads sockets (`postgres://user@/db?host=/var/run/postgresql`).
  const { schema: named, ...parameters } = parse(url) as ReturnType<typeof parse> & { schema?: string }
  const place = schema ?? named ?? DEFAULT_SCHEMA
  const searchPath = `"${place.replaceAll('"', '""')}"`.replaceAll(/[\\ ]/g, '\\$&')
  const connection = toClientConfig(parameters)
  return { connection: { ...connection, options: `${parameters.options ?? ''} -c search_path=${searchPath}`.trim() }, schema: place }
}
