// SQL by hand: it runs before the tables exist that Prisma's client is for.
import { randomInt } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  isDriverAdapterError, type SqlDriverAdapter, type SqlDriverAdapterFactory,
  type SqlMigrationAwareDriverAdapterFactory, type SqlQueryable
} from '@prisma/driver-adapter-utils'
import { elapsedMs } from '../time.js'
import { isAway, isExhausted } from './outage.js'
import { allTables, migrationList, openSchemaEngine, type Provider } from './schema-engine.js'

export type { Provider } from './schema-engine.js'

/** The database cannot be opened or migrated. The message is one line without secrets, and can be shown. */
export class DatabaseError extends Error {
  override name = 'DatabaseError'
}

/** The database was migrated by a newer version of this package, or belongs to another program. */
export class DatabaseVersionError extends DatabaseError {
  override name = 'DatabaseVersionError'
}

export interface MigrateOptions {
  /**
   * PostgreSQL: the schema that holds the tables. It is created if it does not exist. The client's adapter must be given the
   * same one (`new PrismaPg(config, { schema })`). Default: `fastify_sse_chat`.
   */
  schema?: string
  /** How long to wait for another process that is migrating the same database, in milliseconds. Default: 60,000. */
  lockTimeoutMs?: number
  /** How long to wait for a server that does not answer, or not in time, such as one that is restarting, in milliseconds. Default: 15,000. */
  awayTimeoutMs?: number
  /** PostgreSQL: the adapter for migrations, without a time limit for queries. Default: the adapter of the call. */
  migrator?: SqlDriverAdapterFactory
  /** The folder with the migrations, as `<name>/migration.sql`. Default: those shipped for the provider. */
  migrations?: URL
}

export interface MigrateResult {
  /** Names of the migrations that this call applied. Empty if the database was up to date. */
  applied: string[]
  /** The installation's identity: ten characters `a-z0-9`, created with the database. */
  identity: string
}

export const DEFAULT_SCHEMA = 'fastify_sse_chat'
const AWAY_RETRY_MS = 250

/**
 * Brings a database to the shipped version. Creates what is missing and applies the missing migrations with Prisma's own
 * engine, so that `_prisma_migrations` has the same content as after `prisma migrate`. Everything that a call applies is one
 * transaction. Any number of processes may call it at the same time.
 *
 * Opens a connection of its own and closes it. On SQLite, call it before anything else opens the file.
 *
 * @throws {DatabaseVersionError} when the database has migrations that this version does not know
 * @throws {DatabaseError} when it cannot be opened, or a migration fails
 */
export async function migrate (
  provider: Provider,
  adapterFactory: SqlDriverAdapterFactory,
  options: MigrateOptions = {}
): Promise<MigrateResult> {
  const directory = options.migrations ?? new URL(`../prisma/${provider}/migrations/`, import.meta.url)
  const shipped = await migrationNames(directory)
  const deadline = elapsedMs() + (options.lockTimeoutMs ?? 60_000)
  const schema = options.schema ?? DEFAULT_SCHEMA

  const giveUp = elapsedMs() + (options.awayTimeoutMs ?? 15_000)
  for (;;) {
    let adapter: SqlDriverAdapter | undefined
    try {
      adapter = await adapterFactory.connect()
      return provider === 'sqlite'
        ? await migrateSqlite(adapter, shipped, directory, deadline)
        : await migratePostgres(adapter, options.migrator ?? adapterFactory, schema, shipped, directory, deadline)
    } catch (error) {
      if (error instanceof DatabaseError) throw error
      if (provider === 'sqlite' || !(isAway(error) || isExhausted(error)) || elapsedMs() > giveUp) throw databaseError(provider, error)
    } finally {
      await adapter?.dispose().catch(() => { /* it is gone already */ })
    }
    await sleep(AWAY_RETRY_MS)
  }
}

/** One connection with the lock held and a transaction open. */
interface Session extends SqlQueryable {
  executeScript: (script: string) => Promise<void>
  /** The PostgreSQL schema. */
  schema?: string
}

