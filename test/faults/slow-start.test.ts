import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import t, { type Test } from 'tap'
import { Gate } from '../chaos/gate.js'
import { OwnDatabase } from '../chaos/own-database.js'
import { ServerProcess } from '../chaos/server-process.js'
import { requirePostgres, skipWithoutPostgres } from '../postgres.js'

/** Longer than Fastify's time limit for a plugin (10 s), and than a query with its retries may take once the chat runs (21 s). */
const LOCKED_MS = 24_000
/** Longer than the first of these; a start waits 15 s for a PostgreSQL that is unavailable. */
const AWAY_MS = 12_000

/** Longer than a statement may take (5 s). */
const BUSY_MS = 8000

/** What a start waits for has limits of its own, and ends before they are reached. */
async function startsAfter (t: Test, ms: number, databaseUrl: string): Promise<void> {
  const server = await ServerProcess.create({ DATABASE_URL: databaseUrl })
  t.teardown(async () => { await server.dispose() })
  const since = performance.now()
  await server.start()
  t.ok(performance.now() - since > ms - 1000, 'it has waited')
  t.equal((await server.terminate()).code, 0)
}

/** A database, and another connection to it. */
async function ownDatabase (t: Test, url: string): Promise<{ database: OwnDatabase, other: pg.Client }> {
  const database = await OwnDatabase.create(url)
  const other = new pg.Client(database.url)
  t.teardown(async () => {
    await other.end()
    await database.drop()
  })
  await other.connect()
  return { database, other }
}

await t.test('a start waits', { skip: await skipWithoutPostgres(), jobs: 3, timeout: 90_000 }, async t => {
  const url = await requirePostgres()

  t.test('for a PostgreSQL that is away', { buffered: true }, async t => {
    const database = await OwnDatabase.create(url)
    const gate = await Gate.before(database.url, 5432)
    t.teardown(async () => {
      await gate.close()
      await database.drop()
    })
    gate.shut()
    const back = sleep(AWAY_MS).then(() => { gate.open() })
    await startsAfter(t, AWAY_MS, gate.through(database.url))
    await back
  })

  t.test('for another node that is migrating', { buffered: true }, async t => {
    const { database, other } = await ownDatabase(t, url)
    // Prisma's key for migrations.
    await other.query('BEGIN; SELECT pg_advisory_xact_lock(72707369)')
    const done = sleep(LOCKED_MS).then(async () => { await other.query('COMMIT') })
    await startsAfter(t, LOCKED_MS, database.url)
    await done
  })

  t.test('for statements that take too long', { buffered: true }, async t => {
    const { database, other } = await ownDatabase(t, url)
    const first = await ServerProcess.create({ DATABASE_URL: database.url })
    t.teardown(async () => { await first.dispose() })
    await first.start()
    await first.terminate()
    await other.query('BEGIN; LOCK fastify_sse_chat._prisma_migrations')
    const done = sleep(BUSY_MS).then(async () => { await other.query('COMMIT') })
    await startsAfter(t, BUSY_MS, database.url)
    await done
  })
})
