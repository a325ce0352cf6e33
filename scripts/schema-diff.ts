import { randomUUID } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3'
import { PrismaPg } from '@prisma/adapter-pg'
import {
  ColumnTypeEnum, type SqlDriverAdapter, type SqlMigrationAwareDriverAdapterFactory, type SqlQuery
} from '@prisma/driver-adapter-utils'
import type { DiffTarget } from '@prisma/schema-engine-wasm'
import pg from 'pg'
import { allTables, migrationList, openSchemaEngine, type Provider } from '../store/schema-engine.js'
import { composeSchema } from './prisma.js'

/** Where a provider's migrations are. */
export function migrationsDirectory (provider: Provider): URL {
  return new URL(`../prisma/${provider}/migrations/`, import.meta.url)
}

/**
 * The SQL that leads from the existing migrations, applied to a throw-away database, to the models; '' when there is
 * nothing to do. Without migrations no database is needed.
 *
 * @param postgresUrl PostgreSQL only: a database in which a schema may be created and dropped.
 */
export async function schemaDiff (provider: Provider, postgresUrl?: string): Promise<string> {
  const migrations = await readMigrations(provider)
  const from: DiffTarget = migrations.length === 0
    ? { tag: 'empty' }
    : { tag: 'migrations', ...migrationList(provider, migrations) }
  const schema = await composeSchema(provider)
  const scratch = provider === 'sqlite' ? sqliteScratch() : postgresScratch(postgresUrl)
  const engine = await openSchemaEngine(scratch.factory, schema)
  try {
    const { stdout } = await engine.diff({
      from,
      to: { tag: 'schemaDatamodel', files: [{ path: 'schema.prisma', content: schema }] },
      script: true,
      exitCode: null,
      filters: allTables
    })
    const sql = stdout ?? ''
    if (sql.includes('This is an empty migration')) return ''
    // Which PostgreSQL schema the tables are in is decided where they are created, not here.
    return sql.replace(/-- CreateSchema\nCREATE SCHEMA IF NOT EXISTS "[^"]+";\n\n?/, '')
  } finally {
    engine.free()
    await scratch.clear()
  }
}

async function readMigrations (provider: Provider): Promise<Array<[string, string]>> {
  const directory = migrationsDirectory(provider)
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => [])
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name).sort()
  return Promise.all(names.map(async (name): Promise<[string, string]> =>
    [name, await readFile(new URL(`${name}/migration.sql`, directory), 'utf8')]))
}

interface Scratch {
  factory: SqlMigrationAwareDriverAdapterFactory
  clear: () => Promise<void>
}

function sqliteScratch (): Scratch {
  const factory = new PrismaBetterSqlite3({ url: ':memory:' })
  return {
    factory: {
      provider: factory.provider,
      adapterName: factory.adapterName,
      connect: () => factory.connect(),
      async connectToShadowDb () {
        const adapter = await factory.connectToShadowDb()
        // The engine sends whole migrations by executeRaw there, which this driver takes as one statement.
        const executeRaw = adapter.executeRaw.bind(adapter)
        adapter.executeRaw = async (query) => {
          if (query.args.length > 0) return executeRaw(query)
          await adapter.executeScript(query.sql)
          return 0
        }
        // It asks for a partial index by a name in double quotes, which this driver's SQLite takes for a column.
        const queryRaw = adapter.queryRaw.bind(adapter)
        adapter.queryRaw = async (query) => await queryRaw({ ...query, sql: query.sql.replace(/(FROM sqlite_master .* name = )"([^"]*)"/, "$1'$2'") })
        return adapter
      }
    },
    clear: () => Promise.resolve()
  }
}

/** A schema of its own instead of a database: that needs no right to create databases. */
function postgresScratch (connectionString: string | undefined): Scratch {
  const schema = `shadow_${randomUUID().slice(0, 8)}`
  const factory = new PrismaPg({ connectionString, options: `-c search_path=${schema}`, max: 1 }, { schema })
  const adapters: SqlDriverAdapter[] = []
  const connect = async () => {
    if (connectionString === undefined) throw new Error('No PostgreSQL answers to apply the existing migrations to: set TEST_DATABASE_URL')
    const adapter = await factory.connect()
    adapters.push(adapter)
    withCharColumns(adapter)
    // Its own splits at each semicolon, even within a function's body. Without parameters, several statements are one query.
    adapter.executeScript = async (sql) => { await adapter.executeRaw({ sql, args: [], argTypes: [] }) }
    return adapter
  }
  return {
    // The engine creates the schema when it connects.
    factory: { provider: factory.provider, adapterName: factory.adapterName, connect, connectToShadowDb: connect },
    async clear () {
      if (connectionString === undefined) return
      // The engine leaves its main connection open; it may dispose of the other one itself.
      await Promise.all(adapters.map((adapter) => adapter.dispose().catch(() => {})))
      const client = new pg.Client(connectionString)
      await client.connect()
      await client.query(`SET client_min_messages = warning; DROP SCHEMA IF EXISTS ${schema} CASCADE`)
      await client.end()
    }
  }
}

/** The engine reads PostgreSQL's catalogue, whose one-byte "char" columns this driver adapter refuses. */
function withCharColumns (adapter: SqlDriverAdapter): void {
  const char = 18
  const text = 25
  const columns = new WeakMap<SqlQuery, number[]>()
  // Private in its types only: that is where the columns' types are, before they are judged.
  const inner = adapter as unknown as { performIO: (query: SqlQuery) => Promise<{ fields?: Array<{ dataTypeID: number }> }> }
  const performIO = inner.performIO.bind(adapter)
  inner.performIO = async (query) => {
    const result = await performIO(query)
    // Several statements have no fields.
    const { fields = [] } = result
    columns.set(query, fields.flatMap((field, index) => field.dataTypeID === char ? [index] : []))
    for (const field of fields) if (field.dataTypeID === char) field.dataTypeID = text
    return result
  }
  const queryRaw = adapter.queryRaw.bind(adapter)
  adapter.queryRaw = async (query) => {
    const result = await queryRaw(query)
    for (const index of columns.get(query) ?? []) result.columnTypes[index] = ColumnTypeEnum.Character
    return result
  }
}
