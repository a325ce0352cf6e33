import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { randomUUID } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3'
import { PrismaPg } from '@prisma/adapter-pg'
import type { SqlDriverAdapter } from '@prisma/driver-adapter-utils'
import pg from 'pg'
import t, { type Test } from 'tap'
import { DatabaseError, DatabaseVersionError, DEFAULT_SCHEMA, migrate } from '../../store/migrate.js'
import { Gate } from '../chaos/gate.js'
import { requirePostgres, skipWithoutPostgres } from '../postgres.js'
import { programOf } from '../programs.js'
import type { Answer, Task } from './migrate-process.js'

const shippedDirectory = new URL('../../prisma/sqlite/migrations/', import.meta.url)
const shipped = readdirSync(shippedDirectory, { withFileTypes: true })
  .filter((entry) => entry.isDirectory()).map((entry) => entry.name).sort()

/** A folder of migrations. */
function migrationsOf (t: Test, migrations: Record<string, string>): URL {
  // Not t.testdir, because a test can have only one.
  const directory = mkdtempSync(join(tmpdir(), 'migrations-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  for (const [name, sql] of Object.entries(migrations)) {
    mkdirSync(join(directory, name))
    writeFileSync(join(directory, name, 'migration.sql'), sql)
  }
  return pathToFileURL(`${directory}/`)
}

const metaSql = 'CREATE TABLE chat_meta (id INTEGER NOT NULL PRIMARY KEY, identity TEXT NOT NULL, position BIGINT NOT NULL DEFAULT 0);'

/** Rejects with an error of the project, whose message is one line. */
async function rejectsInOneLine (t: Test, promise: Promise<unknown>, type: typeof DatabaseError, message: RegExp): Promise<void> {
  const error = await promise.then(() => undefined, (error: unknown) => error)
  t.ok(error instanceof type, `is a ${type.name}: ${String(error)}`)
  t.match(String((error as Error).message), message)
  t.notMatch(String((error as Error).message), /\n/)
}

async function startProcesses (t: Test, count: number): Promise<ChildProcess[]> {
  const program = programOf('test/store/migrate-process.ts')
  const children = Array.from({ length: count }, () => fork(program.at(-1)!, { execArgv: program.slice(0, -1) }))
  t.teardown(async () => {
    await Promise.all(children.map(async (child) => {
      const gone = once(child, 'exit')
      child.kill()
      await gone
    }))
  })
  await Promise.all(children.map((child) => once(child, 'message')))
  return children
}

async function atOnce (children: ChildProcess[], task: Task): Promise<Answer[]> {
  return Promise.all(children.map(async (child) => {
    const answered = once(child, 'message')
    child.send(task)
    const [answer] = await answered
    return answer as Answer
  }))
}

function checkAnswers (t: Test, answers: Answer[]): void {
  t.strictSame(answers.filter((answer) => 'error' in answer), [], 'none fails')
  const succeeded = answers.flatMap((answer) => 'error' in answer ? [] : [answer])
  t.equal(succeeded.reduce((sum, answer) => sum + answer.applied, 0), shipped.length, 'each migration was applied once')
  t.equal(new Set(succeeded.flatMap((answer) => answer.identities)).size, 1, 'all see one identity')
}

t.test('SQLite', async (t) => {
  const factoryFor = (path: string) => new PrismaBetterSqlite3({ url: `file:${path}` })
  const freshPath = (t: Test) => join(t.testdir({ database: {} }), 'database', 'chat.db')

  /** The rows of a query, on a connection that is closed afterwards. */
  async function rows (path: string, ...statements: string[]): Promise<unknown[][]> {
    const adapter = await factoryFor(path).connect()
    try {
      let last: unknown[][] = []
      for (const sql of statements) last = (await adapter.queryRaw({ sql, args: [], argTypes: [] })).rows
      return last
    } finally {
      await adapter.dispose()
    }
  }

  t.test('creates a fresh database, and leaves one that is current alone', async (t) => {
    const path = freshPath(t)
    const first = await migrate('sqlite', factoryFor(path))
    t.strictSame(first.applied, shipped)
    t.match(first.identity, /^[a-z0-9]{10}$/)
    t.strictSame(await rows(path, 'SELECT id, identity, position FROM chat_meta'), [[1, first.identity, 0]])
    t.strictSame(await rows(path, `SELECT migration_name, finished_at IS NOT NULL, rolled_back_at, applied_steps_count
      FROM _prisma_migrations`), shipped.map((name) => [name, 1, null, 1]))

    const before = readFileSync(path)
    t.strictSame(await migrate('sqlite', factoryFor(path)), { applied: [], identity: first.identity })
    t.ok(before.equals(readFileSync(path)), 'not a byte is written')
  })

  t.test('adds the identity where it is missing', async (t) => {
    const path = freshPath(t)
    await migrate('sqlite', factoryFor(path))
    await rows(path, 'DELETE FROM chat_meta')
    const { applied, identity } = await migrate('sqlite', factoryFor(path))
    t.strictSame(applied, [])
    t.strictSame(await rows(path, 'SELECT identity FROM chat_meta'), [[identity]])
  })

  t.test('applies what a newer version adds, and keeps rows that refer to a table it rebuilds', async (t) => {
    const path = freshPath(t)
    const first = `${metaSql}
      CREATE TABLE parent (id INTEGER PRIMARY KEY);
      CREATE TABLE child (parent INTEGER NOT NULL REFERENCES parent (id) ON DELETE CASCADE);
      INSERT INTO parent VALUES (1);
      INSERT INTO child VALUES (1);`
    const second = `PRAGMA defer_foreign_keys=ON;
      PRAGMA foreign_keys=OFF;
      CREATE TABLE new_parent (id INTEGER PRIMARY KEY, note TEXT NOT NULL DEFAULT 'a;b');
      INSERT INTO new_parent (id) SELECT id FROM parent;
      DROP TABLE parent;
      ALTER TABLE new_parent RENAME TO parent;
      PRAGMA foreign_keys=ON;
      PRAGMA defer_foreign_keys=OFF;`
    const { identity } = await migrate('sqlite', factoryFor(path), { migrations: migrationsOf(t, { '1_one': first }) })
    const migrations = migrationsOf(t, { '1_one': first, '2_two': second })
    t.strictSame(await migrate('sqlite', factoryFor(path), { migrations }), { applied: ['2_two'], identity })
    t.strictSame(await rows(path, 'SELECT parent, note FROM child JOIN parent ON parent.id = child.parent'), [[1, 'a;b']])
    t.strictSame(await migrate('sqlite', factoryFor(path), { migrations }), { applied: [], identity })
  })

  t.test('changes nothing when a migration fails', async (t) => {
    const path = freshPath(t)
    const broken = { '1_one': metaSql, '2_two': 'CREATE TABLE two (id INTEGER); INSERT INTO nowhere VALUES (1);' }
    await rejectsInOneLine(t, migrate('sqlite', factoryFor(path), { migrations: migrationsOf(t, broken) }),
      DatabaseError, /^Migration 2_two failed, nothing was changed: no such table: nowhere$/)
    t.strictSame(await rows(path, 'SELECT name FROM sqlite_master'), [])

    const mended = { ...broken, '2_two': 'CREATE TABLE two (id INTEGER);' }
    const { applied } = await migrate('sqlite', factoryFor(path), { migrations: migrationsOf(t, mended) })
    t.strictSame(applied, ['1_one', '2_two'])
  })

  t.test('changes nothing when a migration leaves dangling references', async (t) => {
    const path = freshPath(t)
    const migrations = migrationsOf(t, {
      '1_one': `${metaSql} CREATE TABLE parent (id INTEGER PRIMARY KEY);
        CREATE TABLE child (parent INTEGER NOT NULL REFERENCES parent (id)); INSERT INTO child VALUES (1);`
    })
    await rejectsInOneLine(t, migrate('sqlite', factoryFor(path), { migrations }), DatabaseError, /rows in child/)
    t.strictSame(await rows(path, 'SELECT name FROM sqlite_master'), [])
  })

  t.test('refuses a database of a newer version', async (t) => {
    const path = freshPath(t)
    await migrate('sqlite', factoryFor(path))
    await rows(path, `INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name)
      VALUES ('x', 'x', CURRENT_TIMESTAMP, '99990101000000_future')`)
    await rejectsInOneLine(t, migrate('sqlite', factoryFor(path)), DatabaseVersionError, /newer version.*99990101000000_future/)
    await rows(path, 'UPDATE _prisma_migrations SET rolled_back_at = CURRENT_TIMESTAMP WHERE id = \'x\'')
    t.strictSame((await migrate('sqlite', factoryFor(path))).applied, [], 'one that was rolled back does not count')
  })

  t.test('refuses a database in which a migration failed', async (t) => {
    const path = freshPath(t)
    await migrate('sqlite', factoryFor(path))
    await rows(path, 'UPDATE _prisma_migrations SET finished_at = NULL')
    await rejectsInOneLine(t, migrate('sqlite', factoryFor(path)), DatabaseError, new RegExp(`${shipped[0]} failed`))
  })

  t.test('refuses the database of another program', async (t) => {
    const plain = freshPath(t)
    await rows(plain, 'CREATE TABLE theirs (id INTEGER)')
    await rejectsInOneLine(t, migrate('sqlite', factoryFor(plain)), DatabaseError, /tables of another program/)
    t.strictSame(await rows(plain, 'SELECT name FROM sqlite_master'), [['theirs']])

    const prisma = `${plain}.prisma`
    await migrate('sqlite', factoryFor(prisma), { migrations: migrationsOf(t, { '1_theirs': metaSql }) })
    await rejectsInOneLine(t, migrate('sqlite', factoryFor(prisma)), DatabaseError, /tables of another program/)
  })

  t.test('says in one line what cannot be opened', async (t) => {
    const directory = t.testdir({ 'notes.txt': 'This is no database, however long it may be. '.repeat(100), folder: {} })
    await rejectsInOneLine(t, migrate('sqlite', factoryFor(join(directory, 'notes.txt'))), DatabaseError, /SQLite database can't be used: file is not a database/)
    await rejectsInOneLine(t, migrate('sqlite', factoryFor(join(directory, 'folder'))), DatabaseError, /unable to open database file/)
    await rejectsInOneLine(t, migrate('sqlite', factoryFor(join(directory, 'missing', 'chat.db'))), DatabaseError, /directory does not exist/)
  })

  t.test('waits for whoever holds the lock, but not for ever', async (t) => {
    const path = freshPath(t)
    const holder: SqlDriverAdapter = await factoryFor(path).connect()
    await holder.executeScript('BEGIN EXCLUSIVE')
    await rejectsInOneLine(t, migrate('sqlite', factoryFor(path), { lockTimeoutMs: 100 }), DatabaseError, /locked by another process/)
    const migrated = migrate('sqlite', factoryFor(path))
    await new Promise((resolve) => setTimeout(resolve, 100))
    await holder.executeScript('COMMIT')
    t.strictSame((await migrated).applied, shipped)
    await holder.dispose()
  })

  t.test('works in WAL mode, with readers', async (t) => {
    const path = freshPath(t)
    const reader: SqlDriverAdapter = await factoryFor(path).connect()
    await reader.executeScript('PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER); DROP TABLE t; BEGIN; SELECT * FROM sqlite_master;')
    t.strictSame((await migrate('sqlite', factoryFor(path))).applied, shipped)
    await reader.executeScript('COMMIT')
    await reader.dispose()
  })

  t.test('four processes at once on a fresh file, ten times', { timeout: 120_000 }, async (t) => {
    const directory = t.testdir({ database: {} })
    const children = await startProcesses(t, 4)
    for (let round = 0; round < 10; round++) {
      const path = join(directory, 'database', `${round}.db`)
      checkAnswers(t, await atOnce(children, { url: `file:${path}`, times: 2 }))
      t.strictSame(await rows(path, 'SELECT count(*) FROM _prisma_migrations'), [[shipped.length]])
      t.strictSame(await rows(path, 'PRAGMA integrity_check'), [['ok']])
    }
  })
})

t.test('PostgreSQL', { skip: await skipWithoutPostgres() }, async (t) => {
  const url = await requirePostgres()
  const client = new pg.Client(url)
  client.on('notice', () => {})
  await client.connect()
  t.teardown(() => client.end())

  /** The name of a schema, which is dropped after the test. */
  function freshSchema (t: Test): string {
    const schema = `test_"${randomUUID().slice(0, 8)}`
    t.teardown(() => client.query(`DROP SCHEMA IF EXISTS ${client.escapeIdentifier(schema)} CASCADE`))
    return schema
  }
  const rows = async (sql: string, ...values: string[]) => (await client.query({ text: sql, values, rowMode: 'array' })).rows
  const into = (schema: string, migrations?: URL) =>
    migrate('postgresql', new PrismaPg(url), { schema, ...migrations !== undefined && { migrations } })

  t.test('creates its tables in a schema of their own, beside a host\'s', async (t) => {
    const schema = freshSchema(t)
    const inSchema = client.escapeIdentifier(schema)
    const host = freshSchema(t)
    await client.query(`CREATE SCHEMA ${client.escapeIdentifier(host)};
      CREATE TABLE ${client.escapeIdentifier(host)}.chat_meta (theirs INTEGER);
      CREATE TABLE ${client.escapeIdentifier(host)}._prisma_migrations (theirs INTEGER)`)

    const first = await into(schema)
    t.strictSame(first.applied, shipped)
    t.match(first.identity, /^[a-z0-9]{10}$/)
    t.strictSame(await rows(`SELECT id, identity, position FROM ${inSchema}.chat_meta`), [[1, first.identity, '0']])
    t.strictSame(await rows(`SELECT migration_name, finished_at IS NOT NULL FROM ${inSchema}._prisma_migrations`),
      shipped.map((name) => [name, true]))
    t.strictSame(await rows('SELECT tablename FROM pg_tables WHERE schemaname = $1 ORDER BY 1', host), [['_prisma_migrations'], ['chat_meta']])
    t.strictSame(await into(schema), { applied: [], identity: first.identity })
    t.strictSame(await rows('SELECT count(*) FROM pg_locks WHERE locktype = \'advisory\' AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid = pg_backend_pid()'), [['0']])
    t.equal(DEFAULT_SCHEMA, 'fastify_sse_chat')
  })

  t.test('leaves a pool that it was given open, unlocked and with its settings', async (t) => {
    const schema = freshSchema(t)
    const pool = new pg.Pool({ connectionString: url, max: 1 })
    t.teardown(() => pool.end())
    const before = (await pool.query('SHOW search_path')).rows
    await migrate('postgresql', new PrismaPg(pool), { schema })
    t.strictSame((await pool.query('SHOW search_path')).rows, before)
    t.strictSame((await pool.query('SELECT count(*)::int FROM pg_locks WHERE locktype = \'advisory\' AND pid = pg_backend_pid()')).rows, [{ count: 0 }])
  })

  t.test('changes nothing when a migration fails; semicolons in a string split nothing', async (t) => {
    const schema = freshSchema(t)
    const broken = {
      '1_one': `${metaSql} CREATE TABLE one (note TEXT DEFAULT 'a;b'); INSERT INTO one VALUES (DEFAULT);`,
      '2_two': 'CREATE TABLE two (id INTEGER); INSERT INTO nowhere VALUES (1);'
    }
    await rejectsInOneLine(t, into(schema, migrationsOf(t, broken)), DatabaseError,
      /^Migration 2_two failed, nothing was changed: relation "nowhere" does not exist$/)
    t.strictSame(await rows('SELECT 1 FROM pg_namespace WHERE nspname = $1', schema), [])

    const mended = { ...broken, '2_two': 'CREATE TABLE two (id INTEGER);' }
    t.strictSame((await into(schema, migrationsOf(t, mended))).applied, ['1_one', '2_two'])
    t.strictSame(await rows(`SELECT note FROM ${client.escapeIdentifier(schema)}.one`), [['a;b']])
  })

  t.test('refuses a newer version, a failed migration and another program\'s tables', async (t) => {
    const schema = freshSchema(t)
    const history = `${client.escapeIdentifier(schema)}._prisma_migrations`
    await into(schema)
    await client.query(`INSERT INTO ${history} (id, checksum, finished_at, migration_name) VALUES ('x', 'x', now(), '99990101000000_future')`)
    await rejectsInOneLine(t, into(schema), DatabaseVersionError, /newer version.*99990101000000_future/)
    await client.query(`DELETE FROM ${history} WHERE id = 'x'; UPDATE ${history} SET finished_at = NULL`)
    await rejectsInOneLine(t, into(schema), DatabaseError, new RegExp(`${shipped[0]} failed`))

    const theirs = freshSchema(t)
    await client.query(`CREATE SCHEMA ${client.escapeIdentifier(theirs)}; CREATE TABLE ${client.escapeIdentifier(theirs)}.t (id INTEGER)`)
    await rejectsInOneLine(t, into(theirs), DatabaseError, /tables of another program/)
  })

  t.test('needs no right to create schemas where its schema exists', async (t) => {
    const schema = freshSchema(t)
    const role = `role_${randomUUID().slice(0, 8)}`
    await client.query(`CREATE ROLE ${role} LOGIN`)
    t.teardown(() => client.query(`DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`))
    await client.query(`CREATE SCHEMA ${client.escapeIdentifier(schema)} AUTHORIZATION ${role}`)
    const pool = new pg.Pool({ connectionString: url, options: `-c role=${role}` })
    t.teardown(() => pool.end())
    t.strictSame((await migrate('postgresql', new PrismaPg(pool), { schema })).applied, shipped)
    await rejectsInOneLine(t, migrate('postgresql', new PrismaPg(pool), { schema: `${schema}_other` }), DatabaseError, /permission denied/)
  })

  t.test('says in one line that nothing answers, or that a lock is held', async (t) => {
    const closed = new URL(url)
    closed.port = '1'
    closed.password = 'hunter2'
    const promise = migrate('postgresql', new PrismaPg(closed.href), { awayTimeoutMs: 0 })
    await rejectsInOneLine(t, promise, DatabaseError, /^The PostgreSQL database can't be used: nothing answers at .*:1$/)
    await client.query('BEGIN; SELECT pg_advisory_xact_lock(72707369)')
    await rejectsInOneLine(t, migrate('postgresql', new PrismaPg(url), { schema: freshSchema(t), lockTimeoutMs: 50 }), DatabaseError, /another process is holding its locks/)
    await client.query('COMMIT')
  })

  t.test('waits for a server that is being restarted', async (t) => {
    const gate = await Gate.before(url, 5432)
    t.teardown(async () => { await gate.close() })
    gate.shut()
    const schema = freshSchema(t)
    const promise = migrate('postgresql', new PrismaPg(gate.through(url), { schema }), { schema })
    await gate.turnedAway(2)
    gate.open()
    t.match(await promise, { applied: shipped })
  })

  t.test('ten nodes at once', { timeout: 120_000 }, async (t) => {
    const children = await startProcesses(t, 2)
    for (let round = 0; round < 3; round++) {
      const schema = freshSchema(t)
      checkAnswers(t, await atOnce(children, { url, schema, times: 5 }))
    }
  })
})
