import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3'
import { PrismaPg } from '@prisma/adapter-pg'
import SqliteConnection from 'better-sqlite3'
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import t from 'tap'
import { migrate } from '../../store/migrate.js'
import { makePostgres, makeSqlite } from '../migrated.js'
import { requirePostgres, skipWithoutPostgres } from '../postgres.js'

/** Most tests begin on a database that test/migrated.ts makes. It has to be the one that a server makes. */

t.test('SQLite', async t => {
  const folder = t.testdir()
  const factoryOf = (name: string) => new PrismaBetterSqlite3({ url: `file:${folder}/${name}` })
  makeSqlite(`${folder}/script.db`)
  t.strictSame((await migrate('sqlite', factoryOf('script.db'))).applied, [], 'is up to date')
  await migrate('sqlite', factoryOf('engine.db'))

  const tables = (name: string): unknown[] => {
    const connection = new SqliteConnection(`${folder}/${name}`)
    const rows = connection.prepare('SELECT type, name, sql FROM sqlite_schema WHERE tbl_name <> \'_prisma_migrations\' ORDER BY type, name').all()
    connection.close()
    return rows
  }
  t.ok(tables('script.db').length > 20)
  t.strictSame(tables('script.db'), tables('engine.db'))
})

t.test('PostgreSQL', { skip: await skipWithoutPostgres() }, async t => {
  const connectionString = await requirePostgres()
  const client = new pg.Client({ connectionString })
  await client.connect()
  const schemas = ['script', 'engine'].map(name => `test_${name}_${randomBytes(6).toString('hex')}`) as [string, string]
  t.teardown(async () => {
    for (const schema of schemas) await client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
    await client.end()
  })
  const run = async (schema: string) => await migrate('postgresql', new PrismaPg({ connectionString }, { schema }), { schema })
  await makePostgres(connectionString, schemas[0])
  t.strictSame((await run(schemas[0])).applied, [], 'is up to date')
  await run(schemas[1])

  const tables = async (schema: string): Promise<unknown[]> => {
    const columns = await client.query(`SELECT table_name, column_name, data_type, is_nullable, replace(column_default, $1, '') AS column_default
      FROM information_schema.columns WHERE table_schema = $1 AND table_name <> '_prisma_migrations' ORDER BY table_name, ordinal_position`, [schema])
    const indexes = await client.query(`SELECT replace(indexdef, $1, '') AS index FROM pg_indexes
      WHERE schemaname = $1 AND tablename <> '_prisma_migrations' ORDER BY indexname`, [schema])
    return [...columns.rows, ...indexes.rows]
  }
  t.ok((await tables(schemas[0])).length > 20)
  t.strictSame(await tables(schemas[0]), await tables(schemas[1]))
})