async function migrateSqlite (
  adapter: SqlDriverAdapter, shipped: string[], directory: URL, deadline: number
): Promise<MigrateResult> {
  // Waiting for a lock is done here. In SQLite it would block the event loop, and perhaps the very connection of this
  // process that holds the lock.
  await query(adapter, 'PRAGMA busy_timeout = 0')
  const identity = await whenFree(deadline, () => identityIfCurrent(adapter, shipped))
  if (identity !== undefined) return { applied: [], identity }

  // A migration may rebuild a table. With foreign keys on, dropping the old table would delete the rows that refer to it.
  await query(adapter, 'PRAGMA foreign_keys = OFF')
  await whenFree(deadline, () => query(adapter, 'BEGIN IMMEDIATE'))
  try {
    // Nobody else can write now, and readers release their locks soon.
    await query(adapter, 'PRAGMA busy_timeout = 5000')
    const result = await applyMissing('sqlite', adapter, shipped, directory)
    const [violation] = await query(adapter, 'PRAGMA foreign_key_check')
    if (violation !== undefined) throw new DatabaseError(`Migrating would leave rows in ${String(violation[0])} that refer to nothing; nothing was changed`)
    await query(adapter, 'COMMIT')
    return result
  } catch (error) {
    await query(adapter, 'ROLLBACK').catch(() => { /* SQLite did it already */ })
    throw error
  }
}

async function migratePostgres (
  reader: SqlDriverAdapter, migrator: SqlDriverAdapterFactory, schema: string, shipped: string[], directory: URL, deadline: number
): Promise<MigrateResult> {
  const identity = await identityIfCurrent(reader, shipped, schema)
  if (identity !== undefined) return { applied: [], identity }

  const adapter = await migrator.connect()
  try {
    return await applyLocked(adapter, schema, shipped, directory, deadline)
  } finally {
    await adapter.dispose().catch(() => { /* it is gone already */ })
  }
}

async function applyLocked (
  adapter: SqlDriverAdapter, schema: string, shipped: string[], directory: URL, deadline: number
): Promise<MigrateResult> {
  // A transaction pins one connection of the adapter's pool. At this isolation level, statements after the lock see what its
  // last holder committed, whatever the host's default level is.
  const transaction = await adapter.startTransaction('READ COMMITTED')
  try {
    await query(transaction, 'SELECT set_config($1, $2, true)', 'lock_timeout', String(Math.max(deadline - elapsedMs(), 1)))
    await query(transaction, 'SELECT set_config($1, $2, true)', 'statement_timeout', '0')
    // This is Prisma's own key, so that a `prisma migrate deploy` by hand waits, too.
    await execute(transaction, 'SELECT pg_advisory_xact_lock(72707369)')
    await query(transaction, 'SELECT set_config($1, $2, true)', 'search_path', quoted(schema))
    // IF NOT EXISTS would require the privilege to create, even if there is nothing to create.
    const [existing] = await query(transaction, 'SELECT 1 FROM pg_namespace WHERE nspname = $1', schema)
    if (existing === undefined) await query(transaction, `CREATE SCHEMA ${quoted(schema)}`)

    const session: Session = {
      provider: transaction.provider,
      adapterName: transaction.adapterName,
      schema,
      queryRaw: (query) => transaction.queryRaw(query),
      executeRaw: (query) => transaction.executeRaw(query),
      // A query without parameters may contain several statements. The adapter's own executeScript uses any connection of
      // its pool, and splits at each semicolon, even within a string or a function's body.
      executeScript: async (sql) => { await transaction.executeRaw({ sql, args: [], argTypes: [] }) }
    }
    const result = await applyMissing('postgresql', session, shipped, directory)
    await query(transaction, 'COMMIT')
    return result
  } catch (error) {
    await query(transaction, 'ROLLBACK').catch(() => { /* the connection is gone */ })
    throw error
  } finally {
    // The engine's lock belongs to the session, which a pool (or a pooler) keeps open.
    await execute(transaction, 'SELECT pg_advisory_unlock_all()').catch(() => { /* the connection is gone */ })
    await transaction.commit() // Returns the connection to the pool.
  }
}

