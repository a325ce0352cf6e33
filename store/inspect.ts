// SQL by hand: it runs on databases of any version, also without tables.
import { existsSync } from 'node:fs'
import { wallClockMs } from '../time.js'
import type { DatabaseOptions } from './database.js'
import { pendingMigrations } from './migrate.js'

export interface Inspection {
  /** Migrations that the next start would apply. */
  pending: string[]
  /** The database's clock minus this machine's, in milliseconds. Null: they are the same. */
  clockOffsetMs: number | null
}

/**
 * Looks at a database without changing it. Undefined where there is no SQLite file yet.
 * @throws {DatabaseError} when it does not answer, or is not one of this version or an earlier one
 */
export async function inspectDatabase (options: DatabaseOptions): Promise<Inspection | undefined> {
  if (options.url.startsWith('file:')) {
    const { fileOf } = await import('./sqlite.js')
    const file = fileOf(options.url)
    if (!existsSync(file)) return undefined
    const { PrismaBetterSqlite3 } = await import('@prisma/adapter-better-sqlite3')
    return { pending: await pendingMigrations('sqlite', new PrismaBetterSqlite3({ url: `file:${file}` })), clockOffsetMs: null }
  }
  const [{ placeOf }, { PrismaPg }, { default: pg }] = await Promise.all([import('./postgres.js'), import('@prisma/adapter-pg'), import('pg')])
  const { connection, schema } = placeOf(options)
  const pending = await pendingMigrations('postgresql', new PrismaPg({ ...connection, connectionTimeoutMillis: 5000 }, { schema }), schema)
  const client = new pg.Client(connection)
  await client.connect()
  try {
    const askedAt = wallClockMs()
    const { rows: [row] } = await client.query<{ clock: number }>('SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS float8) AS clock')
    return { pending, clockOffsetMs: row!.clock - (askedAt + wallClockMs()) / 2 }
  } finally {
    await client.end()
  }
}
