import type { Provider } from './migrate.js'
import type { Prisma } from './prisma.js'
import type { PrismaReader } from './reader.js'
import type { SharedClock } from './shared-clock.js'
import type { Dialect, Sql } from './sql.js'

export { DatabaseError, DatabaseVersionError } from './migrate.js'
export type { PrismaReader } from './reader.js'

/** The chat's database: what is committed, and one write transaction at a time. */
export interface Database {
  provider: Provider
  dialect: Dialect
  /** Random identity of this installation; part of every event id. */
  identity: string
  /** The identity together with the location of the tables. A copy of the tables elsewhere has another one. */
  installation: string
  /** PostgreSQL: the schema that holds the tables. */
  schema?: string
  /** The clock that all nodes on this database share. */
  clock: SharedClock
  /** Reads what is committed, with SQL. @throws UNAVAILABLE when the database is in trouble */
  read: Sql
  /**
   * Prisma's typed client, for reading what is committed: `prisma.message.findMany(…)`. Password hashes are left out unless
   * they are selected. @throws UNAVAILABLE when the database is in trouble
   */
  readonly prisma: PrismaReader
  /**
   * Runs the work in a write transaction, and rolls back if it throws. Runs it again if the connection breaks before the
   * commit. Statements that are given together, without waiting, are one round trip, and run in that order. `early` is for reading: it does
   * not wait until the transaction has begun either.
   * @throws UNAVAILABLE when the database is in trouble. Nothing is written then, unless the connection to PostgreSQL broke
   * during the commit: then the outcome is unknown
   */
  transaction<T>(work: (sql: Sql, early: Sql) => Promise<T>): Promise<T>
  /**
   * Writes with Prisma's typed client, each statement in a transaction of its own. A statement that failed may be repeated,
   * even if it was committed and only the answer was lost: it must do no harm when it runs twice. On SQLite it waits for a
   * transaction that is under way, so call it through `Writer`, which lets no transaction begin meanwhile.
   * @throws UNAVAILABLE when the database is in trouble
   */
  write<T>(work: (prisma: Prisma) => Promise<T>): Promise<T>
  /** Rejects when the database does not answer, or would refuse a write. Writes nothing. */
  ping(): Promise<void>
  close(): Promise<void>
}

export interface DatabaseOptions {
  /** `file:…` (SQLite) or `postgres://…`. */
  url: string
  /** PostgreSQL: the schema that holds the tables. Default: `?schema=` in the URL, else `fastify_sse_chat`. */
  schema?: string
  /** PostgreSQL: maximum number of connections. Default: 8. */
  poolSize?: number
  /** SQLite: called with what has happened to the database's files, and what to do about it. */
  onTrouble?: (message: string) => void
}