async function applyMissing (
  provider: Provider, session: Session, shipped: string[], directory: URL
): Promise<MigrateResult> {
  const history = await readHistory(session, session.schema)
  checkHistory(history, shipped)
  if (history.failed !== undefined) {
    throw new DatabaseError(`Migration ${history.failed} failed on this database before; repair it and mark it with \`prisma migrate resolve\``)
  }
  const applied = shipped.every((name) => history.applied.has(name))
    ? []
    : await runEngine(provider, session, shipped, directory)

  const meta = qualified('chat_meta', session.schema)
  const identity = Array.from({ length: 10 }, () => randomInt(36).toString(36)).join('')
  // Somebody may have deleted the row of a database in use: positions go on after the newest that was taken.
  const newest = await hasTable(session, 'chat_conversations', session.schema)
    ? `(SELECT COALESCE(MAX(position), 0) FROM ${qualified('chat_conversations', session.schema)})`
    : '0'
  await query(session, `INSERT INTO ${meta} (id, identity, position) VALUES (1, '${identity}', ${newest}) ON CONFLICT DO NOTHING`)
  const [row] = await query(session, `SELECT identity FROM ${meta} WHERE id = 1`)
  return { applied, identity: String(row?.[0]) }
}

async function runEngine (
  provider: Provider, session: Session, shipped: string[], directory: URL
): Promise<string[]> {
  const migrations = await Promise.all(shipped.map(async (name): Promise<[string, string]> =>
    [name, await readFile(new URL(`${name}/migration.sql`, directory), 'utf8')]))

  // The first error of the database is the cause. On PostgreSQL the engine hides it with a later one, since it records the
  // failure in the transaction that has just failed.
  let firstError: unknown
  const noting = async <T>(run: () => Promise<T>): Promise<T> => {
    try {
      return await run()
    } catch (error) {
      firstError ??= error
      throw error
    }
  }
  let current = ''
  const adapter: SqlDriverAdapter = {
    provider: session.provider,
    adapterName: session.adapterName,
    queryRaw: (query) => noting(() => session.queryRaw(query)),
    executeRaw: (query) => noting(() => session.executeRaw(query)),
    executeScript: (script) => noting(() => {
      current = migrations.find(([, sql]) => sql === script)?.[0] ?? current
      return session.executeScript(script)
    }),
    startTransaction: () => Promise.reject(new Error('Migrations run in one transaction already')),
    getConnectionInfo: () => ({ supportsRelationJoins: false, ...session.schema !== undefined && { schemaName: session.schema } }),
    dispose: () => Promise.resolve()
  }
  const factory: SqlMigrationAwareDriverAdapterFactory = {
    provider: session.provider,
    adapterName: session.adapterName,
    connect: () => Promise.resolve(adapter),
    connectToShadowDb: () => Promise.reject(new Error('Applying migrations needs no shadow database'))
  }

  const engine = await openSchemaEngine(factory, `datasource db {\n  provider = "${provider}"\n}\n`)
  try {
    const result = await engine.applyMigrations({ migrationsList: migrationList(provider, migrations), filters: allTables })
    return result.appliedMigrationNames
  } catch (error) {
    if (firstError !== undefined) {
      throw new DatabaseError(`Migration ${current} failed, nothing was changed: ${reason(firstError)}`, { cause: firstError })
    }
    if (/\bP3005\b|schema is not empty/.test(String(error))) {
      throw new DatabaseError('The database holds tables of another program; give the chat a database of its own', { cause: error })
    }
    throw error
  } finally {
    engine.free()
  }
}

interface History {
  applied: Set<string>
  /** The first migration that was started and neither finished nor rolled back, if any. */
  failed: string | undefined
}

/** Reads Prisma's table of migrations. Empty if there is no such table yet. */
async function readHistory (database: SqlQueryable, schema?: string): Promise<History> {
  const table = '_prisma_migrations'
  if (!await hasTable(database, table, schema)) return { applied: new Set(), failed: undefined }

  const rows = await query(database, `SELECT migration_name, finished_at IS NOT NULL
    FROM ${qualified(table, schema)} WHERE rolled_back_at IS NULL ORDER BY started_at`)
  const [applied, failed] = [rows.filter(([, finished]) => isTrue(finished)), rows.filter(([, finished]) => !isTrue(finished))]
  return { applied: new Set(applied.map(([name]) => String(name))), failed: failed[0] && String(failed[0][0]) }
}

async function hasTable (database: SqlQueryable, table: string, schema?: string): Promise<boolean> {
  const [existing] = schema === undefined
    ? await query(database, `SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '${table}'`)
    : await query(database, 'SELECT 1 FROM pg_tables WHERE schemaname = $1 AND tablename = $2', schema, table)
  return existing !== undefined
}

