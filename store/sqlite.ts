import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3'
import SqliteConnection from 'better-sqlite3'
import { PrismaClient } from '../prisma/generated/sqlite/client.js'
import { elapsedMs } from '../time.js'
import type { Database, DatabaseOptions } from './database.js'
import { metaRow } from './meta.js'
import { DatabaseError, migrate } from './migrate.js'
import { isCutShort } from './cut-short.js'
import { inFlightOnce } from './once.js'
import { isLocked, outageToRefusal } from './outage.js'
import { FileGuard } from './file-guard.js'
import { prismaOptions, readerOf, through, type Prisma } from './prisma.js'
import { makeFolderOf, makePrivateDatabase } from './private-file.js'
import { realPathOf, SqliteFiles } from './sqlite-files.js'
import { sqliteDialect, type Param, type Sql } from './sql.js'
import { openSqliteClock } from './sqlite-clock.js'
import { writeChecks, type Column } from './write-check.js'

/** How long a write waits for another process that holds the lock, in milliseconds, before it is refused. */
const LOCK_TIMEOUT_MS = 5000
/** How long a readiness check waits for such a lock, in milliseconds. A lock that is held for longer is an outage. */
const PING_LOCK_MS = 1500
const FILES_CHECK_MS = 1000
const COLUMNS = 'SELECT m.name AS table_name, c.name AS column_name FROM sqlite_schema m JOIN pragma_table_info(m.name) c WHERE m.type = \'table\''

/**
 * SQLite with three connections, so that a read never sees what is not committed yet (WAL gives it a snapshot). Transactions have
 * one of them to themselves, and reads by hand another, both through the driver: Prisma's adapter prepares each statement every time
 * (a page of 50 messages costs 330 µs of CPU instead of 425). The third is Prisma's client.
 *
 * A write transaction takes the lock when it begins. Waiting for another process's lock is done here and not in SQLite's
 * busy handler, which would block the event loop.
 */
