import { chatError } from '../errors.js'

/*
 * Tells a database in trouble (away, locked, full, overloaded: come again) from a mistake of ours.
 *
 * What is passed on differs by call: a `code` of Prisma's own (P1001 …), the driver adapter's `kind`, the database's
 * own code in `originalCode` or `code` (SQLite's result code, PostgreSQL's SQLSTATE), or words only.
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

/** Ended by the server: its shutdown, a crash of another backend, a transaction that was idle for too long. */
const dropped = /^(08003|08006|57P01|57P02|25P03|ECONNRESET|EPIPE|P1017|ConnectionClosed)$/
const droppedWords = /Connection terminated(?! due to connection timeout)|Client has encountered a connection error/i

/** The error and what it follows from. */
function * chain (error: unknown, depth = 0): Iterable<Record<string, unknown>> {
  if (typeof error !== 'object' || error === null || depth > 4) return
  const link = error as Record<string, unknown>
  yield link
  for (const key of ['cause', 'meta', 'driverAdapterError']) yield * chain(link[key], depth + 1)
}

function isAny (error: unknown, code: (code: string) => boolean, message: RegExp): boolean {
  for (const link of chain(error)) {
    for (const key of ['code', 'kind', 'originalCode']) {
      const value = link[key]
      if (typeof value === 'string' && code(value)) return true
    }
    if (link instanceof Error && message.test(link.message)) return true
  }
  return false
}

const NEVER = /(?!)/

/** Nothing answers, or not in time, or it is starting or stopping: as while a database server is restarted. */
const away = /^(ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|57P0[123]|57014|08|P1001|P1017|DatabaseNotReachable|ConnectionClosed|SocketTimeout)/

/** Whether trying again later can help. */
export const isOutage = (error: unknown): boolean =>
  isAny(error, code => prismaCodes.has(code) || kinds.has(code) || sqlite.test(code) || sqlState.test(code) || network.test(code), words)

/** Whether the database server is away, and may soon be back. */
export const isAway = (error: unknown): boolean => isAny(error, code => away.test(code), words)

/** SQLite: another process holds the lock. */
export const isLocked = (error: unknown): boolean => isAny(error, code => /^(SQLITE_BUSY|SQLITE_LOCKED|P1008)/.test(code), NEVER)

/** A row refers to one that is gone. */
export const isOrphan = (error: unknown): boolean => isAny(error, code => /^(23503|SQLITE_CONSTRAINT_FOREIGNKEY|P2003)$/.test(code), NEVER)

/** PostgreSQL: the transaction was rolled back because of another one; the same again will do. */
export const isConflict = (error: unknown): boolean => isAny(error, code => /^(P2034|TransactionWriteConflict|40001|40P01)$/.test(code), NEVER)

/** PostgreSQL: the connection broke, and with it ended whatever transaction it was in; the same again will do. */
export const isDropped = (error: unknown): boolean =>
  isAny(error, code => dropped.test(code), droppedWords) && !isAny(error, code => code === COMMIT_UNKNOWN, NEVER)

/** PostgreSQL: no answer in time, from a connection that seems to be there. */
export const isSilence = (error: unknown): boolean => isAny(error, () => false, /Query read timeout/)

const COMMIT_UNKNOWN = 'COMMIT_UNKNOWN'

/** The connection broke while the commit was under way: whether it took place isn't known, so not the same again. */
export class CommitUnknown extends Error {
  override name = 'CommitUnknown'
  readonly code = COMMIT_UNKNOWN
}

/** UNAVAILABLE when the database is in trouble, else the error itself. */
export function refusalOf (error: unknown): unknown {
  return isOutage(error) ? chatError('UNAVAILABLE', { cause: error, retryAfter: 2 }) : error
}

export async function outageToRefusal<T> (work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw refusalOf(error)
  }
}
