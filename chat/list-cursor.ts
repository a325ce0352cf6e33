import { createHash } from 'node:crypto'
import { chatError } from '../errors.js'

/** A place in a user's list of conversations, which is ordered by latest activity and number. */
export interface ListPlace { updatedAt: number, num: number }

/** Opaque to clients, and good for the same user's list only. */
export function encodeListCursor ({ updatedAt, num }: ListPlace, userId: string): string {
  return Buffer.from(`${updatedAt}.${num}.${tagOf(userId)}`).toString('base64url')
}

/** @throws INVALID_CURSOR when it is none of this list's */
export function decodeListCursor (cursor: string, userId: string): ListPlace {
  const match = /^(\d{1,15})\.(\d{1,10})\.([\w-]{8})$/.exec(Buffer.from(cursor, 'base64url').toString())
  if (match === null || match[3] !== tagOf(userId)) throw chatError('INVALID_CURSOR')
  return { updatedAt: Number(match[1]), num: Number(match[2]) }
}

const tagOf = (userId: string): string => createHash('sha256').update(userId).digest('base64url').slice(0, 8)
