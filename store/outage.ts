import { chatError } from '../errors.js'
import { COMMIT_UNKNOWN, consequencesOf, readingOf, type Reading } from './reading.js'

const isRead = (error: unknown, ...readings: Reading[]): boolean => readings.includes(readingOf(error))

/** Whether the database server does not answer, but may soon do so, as while it restarts. */
export const isAway = (error: unknown): boolean => isRead(error, 'away', 'dropped', 'silent')

/** PostgreSQL: it has no connection left, or a statement took too long. */
export const isExhausted = (error: unknown): boolean => isRead(error, 'exhausted')

/** SQLite: another process holds the lock. */
export const isLocked = (error: unknown): boolean => isRead(error, 'locked')

/** A row refers to one that does not exist any more. */
export const isOrphan = (error: unknown): boolean => isRead(error, 'orphan')

/** The transaction was rolled back because of another one, and can be repeated. */
export const isConflict = (error: unknown): boolean => isRead(error, 'conflict')

/** PostgreSQL: the connection broke, which ended its transaction. */
export const isDropped = (error: unknown): boolean => isRead(error, 'dropped')

/** Whether the error concerns some rows only, so that other commands of the batch can succeed. */
export const isSingle = (error: unknown): boolean => consequencesOf(error).single === true

/** The connection broke during the commit. It is unknown whether the commit took place, so the transaction is not repeated. */
export class CommitUnknown extends Error {
  override name = 'CommitUnknown'
  readonly code = COMMIT_UNKNOWN
}

/** Returns UNAVAILABLE if the database is in trouble, otherwise the error itself. */
export function refusalOf (error: unknown): unknown {
  return consequencesOf(error).unavailable ? chatError('UNAVAILABLE', { cause: error, retryAfter: 2 }) : error
}

export async function outageToRefusal<T> (work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw refusalOf(error)
  }
}
