// SQL by hand: ranges of beginnings, and an order by name that is read on from a place in it.
import type { Profile } from '../../schemas/users.js'
import type { Database } from '../database.js'
import type { PrismaReader } from '../reader.js'
import { keyed, select } from '../table.js'
import * as tables from '../tables.js'
import { profileColumns, readProfile } from './users.js'

/** A place among users, who are ordered by name and then id. */
export interface NamePlace { name: string, id: string }
export interface Named { profile: Profile, place: NamePlace }

const sorted = select(tables.users, 'u', ['sortName'])

/** Not the caller, and nobody who has blocked the caller. */
const isShown = 'u.id <> ? AND u.sort_name IS NOT NULL AND NOT EXISTS (SELECT 1 FROM chat_blocks b WHERE b.user_id = u.id AND b.blocked_id = ?)'
const isBehind = '(u.sort_name > ? OR (u.sort_name = ? AND u.id > ?))'

/** Users who share a conversation with the caller, by name, from behind a place. */
export async function findContactsByName (
  { read }: Database, callerId: string, behind: NamePlace | undefined, limit: number
): Promise<Named[]> {
  return await named(read, `SELECT DISTINCT o.user_id AS id FROM chat_participants p
    JOIN chat_participants o ON o.conversation = p.conversation WHERE p.user_id = ?`, [callerId], callerId, behind, limit)
}

/** Users who are listed under words that begin with one of these, by name, from behind a place. */
export async function findUsersByTerm (
  { read }: Database, callerId: string, beginnings: readonly string[], behind: NamePlace | undefined, limit: number
): Promise<Named[]> {
  // U+10FFFF is in no name: it is behind everything that begins with the term.
  const ranges = beginnings.map(() => 'SELECT t.user_id AS id FROM chat_user_terms t WHERE t.term >= ? AND t.term < ?')
  return await named(read, ranges.join(' UNION '), beginnings.flatMap(term => [term, `${term}\u{10ffff}`]), callerId, behind, limit)
}

async function named (
  read: Database['read'], ids: string, params: string[], callerId: string, behind: NamePlace | undefined, limit: number
): Promise<Named[]> {
  const after = behind === undefined ? [] : [behind.name, behind.name, behind.id]
  const rows = await read.query(`SELECT ${profileColumns}, ${sorted.columns} FROM (${ids}) k JOIN chat_users u ON u.id = k.id
    WHERE ${isShown}${behind === undefined ? '' : ` AND ${isBehind}`} ORDER BY u.sort_name, u.id LIMIT ?`,
  ...params, callerId, callerId, ...after, limit)
  return rows.map(row => {
    const profile = readProfile(row)
    return { profile, place: { name: sorted.read(row).sortName ?? '', id: profile.userId } }
  })
}

/** All users by id, from behind an id. */
export async function findUsersById (prisma: PrismaReader, after: string | undefined, limit: number): Promise<Named[]> {
  const users = await prisma.user.findMany({
    where: after === undefined ? {} : { id: { gt: after } },
    orderBy: { id: 'asc' },
    take: limit,
    select: { id: true, displayName: true, avatar: true, isBot: true }
  })
  return users.map(({ id, ...profile }) => ({ profile: { userId: id, ...profile }, place: { name: '', id } }))
}

/** Which of these users have blocked a user. */
export async function findBlockersOf ({ read, dialect }: Database, blockedId: string, userIds: readonly string[]): Promise<Set<string>> {
  if (userIds.length === 0) return new Set()
  const rows = await read.query<{ id: string }>(`SELECT b.user_id AS id FROM ${keyed(tables.blocks, dialect, ['userId'])} k
    JOIN chat_blocks b ON b.user_id = k.user_id AND b.blocked_id = ?`, JSON.stringify(userIds.map(id => [id])), blockedId)
  return new Set(rows.map(({ id }) => id))
}

/** Users whom a version without a directory has made. */
export async function findUnlistedUsers (prisma: PrismaReader, limit: number): Promise<string[]> {
  const users = await prisma.user.findMany({ where: { sortName: null }, select: { id: true }, take: limit })
  return users.map(({ id }) => id)
}
