import { loadPackage } from '../packages.js'
import { DatabaseError, type Database, type DatabaseOptions } from './database.js'

/**
 * Opens the database, migrates its tables, and connects.
 * @throws {DatabaseError} with a one-line message when that fails
 * @throws {PackageError} when the database's driver is not installed
 */
export async function openDatabase (options: DatabaseOptions): Promise<Database> {
  // A driver that is not used is not loaded.
  if (options.url.startsWith('file:')) {
    await loadPackage('better-sqlite3', 'A SQLite database', loadSqlite, SQLITE_REMEDY)
    return await (await import('./sqlite.js')).openSqlite(options)
  }
  if (/^postgres(ql)?:\/\//.test(options.url)) {
    await loadPackage('pg', 'A PostgreSQL database', async () => await import('pg'))
    return await (await import('./postgres.js')).openPostgres(options)
  }
  throw new DatabaseError('The database URL must begin with file: or postgres://')
}

/** It is an optional dependency: npm leaves it out if its install script fails. */
const SQLITE_REMEDY = 'Its install script has to download a binary or compile it; a PostgreSQL database needs none'

/** Opens a database, since the driver loads its binary only then. */
async function loadSqlite (): Promise<void> {
  const { default: SqliteConnection } = await import('better-sqlite3')
  new SqliteConnection(':memory:').close()
  await import('@prisma/adapter-better-sqlite3')
}
