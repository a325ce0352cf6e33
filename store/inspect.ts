// SQL by hand: it runs on databases of any version, also without tables.
import { existsSync } from 'node:fs'
import type { Client } from 'pg'
import { wallClockMs } from '../time.js'
import type { DatabaseOptions } from './database.js'
import { pendingMigrations } from './migrate.js'

export interface Inspection {
  /** Migrations that the next start would apply. */
  pending: string[]
  /** The database's clock minus this machine's, in milliseconds. Null: they are the same. */
  clockOffsetMs: number | null
  /** What a host's role may do. Null on SQLite, which has no roles. */
  enqueuing: Enqueuing | null
}

/** Whether a role may enqueue messages in its own transactions. */
export interface Enqueuing {
  role: string
  /** Undefined where there is no such table yet. */
  isGranted: boolean | undefined
  /** What an owner of the schema runs so that it may. */
  grants: string[]
}

/**
 * Looks at a database without changing it. Undefined where there is no SQLite file yet. `hostRole`: whose transactions enqueue messages, by
 * default the role that connects.
 * @throws {DatabaseError} when it does not answer, or is not one of this version or an earlier one
 */
export async function inspectDatabase (options: DatabaseOptions, hostRole?: string): Promise<Inspection | undefined> {
  if (options.url.startsWith('file:')) {
    const { fileOf } = await import('./sqlite.js')
    const file = fileOf(options.url)
    if (!existsSync(file)) return undefined
    const { PrismaBetterSqlite3 } = await import('@prisma/adapter-better-sqlite3')
    return { pending: await pendingMigrations('sqlite', new PrismaBetterSqlite3({ url: `file:${file}` })), clockOffsetMs: null, enqueuing: null }
  }
  const [{ placeOf }, { PrismaPg }, { default: pg }] = await Promise.all([import('./postgres.js'), import('@prisma/adapter-pg'), import('pg')])
  const { connection, schema } = placeOf(options)
  const pending = await pendingMigrations('postgresql', new PrismaPg({ ...connection, connectionTimeoutMillis: 5000 }, { schema }), schema)
  const client = new pg.Client(connection)
  await client.connect()
  try {
    const askedAt = wallClockMs()
    const { rows: [row] } = await client.query<{ clock: number }>('SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS float8) AS clock')
    const clockOffsetMs = row!.clock - (askedAt + wallClockMs()) / 2
    return { pending, clockOffsetMs, enqueuing: await enqueuingOf(client, schema, hostRole) }
  } finally {
    await client.end()
  }
}

/** @throws the database's error if there is no such role */
async function enqueuingOf (client: Client, schema: string, hostRole: string | undefined): Promise<Enqueuing> {
  const table = `${client.escapeIdentifier(schema)}.chat_pending`
  const { rows: [row] } = await client.query<{ role: string, granted: boolean | null }>(`SELECT r.role, CASE WHEN to_regclass($2) IS NOT NULL
    THEN has_schema_privilege(r.role, $3, 'USAGE') AND has_table_privilege(r.role, to_regclass($2), 'INSERT') END AS granted
    FROM (SELECT coalesce($1, current_user::text)::name AS role) r`, [hostRole ?? null, table, schema])
  const { role, granted } = row!
  const to = client.escapeIdentifier(hostRole ?? 'app')
  return {
    role,
    isGranted: granted ?? undefined,
    grants: [`GRANT USAGE ON SCHEMA ${client.escapeIdentifier(schema)} TO ${to}`, `GRANT INSERT ON ${table} TO ${to}`]
  }
}
