import { createHash } from 'node:crypto'
import { chatError } from '../errors.js'
import type { ListPlace } from '../store/queries.js'

/** Opaque to clients, and valid for the same user's list only. The `a` tells it from cursors of a version that sorted by `updatedAt`. */
export function encodeListCursor ({ activity, num }: ListPlace, userId: string): string {
  return Buffer.from(`a${activity}.${num}.${tagOf(userId)}`).toString('base64url')
}

/** @throws INVALID_CURSOR when it is not a cursor of this user's list */
export function decodeListCursor (cursor: string, userId: string): ListPlace {
  const match = /^a(-?\d{1,15})\.(\d{1,10})\.([\w-]{8})$/.exec(Buffer.from(cursor, 'base64url').toString())
  if (match === null || match[3] !== tagOf(userId)) throw chatError('INVALID_CURSOR')
  return { activity: Number(match[1]), num: Number(match[2]) }
}

const tagOf = (userId: string): string => createHash('sha256').update(userId).digest('base64url').slice(0, 8)
