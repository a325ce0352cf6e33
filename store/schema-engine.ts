import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { bindMigrationAwareSqlAdapterFactory, type SqlMigrationAwareDriverAdapterFactory } from '@prisma/driver-adapter-utils'
import type { MigrationList, SchemaEngine, SchemaFilter } from '@prisma/schema-engine-wasm'

export type Provider = 'sqlite' | 'postgresql'

/** The part that is used here. TypeScript declares WebAssembly among the browser's types only. */
declare const WebAssembly: {
  instantiate: (bytes: Uint8Array, imports: object) => Promise<{ instance: { exports: Record<string, unknown> } }>
}

/** All tables of the schema belong to the migrations. */
export const allTables: SchemaFilter = { externalTables: [], externalEnums: [] }

let engineModule: Promise<typeof import('@prisma/schema-engine-wasm')> | undefined

/**
 * Opens Prisma's own schema engine, which `prisma migrate` runs, as WebAssembly. It talks to the database through a driver
 * adapter. Call `free()` on it when done.
 *
 * @param schema the Prisma schema; applying migrations needs only its datasource
 */
export async function openSchemaEngine (
  adapterFactory: SqlMigrationAwareDriverAdapterFactory,
  schema: string
): Promise<SchemaEngine> {
  const { SchemaEngine } = await loadEngine()
  return SchemaEngine.new(
    { datamodels: [['schema.prisma', schema]] },
    () => { /* it logs whole migrations */ },
    bindMigrationAwareSqlAdapterFactory(adapterFactory)
  )
}

/** Loads the engine once. A failure, such as a lack of file handles, is not kept. */
async function loadEngine (): Promise<typeof import('@prisma/schema-engine-wasm')> {
  engineModule ??= instantiate().catch((error: unknown) => {
    engineModule = undefined
    throw error
  })
  return await engineModule
}

/**
 * Connects the engine and its glue by hand, because Node.js 20 cannot import WebAssembly as a module, as the package's main
 * entry does. Call it once per process: the glue caches views of the instance's memory.
 */
async function instantiate (): Promise<typeof import('@prisma/schema-engine-wasm')> {
  const glue = await import('@prisma/schema-engine-wasm/schema_engine_bg')
  const directory = dirname(createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm/schema_engine_bg'))
  const bytes = await readFile(join(directory, 'schema_engine_bg.wasm'))
  const { instance } = await WebAssembly.instantiate(bytes, { './schema_engine_bg.js': withoutLingeringTimers(glue) })
  glue.__wbg_set_wasm(instance.exports)
  const start = instance.exports['__wbindgen_start']
  if (typeof start === 'function') start()
  return glue
}

/** The engine waits ten seconds for PostgreSQL's lock and never clears that timer, which would keep a process from ending. */
function withoutLingeringTimers (glue: object): object {
  return Object.fromEntries(Object.entries(glue).map(([name, value]: [string, unknown]) => [name,
    name.startsWith('__wbg_setTimeout_')
      ? (callback: () => void, milliseconds: number) => setTimeout(callback, milliseconds).unref()
      : value]))
}

/** Converts `[name, sql]` pairs, in the order in which they apply, to what the engine takes. */
export function migrationList (provider: Provider, migrations: Array<[name: string, sql: string]>): MigrationList {
  return {
    baseDir: 'migrations',
    lockfile: { path: 'migration_lock.toml', content: `provider = "${provider}"\n` },
    shadowDbInitScript: '',
    migrationDirectories: migrations.map(([name, sql]) => ({
      path: name,
      migrationFile: { path: 'migration.sql', content: { tag: 'ok', value: sql } }
    }))
  }
}
