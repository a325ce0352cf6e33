import { readFileSync, statSync } from 'node:fs'
import SqliteConnection from 'better-sqlite3'
import { isLocked } from './outage.js'

/** Sizes in the write-ahead log (SQLite's file format, section 4.1), in bytes. */
const LOG_HEADER = 32
const FRAME_HEADER = 24

/**
 * Whether a SQLite database file lacks pages: it is shorter than its database, and what it lacks is not in the write-ahead log.
 * (There it may be, because SQLite writes the log's pages to the file later.)
 *
 * The path is the one that SQLite names its log by: no symbolic link. Asks SQLite with a connection that may only read. Opening the file
 * here would be wrong: closing it again would release the process's locks on it (POSIX, `fcntl`).
 */
export function isCutShort (path: string): boolean {
  let connection: SqliteConnection.Database | undefined
  try {
    connection = new SqliteConnection(path, { readonly: true, fileMustExist: true, timeout: 10 })
    // The snapshot keeps other processes from shortening the file (VACUUM) or starting the log anew in between.
    connection.exec('BEGIN; SELECT 1 FROM sqlite_schema LIMIT 1')
    const pages = Number(connection.pragma('page_count', { simple: true }))
    const pageSize = Number(connection.pragma('page_size', { simple: true }))
    const logged = pagesInLog(`${path}-wal`, pageSize)
    for (let page = Math.floor(statSync(path).size / pageSize) + 1; page <= pages; page++) {
      if (!logged.has(page)) return true
    }
    return false
  } catch (error) {
    if (isLocked(error)) return false
    // Without a log, SQLite compares the file's size with the header.
    return /^SQLITE_(CORRUPT|NOTADB|IOERR)/.test(String((error as NodeJS.ErrnoException).code))
  } finally {
    connection?.close()
  }
}

/** Numbers of the pages in the write-ahead log that belong to committed transactions. */
function pagesInLog (path: string, pageSize: number): Set<number> {
  const committed = new Set<number>()
  if (!((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > LOG_HEADER)) return committed
  const log = readFileSync(path)
  const salts = log.subarray(16, 24)
  let pending: number[] = []
  for (let at = LOG_HEADER; at + FRAME_HEADER + pageSize <= log.length; at += FRAME_HEADER + pageSize) {
    // The frames of an earlier log follow.
    if (!log.subarray(at + 8, at + 16).equals(salts)) break
    pending.push(log.readUInt32BE(at))
    const isCommit = log.readUInt32BE(at + 4) > 0
    if (!isCommit) continue
    for (const page of pending) committed.add(page)
    pending = []
  }
  return committed
}
