import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { bindMigrationAwareSqlAdapterFactory, type SqlMigrationAwareDriverAdapterFactory } from '@prisma/driver-adapter-utils'
import type { MigrationList, SchemaEngine, SchemaFilter } from '@prisma/schema-engine-wasm'

export type Provider = 'sqlite' | 'postgresql'

/** The part used here; TypeScript has WebAssembly's types among the browser's only. */
declare const WebAssembly: {
  instantiate: (bytes: Uint8Array, imports: object) => Promise<{ instance: { exports: Record<string, unknown> } }>
}

/** Every table of the schema counts: nothing is managed elsewhere. */
export const allTables: SchemaFilter = { externalTables: [], externalEnums: [] }

let engineModule: Promise<typeof import('@prisma/schema-engine-wasm')> | undefined

/**
 * Prisma's own schema engine (what `prisma migrate` runs) as WebAssembly, talking to the database through a
 * driver adapter. Call `free()` on it when done.
 *
 * @param schema The Prisma schema; applying migrations needs no more than its datasource.
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

/** Loaded once; a failure (no file handles left, say) isn't kept. */
async function loadEngine (): Promise<typeof import('@prisma/schema-engine-wasm')> {
  engineModule ??= instantiate().catch((error: unknown) => {
    engineModule = undefined
    throw error
  })
  return await engineModule
}

/**
 * Node 20 can't import WebAssembly as a module, which the package's main entry asks for, so its glue is put together
 * by hand. Once per process: the glue caches views of the instance's memory.
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

/** The engine gives PostgreSQL's lock ten seconds and never clears that timer: it would keep a process from ending. */
function withoutLingeringTimers (glue: object): object {
  return Object.fromEntries(Object.entries(glue).map(([name, value]: [string, unknown]) => [name,
    name.startsWith('__wbg_setTimeout_')
      ? (callback: () => void, milliseconds: number) => setTimeout(callback, milliseconds).unref()
      : value]))
}

/** Migrations as the engine takes them, from `[name, sql]` pairs in the order in which they apply. */
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
