// `npm run migration -- <name>`: writes the migration that leads from the existing ones to the models, for each
// provider that has something to do. Look at what it wrote before committing it.

import { mkdir, writeFile } from 'node:fs/promises'
import { findPostgres } from '../test/postgres.js'
import { providers } from './prisma.js'
import { migrationsDirectory, schemaDiff } from './schema-diff.js'

const name = process.argv[2]
if (name === undefined || !/^[a-z0-9_]{1,60}$/.test(name)) {
  console.error('Usage: npm run migration -- <name>, of a-z, 0-9 and _')
  process.exit(1)
}

// Both are worked out before any is written, so that they never have different migrations for want of a database.
const postgresUrl = await findPostgres()
const scripts = await Promise.all(providers.map(async (provider) => ({ provider, sql: await schemaDiff(provider, postgresUrl) })))

const timestamp = new Date().toISOString().replaceAll(/\D/g, '').slice(0, 14)
for (const { provider, sql } of scripts) {
  if (sql === '') {
    console.log(`${provider}: the migrations are up to date`)
    continue
  }
  const directory = migrationsDirectory(provider)
  await mkdir(new URL(`${timestamp}_${name}/`, directory), { recursive: true })
  await writeFile(new URL('migration_lock.toml', directory), `provider = "${provider}"\n`)
  await writeFile(new URL(`${timestamp}_${name}/migration.sql`, directory), sql)
  console.log(`prisma/${provider}/migrations/${timestamp}_${name}/migration.sql`)
}