export async function openSqlite ({ url, onTrouble = () => {} }: DatabaseOptions): Promise<Database> {
  const [path, query] = partsOf(url)
  const file = resolve(path)
  const synchronous = new URLSearchParams(query).get('synchronous') === 'normal' ? 'NORMAL' : 'FULL'
  try {
    makeFolderOf(file)
  } catch (error) {
    throw new DatabaseError(`The folder of the database file ${path} can't be made (${(error as NodeJS.ErrnoException).code})`)
  }
  const real = realPathOf(file)
  // SQLite would create a new database and delete the log, with data that was acknowledged.
  if (sizeOf(real) === 0 && sizeOf(`${real}-wal`) > 0) {
    throw new DatabaseError(`The database file ${path} is ${existsSync(real) ? 'empty' : 'gone'}, and ${real === file ? path : real}-wal, which holds a part of it, is there: put the database back, or move that file away`)
  }
  try {
    makePrivateDatabase(real)
  } catch (error) {
    throw new DatabaseError(`The database file ${path} can't be opened (${(error as NodeJS.ErrnoException).code})`)
  }
  if (sizeOf(real) > 0 && isCutShort(real)) {
    throw new DatabaseError(`The database file ${path} is cut short or damaged: put a copy of it back in place of it and of the files that end in -wal and -shm`)
  }
  const { identity } = await migrate('sqlite', new PrismaBetterSqlite3({ url: `file:${file}`, timeout: LOCK_TIMEOUT_MS }))

  const client: Prisma = new PrismaClient({ adapter: new ConfiguredSqlite({ url: `file:${file}`, timeout: 10 }, pragmas(synchronous)), ...prismaOptions })
  let connections = await connect(client, file, synchronous)
  const checks = writeChecks(connections.writer.prepare<[], Column>(COLUMNS).all())
  const files = new SqliteFiles(file)
  const guard = new FileGuard(files, {
    onTrouble,
    // The connections still have the write-ahead log open. Closing them writes its content to the database.
    async renew () {
      await disconnect(connections)
      connections = await connect(client, file, synchronous)
    },
    isBusy: () => connections.writer.inTransaction
  })
  const timer = setInterval(() => { void guard.check() }, FILES_CHECK_MS)
  timer.unref()

  const read: Sql = {
    query: async (sql, ...params) => {
      await guard.assertIntact()
      return await connections.read.query(sql, ...params)
    },
    execute: async (sql, ...params) => {
      await guard.assertIntact()
      return await connections.read.execute(sql, ...params)
    }
  }
  const prisma = through(client, async operation => {
    await guard.assertIntact()
    return await outageToRefusal(operation())
  })

  /** Checks what a write needs, without writing. Not needed during a transaction of this process. */
  function checkWrites (): void {
    const { writer } = connections
    if (writer.inTransaction) return
    writer.exec('BEGIN IMMEDIATE')
    try {
      for (const statement of checks) writer.prepare(statement).run()
    } finally {
      if (writer.inTransaction) writer.exec('ROLLBACK')
    }
    assertWritable(file)
  }

  const transaction: Database['transaction'] = async work => {
    await guard.assertIntact()
    const { write } = connections
    await onceUnlocked(async () => await write.execute('BEGIN IMMEDIATE'))
    try {
      const result = await work(write, write)
      guard.assertDatabase()
      await write.execute('COMMIT')
      return result
    } catch (error) {
      // After some errors (a full disk), SQLite has rolled back already.
      await write.execute('ROLLBACK').catch(() => {})
      throw error
    }
  }

  return {
    provider: 'sqlite',
    dialect: sqliteDialect,
    identity,
    installation: identity,
    clock: await openSqliteClock(connections.write, transaction),
    read,
    prisma: readerOf(prisma),
    transaction,
    async write (work) {
      const result = await onceUnlocked(async () => await work(prisma))
      guard.assertDatabase()
      return result
    },
    ping: inFlightOnce(async () => {
      await guard.check()
      metaRow((await read.query('SELECT position FROM chat_meta WHERE id = 1'))[0])
      await outageToRefusal(onceUnlocked(checkWrites, PING_LOCK_MS))
    }),
    async close () {
      clearInterval(timer)
      await guard.stop()
      const last = guard.isCutShort ? openReadOnly(file) : undefined
      await disconnect(connections)
      last?.close()
    }
  }
}

interface Connections {
  writer: SqliteConnection.Database
  write: Sql
  reader: SqliteConnection.Database
  read: Sql
  client: Prisma
}

const pragmas = (synchronous: 'NORMAL' | 'FULL'): string[] => [`synchronous = ${synchronous}`, 'cache_size = -16000']

/** Prisma's adapter with pragmas for every connection, since the client may close its connection and open another one. */
class ConfiguredSqlite extends PrismaBetterSqlite3 {
  readonly #pragmas: string[]

  constructor (config: ConstructorParameters<typeof PrismaBetterSqlite3>[0], pragmas: string[]) {
    super(config)
    this.#pragmas = pragmas
  }