/** @throws {DatabaseVersionError} when the database has migrations that are not shipped */
function checkHistory (history: History, shipped: string[]): void {
  const unknown = [...history.applied].filter((name) => !shipped.includes(name))
  if (unknown.length === 0) return
  if (unknown.length === history.applied.size) {
    throw new DatabaseVersionError('The database holds tables of another program; give the chat a database of its own')
  }
  throw new DatabaseVersionError(`The database is of a newer version (it has the migration ${unknown.join(', ')}); start that version, or a newer one`)
}

/** Returns the identity if there is nothing to do, which is the usual case. Cheap, and needs no lock. */
async function identityIfCurrent (database: SqlQueryable, shipped: string[], schema?: string): Promise<string | undefined> {
  const history = await readHistory(database, schema)
  checkHistory(history, shipped)
  // A migration that looks failed may be running in another process. The lock tells the two apart.
  if (history.failed !== undefined || !shipped.every((name) => history.applied.has(name))) return undefined
  const [row] = await query(database, `SELECT identity FROM ${qualified('chat_meta', schema)} WHERE id = 1`)
  return row && String(row[0])
}

/** Names of the shipped migrations that a database lacks. Changes nothing. @throws {DatabaseError} as `migrate` does */
export async function pendingMigrations (provider: Provider, adapterFactory: SqlDriverAdapterFactory, schema?: string): Promise<string[]> {
  const shipped = await migrationNames(new URL(`../prisma/${provider}/migrations/`, import.meta.url))
  let adapter: SqlDriverAdapter | undefined
  try {
    adapter = await adapterFactory.connect()
    const history = await readHistory(adapter, schema)
    checkHistory(history, shipped)
    return shipped.filter(name => !history.applied.has(name))
  } catch (error) {
    throw error instanceof DatabaseError ? error : databaseError(provider, error)
  } finally {
    await adapter?.dispose().catch(() => { /* it is gone already */ })
  }
}

async function migrationNames (directory: URL): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true })
  return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name).sort()
}

async function query (database: SqlQueryable, sql: string, ...args: string[]): Promise<unknown[][]> {
  const argTypes = args.map(() => ({ scalarType: 'string', arity: 'scalar' } as const))
  const { rows } = await database.queryRaw({ sql, args, argTypes })
  return rows
}

/** For statements whose result is not needed, or has a type (void) that the adapter cannot read. */
async function execute (database: SqlQueryable, sql: string): Promise<void> {
  await database.executeRaw({ sql, args: [], argTypes: [] })
}

/** Retries while SQLite reports that another connection holds the lock. */
async function whenFree<T> (deadline: number, run: () => Promise<T>): Promise<T> {
  while (true) {
    try {
      return await run()
    } catch (error) {
      if (!isBusy(error)) throw error
      if (elapsedMs() > deadline) {
        throw new DatabaseError('The SQLite database is locked by another process', { cause: error })
      }
      await sleep(randomInt(5, 25))
    }
  }
}

function isBusy (error: unknown): boolean {
  return isDriverAdapterError(error) && error.cause.originalCode?.startsWith('SQLITE_BUSY') === true
}

function isTrue (value: unknown): boolean {
  return value === true || value === 1
}

function qualified (table: string, schema: string | undefined): string {
  return schema === undefined ? quoted(table) : `${quoted(schema)}.${quoted(table)}`
}

function quoted (identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`
}

function databaseError (provider: Provider, error: unknown): DatabaseError {
  const database = provider === 'sqlite' ? 'SQLite' : 'PostgreSQL'
  return new DatabaseError(`The ${database} database can't be used: ${reason(error)}`, { cause: error })
}

/** The driver's message, as one line. */
function reason (error: unknown): string {
  if (isDriverAdapterError(error)) {
    const { cause } = error
    if (cause.originalCode === '55P03') return 'another process is holding its locks'
    if (cause.kind === 'ConnectionClosed') return 'it closed the connection'
    if (cause.kind === 'DatabaseNotReachable') return `nothing answers at ${cause.host ?? 'its host'}${cause.port === undefined ? '' : `:${cause.port}`}`
    return oneLine(cause.originalMessage ?? error.message)
  }
  // Connecting to a host name with several addresses throws one of these.
  if (error instanceof AggregateError && error.errors.length > 0) return reason(error.errors[0])
  return oneLine(error instanceof Error ? error.message : String(error))
}

function oneLine (text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim()
}
