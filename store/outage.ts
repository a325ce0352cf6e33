import { chatError } from '../errors.js'
import { COMMIT_UNKNOWN, consequencesOf, readingOf, type Reading } from './reading.js'

const isRead = (error: unknown, ...readings: Reading[]): boolean => readings.includes(readingOf(error))

/** Whether the database server is away, and may soon be back: as while it is restarted. */
export const isAway = (error: unknown): boolean => isRead(error, 'away', 'dropped', 'silent')

/** SQLite: another process holds the lock. */
export const isLocked = (error: unknown): boolean => isRead(error, 'locked')

/** A row refers to one that is gone. */
export const isOrphan = (error: unknown): boolean => isRead(error, 'orphan')

/** The transaction was rolled back because of another one; the same again will do. */
export const isConflict = (error: unknown): boolean => isRead(error, 'conflict')

/** PostgreSQL: the connection broke, and with it ended whatever transaction it was in. */
export const isDropped = (error: unknown): boolean => isRead(error, 'dropped')

/** Whether it is about some rows only, so that other commands of the group can succeed. */
export const isSingle = (error: unknown): boolean => consequencesOf(error).single === true

/** The connection broke while the commit was under way: whether it took place isn't known, so not the same again. */
export class CommitUnknown extends Error {
  override name = 'CommitUnknown'
  readonly code = COMMIT_UNKNOWN
}

/** UNAVAILABLE when the database is in trouble, else the error itself. */
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
