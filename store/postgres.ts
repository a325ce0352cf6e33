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
 * Ten nodes of these, and their connections for LISTEN, fit PostgreSQL's usual hundred. A node writes in one transaction
 * at a time; the others read.
 */
const POOL_SIZE = 8
const APPLICATION_NAME = 'fastify-sse-chat'
const CONNECT_TIMEOUT_MS = 3000
/** How long a statement may take, waiting for locks included, before it is given up. */
const STATEMENT_TIMEOUT_MS = 5000
/**
 * A process that stops between two statements of a transaction (paused, or cut off) holds up every writer that wants
 * its locks: that has to end before their statements time out.
 */
const IDLE_IN_TRANSACTION_MS = 3000
/**
 * All that is asked here is looked up by key, however large the tables are. The planner, which takes every list of keys
 * for a hundred, reads middling tables whole instead (10,000 conversations: 3.9 ms where the index takes 0.05), and after
 * an import large ones, too.
 */
const BY_KEY = 'SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off; SET plan_cache_mode = force_generic_plan'
const COLUMNS = 'SELECT table_name::text, column_name::text FROM information_schema.columns WHERE table_schema = ?'
/** Attempts at what a broken connection has kept from happening. */
const ATTEMPTS = 3
const RETRY_MS = 50
/** Answers that the clock is set by at the start: the quickest counts. */
const CLOCK_READINGS = 3

/**
 * PostgreSQL: one pool under Prisma's adapter. Reads are Prisma's; write transactions take a connection of the pool
 * themselves, because Prisma's interactive ones cost three times the CPU and hand a connection back to the pool in
 * whatever state a timeout has left it.
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
    onConnect: async client => { await client.query(BY_KEY) }
  })
  // a connection that breaks while idle is dropped by the pool; one in use reports it to its query
  pool.on('error', () => {})
  pool.on('connect', client => { client.on('error', () => {}) })
  const factory = new PrismaPg(pool, { schema, statementNameGenerator: ({ sql }) => statements.nameOf(sql) })
  let identity: string
  try {
    // waiting for another node's migration, and a migration itself, may take longer than a query
    const migrator = new PrismaPg({ ...connection, fallback_application_name: APPLICATION_NAME, connectionTimeoutMillis: CONNECT_TIMEOUT_MS, keepAlive: true }, { schema });
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
  // Its models are those of SQLite's client.
  const prisma = through(client as unknown as Prisma, async operation => await again(pool, operation))
  let check: string | undefined
  const transaction: Database['transaction'] = async work => await again(pool, async () => await transact(pool, statements, work))
  return {
    provider: 'postgresql',
    dialect: postgresDialect,
    identity,
    installation: `${identity}.${schema}`,
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

/** Once more on another connection, where that can help: nothing of the attempt before was written. */
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

async function transact<T> (pool: RenewablePool, statements: Statements, work: (sql: Sql) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  let committing = false
  try {
    // what a statement sees after it has waited for a lock depends on this level; the server's default may be another
    await client.query('BEGIN ISOLATION LEVEL READ COMMITTED')
    const result = await work(sqlOver(client, statements))
    committing = true
    const { command } = await client.query('COMMIT')
    // what a COMMIT is answered after a statement has failed
    if (command !== 'COMMIT') throw new Error(`The transaction was ended by ${command} instead of COMMIT`)
    client.release()
    return result
  } catch (error) {
    const clean = consequencesOf(error).keep === true && await client.query('ROLLBACK').then(() => true, () => false)
    client.release(!clean)
    throw committing && isDropped(error) ? new CommitUnknown('The connection broke during the commit', { cause: error }) : error
  }
}

function sqlOver (client: pg.PoolClient, statements: Statements): Sql {
  return {
    query: async <Row> (sql: string, ...values: Param[]) => (await client.query({ ...statements.translate(sql), values })).rows as Row[],
    execute: async (sql, ...values) => (await client.query({ ...statements.translate(sql), values })).rowCount ?? 0
  }
}

/** Named, so that each connection parses and plans a statement once. */
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

  /** Without one, the statement is parsed each time. */
  nameOf (text: string): string {
    return this.#names.get(text) ?? ''
  }
}

/** Where the tables are: the option, else `?schema=` in the URL (as Prisma has it). The connection looks there only. */
function placeOf ({ url, schema }: DatabaseOptions): { connection: pg.ClientConfig, schema: string } {
  // what pg reads itself, sockets (`postgres://user@/db?host=/var/run/postgresql`) included
  const { schema: named, ...parameters } = parse(url) as ReturnType<typeof parse> & { schema?: string }
  const place = schema ?? named ?? DEFAULT_SCHEMA
  const searchPath = `"${place.replaceAll('"', '""')}"`.replaceAll(/[\\ ]/g, '\\$&')
  const connection = toClientConfig(parameters)
  return { connection: { ...connection, options: `${parameters.options ?? ''} -c search_path=${searchPath}`.trim() }, schema: place }
}
