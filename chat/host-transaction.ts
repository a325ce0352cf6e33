/** A transaction of the host's, on the chat's database: one of these, recognised by its methods. */
export type HostTransaction = PrismaTransaction | PgClient | SqliteHandle | DrizzleTransaction

/** What `prisma.$transaction(async tx => …)` gives. */
interface PrismaTransaction { $executeRawUnsafe(sql: string): PromiseLike<unknown> }
/** A client of pg, after BEGIN. */
interface PgClient { query(sql: string): PromiseLike<unknown>, escapeLiteral(text: string): string }
/** A database of better-sqlite3, after BEGIN. */
interface SqliteHandle { prepare(sql: string): { run(): unknown }, readonly inTransaction: boolean }
/** What Drizzle's `db.transaction(async tx => …)` gives, on PostgreSQL or an asynchronous SQLite. */
type DrizzleTransaction = { rollback(): unknown } & (DrizzlePostgres | DrizzleSqlite)
interface DrizzlePostgres { execute(sql: string): PromiseLike<unknown> }
interface DrizzleSqlite { run(sql: string): PromiseLike<unknown> }

/** Runs a statement in the transaction. @throws {TypeError} where there is none */
type Run = (sql: string) => Promise<void>

const EXPECTED = 'a transaction client of Prisma, a pg client or a better-sqlite3 database after BEGIN, or Drizzle\'s tx'

const notOne = (why = ''): TypeError => new TypeError(`fastify-sse-chat: enqueue takes ${EXPECTED}${why}`)

/** @throws {TypeError} for anything else, and for what is not in a transaction */
export function runnerOf (tx: HostTransaction): Run {
  if (isObject(tx)) {
    if (has(tx, '$executeRawUnsafe')) {
      if (has(tx, '$connect')) throw notOne('. This is the client itself: pass what $transaction(async tx => …) gives')
      return async sql => { await (tx as PrismaTransaction).$executeRawUnsafe(sql) }
    }
    if (has(tx, 'prepare') && 'inTransaction' in tx) return sqlite(tx as SqliteHandle)
    if (has(tx, 'query') && has(tx, 'escapeLiteral')) return postgres(tx as PgClient)
    if (has(tx, 'rollback')) {
      if (has(tx, 'execute')) return async sql => { await (tx as DrizzlePostgres).execute(sql) }
      // On better-sqlite3 its transactions are over before anything can be awaited in them.
      if (has(tx, 'run') && (tx as { resultKind?: unknown }).resultKind !== 'sync') return async sql => { await (tx as DrizzleSqlite).run(sql) }
      throw notOne('. Drizzle\'s transactions on better-sqlite3 are synchronous: BEGIN, pass db.$client, COMMIT')
    }
  }
  throw notOne()
}

const isObject = (value: unknown): value is object => (typeof value === 'object' && value !== null) || typeof value === 'function'

const has = (value: object, method: string): boolean => typeof (value as Record<string, unknown>)[method] === 'function'

function sqlite (handle: SqliteHandle): Run {
  const assertOpen = (): void => {
    if (handle.inTransaction) return
    throw notOne('. This database is not in a transaction: await enqueue between BEGIN and COMMIT, not in db.transaction(), which cannot wait')
  }
  assertOpen()
  return async sql => {
    assertOpen()
    handle.prepare(sql).run()
  }
}

function postgres (client: PgClient & { getTransactionStatus?(): unknown }): Run {
  const assertOpen = (): void => {
    // Idle. Older versions of pg do not say.
    if (client.getTransactionStatus?.() === 'I') throw notOne('. This client is not in a transaction: await enqueue between BEGIN and COMMIT')
  }
  assertOpen()
  return async sql => {
    assertOpen()
    await client.query(sql)
  }
}
