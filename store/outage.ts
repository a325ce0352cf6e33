/**
 * Tells a database in trouble (away, locked, full, overloaded: come again) from a mistake of ours.
 *
 * What Prisma passes on differs by call: a `code` of its own (P1001 …), the driver adapter's `kind`, or the database's
 * own code in `originalCode` (SQLite's result code, PostgreSQL's SQLSTATE).
 */

const prismaCodes = new Set(['P1001', 'P1002', 'P1008', 'P1011', 'P1017', 'P2024', 'P2028', 'P2034', 'P2037'])
const kinds = new Set(['SocketTimeout', 'DatabaseNotReachable', 'ConnectionClosed', 'TooManyConnections', 'TransactionWriteConflict',
  'TlsConnectionError', 'TransactionAlreadyClosed'])
const sqlite = /^SQLITE_(BUSY|LOCKED|FULL|IOERR|CANTOPEN|READONLY|PROTOCOL|NOMEM|CORRUPT|NOTADB)/
/** Connection exception, insufficient resources, operator intervention, system error, rollback, lock not available. */
const sqlState = /^(08|53|57|58|40|55P03|25P0[23])/
const network = /^(ECONN|ETIMEDOUT|EPIPE|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN)/
/** pg's pool and client say these in words only; better-sqlite3's closed handle too. */
const words = /Connection terminated|timeout exceeded when trying to connect|Query read timeout|connection is not open|Client has encountered a connection error|Cannot use a pool after|Transaction already closed|Unable to start a transaction/i

function codes (error: unknown, depth = 0): string[] {
  if (typeof error !== 'object' || error === null || depth > 4) return []
  const found: string[] = []
  for (const key of ['code', 'kind', 'originalCode'] as const) {
    const value = (error as Record<string, unknown>)[key]
    if (typeof value === 'string') found.push(value)
  }
  for (const key of ['cause', 'meta', 'driverAdapterError'] as const) {
    found.push(...codes((error as Record<string, unknown>)[key], depth + 1))
  }
  return found
}

/** Whether trying again later can help. */
export function isOutage (error: unknown): boolean {
  return codes(error).some(code => prismaCodes.has(code) || kinds.has(code) || sqlite.test(code) || sqlState.test(code) || network.test(code)) ||
    (error instanceof Error && words.test(error.message))
}

/** SQLite: another process holds the lock. */
export const isLocked = (error: unknown): boolean => codes(error).some(code => /^(SQLITE_BUSY|SQLITE_LOCKED|P1008)/.test(code))

/** PostgreSQL: the transaction was rolled back because of another one; the same again will do. */
export const isConflict = (error: unknown): boolean => codes(error).some(code => /^(P2034|TransactionWriteConflict|40001|40P01)$/.test(code))
