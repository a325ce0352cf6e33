import SqliteConnection from 'better-sqlite3'
import pg from 'pg'
import type { HostTransaction } from '../../chat/host-transaction.js'
import { placeOf } from '../../store/postgres.js'

/** A host's own connection to the database of the chat. */
export interface HostConnection {
  /** What `enqueue` takes. */
  tx: HostTransaction
  run(sql: string): Promise<void>
  rows(sql: string): Promise<Array<Record<string, unknown>>>
  close(): Promise<void>
}

/** Connects with the driver itself: pg or better-sqlite3. */
export async function connect (databaseUrl: string, schema: string): Promise<HostConnection> {
  if (databaseUrl.startsWith('file:')) {
    const database = new SqliteConnection(databaseUrl.slice('file:'.length), { timeout: 5000 })
    return {
      tx: database,
      async run (sql) { database.exec(sql) },
      rows: async sql => database.prepare<[], Record<string, unknown>>(sql).all(),
      async close () { database.close() }
    }
  }
  const client = new pg.Client(placeOf({ url: databaseUrl, schema }).connection)
  await client.connect()
  return {
    tx: client,
    async run (sql) { await client.query(sql) },
    rows: async sql => (await client.query<Record<string, unknown>>(sql)).rows,
    async close () { await client.end() }
  }
}
