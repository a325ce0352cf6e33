import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import t from 'tap'
import pg from 'pg'
import { makePostgres, makeSqlite } from '../migrated.js'
import { requirePostgres, skipWithoutPostgres } from '../postgres.js'
import { runKilledNodes } from './run.js'

const few = { kills: 3, seconds: 0, pauseMs: 1500 }

t.test('nodes are killed while a receiver fails: in each conversation, 1, 2, 3 …', async t => {
  await t.test('SQLite', async t => {
    const file = join(t.testdir(), 'chat.db')
    makeSqlite(file)
    const report = await runKilledNodes({ ...few, databaseUrl: `file:${file}`, databaseSchema: '', nodes: 1 })
    t.strictSame(report.problems, [])
    t.ok(report.events > 6, JSON.stringify(report))
  })

  await t.test('PostgreSQL, two nodes', { skip: await skipWithoutPostgres() }, async t => {
    const url = await requirePostgres()
    const databaseSchema = `webhooks_${randomBytes(6).toString('hex')}`
    await makePostgres(url, databaseSchema)
    t.teardown(async () => {
      const client = new pg.Client({ connectionString: url })
      await client.connect()
      await client.query(`DROP SCHEMA ${databaseSchema} CASCADE`)
      await client.end()
    })
    const report = await runKilledNodes({ ...few, databaseUrl: url, databaseSchema, nodes: 2 })
    t.strictSame(report.problems, [])
    t.ok(report.events > 6, JSON.stringify(report))
  })
})
