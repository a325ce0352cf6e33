import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { makePostgres, makeSqlite } from './migrated.js'

/** Where a harness has its tables. */
export interface OwnStore { databaseUrl: string, databaseSchema: string }

/**
 * Runs a harness of the command line on an empty database of its own, which is removed afterwards: a SQLite file or, with a URL, a
 * schema on PostgreSQL. Prints the problems that it found; if there are any, the exit code is 1.
 */
export async function onOwnStore (name: string, url: string | undefined, run: (store: OwnStore) => Promise<readonly string[]>): Promise<void> {
  // An exit, unlike a signal, lets what was started be ended.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => { process.exit(1) })
  const folder = mkdtempSync(join(tmpdir(), `chat-${name}-`))
  const file = join(folder, 'chat.db')
  const databaseSchema = `${name}_${randomBytes(6).toString('hex')}`
  if (url === undefined) makeSqlite(file)
  else await makePostgres(url, databaseSchema)
  try {
    const problems = await run({ databaseUrl: url ?? `file:${file}`, databaseSchema })
    for (const problem of problems) console.log(problem)
    if (problems.length > 0) process.exitCode = 1
  } finally {
    rmSync(folder, { recursive: true, force: true })
    if (url !== undefined) {
      const client = new pg.Client({ connectionString: url })
      await client.connect()
      await client.query(`DROP SCHEMA ${databaseSchema} CASCADE`)
      await client.end()
    }
  }
}