  override async connect (): ReturnType<PrismaBetterSqlite3['connect']> {
    const adapter = await super.connect()
    for (const pragma of this.#pragmas) await onceUnlocked(async () => { await adapter.executeScript(`PRAGMA ${pragma}`) })
    return adapter
  }
}

const partsOf = (url: string): [path: string, query?: string] =>
  url.slice('file:'.length).replace(/^\/\/(?=\/)/, '').split('?', 2) as [string, string?]

/** The path of the database file that a URL names. */
export const fileOf = (url: string): string => resolve(partsOf(url)[0])

async function connect (client: Prisma, file: string, synchronous: 'NORMAL' | 'FULL'): Promise<Connections> {
  const writer = new SqliteConnection(file, { timeout: 10 })
  // Another process that starts on a new file may do the same at this moment, and SQLite does not wait for that.
  for (const pragma of ['journal_mode = WAL', ...pragmas(synchronous)]) await onceUnlocked(() => writer.pragma(pragma))
  const reader = new SqliteConnection(file, { timeout: 10 })
  for (const pragma of pragmas(synchronous)) await onceUnlocked(() => reader.pragma(pragma))
  await onceUnlocked(async () => await client.$queryRawUnsafe('SELECT position FROM chat_meta'))
  return { writer, write: preparedSql(writer), reader, read: preparedSql(reader), client }
}

async function disconnect ({ writer, reader, client }: Connections): Promise<void> {
  await client.$disconnect()
  reader.close()
  writer.close()
}

/**
 * The last connection to be closed brings the write-ahead log into the database file, unless it may only read. A file that was cut
 * short would have holes then instead of an end, which the next start can't tell.
 */
function openReadOnly (file: string): SqliteConnection.Database | undefined {
  try {
    const connection = new SqliteConnection(file, { readonly: true, fileMustExist: true })
    try {
      // Opens the log.
      connection.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get()
    } catch { /* the log is open all the same */ }
    return connection
  } catch {
    return undefined
  }
}

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0

/** Retries while another process holds the lock. */
async function onceUnlocked<T> (work: () => T | Promise<T>, timeoutMs = LOCK_TIMEOUT_MS): Promise<T> {
  const deadline = elapsedMs() + timeoutMs
  for (let wait = 2; ; wait = Math.min(wait * 2, 50)) {
    try {
      return await work()
    } catch (error) {
      if (!isLocked(error) || elapsedMs() >= deadline) throw error
      await sleep(wait)
    }
  }
}

/** A file system that became read-only reports it only when something is written. @throws EROFS */
function assertWritable (file: string): void {
  try {
    accessSync(file, constants.W_OK)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EROFS') throw error
  }
}

/** Parameters of the driver, which does not bind booleans. */
type Bindable = Exclude<Param, boolean>

interface Prepared {
  statement: SqliteConnection.Statement<Bindable[], unknown[]>
  /** Names of the columns of a row, and a row with these and nothing in them. */
  names: string[]
  blank: Record<string, null>
}

/** Prepares each statement once. There are about sixty. */
function preparedSql (connection: SqliteConnection.Database): Sql {
  const all = new Map<string, Prepared>()
  const prepared = (sql: string): Prepared => {
    let found = all.get(sql)
    if (found === undefined) {
      const statement = connection.prepare<Bindable[], unknown[]>(sql)
      const names = statement.reader ? statement.raw().columns().map(({ name }) => name) : []
      all.set(sql, found = { statement, names, blank: Object.fromEntries(names.map(name => [name, null])) })
    }
    return found
  }
  return {
    query: async (sql, ...params) => await outageToRefusal((async () => {
      const found = prepared(sql)
      return rowsOf(found, found.statement.all(...bindable(params)))
    })()),
    queryEach: async (sql, keys) => await outageToRefusal((async () => {
      const found = prepared(sql)
      return rowsOf(found, keys.flatMap(key => found.statement.all(...bindable(key))))
    })()),
    execute: async (sql, ...params) => await outageToRefusal((async () => prepared(sql).statement.run(...bindable(params)).changes)()),
    executeEach: async (sql, rows) => await outageToRefusal((async () => {
      const { statement } = prepared(sql)
      let changed = 0
      for (const params of rows) changed += statement.run(...bindable(params)).changes
      return changed
    })())
  }
}

const bindable = (params: Param[]): Bindable[] => params.map(param => typeof param === 'boolean' ? Number(param) : param)

/** Rows as objects. The driver makes them property by property through V8's interface, which takes twice as long. */
function rowsOf<Row> ({ names, blank }: Prepared, rows: unknown[][]): Row[] {
  return rows.map(values => {
    const row: Record<string, unknown> = { ...blank }
    for (let index = 0; index < names.length; index++) row[names[index]!] = values[index]
    return row as Row
  })
}
