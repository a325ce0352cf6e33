import { createHash, randomInt, randomUUID } from 'node:crypto'
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import SqliteConnection from 'better-sqlite3'
import pg from 'pg'
import type { Provider } from '../store/migrate.js'

// A new database takes Prisma's engine, hundreds of statements and, on PostgreSQL, 0.4 s. A test that has nothing to do with
// migrating gets the same tables from one script. test/store/ and the servers that run in processes of their own use the engine.

const scripts = new Map<Provider, string>()

/** Everything that `migrate` does to an empty database: the migrations, Prisma's record of them, and the identity. */
function scriptOf (provider: Provider): string {
  const made = scripts.get(provider) ?? migrationScript(provider)
  scripts.set(provider, made)
  return `${made}\nINSERT INTO chat_meta (id, identity, position) VALUES (1, '${newIdentity()}', 0);`
}

const newIdentity = (): string => Array.from({ length: 10 }, () => randomInt(36).toString(36)).join('')

function migrationScript (provider: Provider): string {
  const folder = new URL(`../prisma/${provider}/migrations/`, import.meta.url)
  const [time, now] = provider === 'sqlite' ? ['DATETIME', 'current_timestamp'] : ['TIMESTAMPTZ', 'now()']
  const migrations = readdirSync(folder, { withFileTypes: true }).filter(entry => entry.isDirectory()).map(({ name }) => name).sort().map(name => {
    const sql = readFileSync(new URL(`${name}/migration.sql`, folder), 'utf8')
    const checksum = createHash('sha256').update(sql).digest('hex')
    return `${sql};\nINSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name, applied_steps_count) VALUES ('${randomUUID()}', '${checksum}', ${now}, '${name}', 1);`
  })
  return `CREATE TABLE _prisma_migrations (id VARCHAR(36) PRIMARY KEY NOT NULL, checksum VARCHAR(64) NOT NULL, finished_at ${time}, migration_name VARCHAR(255) NOT NULL,
      logs TEXT, rolled_back_at ${time}, started_at ${time} NOT NULL DEFAULT ${now}, applied_steps_count INTEGER NOT NULL DEFAULT 0);\n${migrations.join('\n')}`
}

/** An empty database of this process, which is copied: running the script takes fifty times as long. */
let template: string | undefined

function makeTemplate (): string {
  const folder = mkdtempSync(join(tmpdir(), 'chat-template-'))
  process.once('exit', () => { rmSync(folder, { recursive: true, force: true }) })
  const file = join(folder, 'chat.db')
  const connection = new SqliteConnection(file)
  connection.pragma('synchronous = off')
  connection.pragma('journal_mode = wal')
  connection.exec(`BEGIN;\n${scriptOf('sqlite')}\nCOMMIT;`)
  connection.close()
  return file
}

/** Makes a database file that is up to date. */
export function makeSqlite (file: string): void {
  copyFileSync(template ??= makeTemplate(), file)
  const connection = new SqliteConnection(file)
  connection.pragma('synchronous = off')
  connection.prepare('UPDATE chat_meta SET identity = ?').run(newIdentity())
  connection.close()
}

/** Makes a schema that is up to date. */
export async function makePostgres (url: string, schema: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    // Statements without parameters are one transaction.
    await client.query(`CREATE SCHEMA ${schema}; SET search_path = ${schema};\n${scriptOf('postgresql')}`)
  } finally {
    await client.end()
  }
}
