// SQL by hand for profiles, which requests read: on PostgreSQL, this SQL is prepared once per connection, Prisma's is not.
import type { Profile, User, UserProfile } from '../../schemas/users.js'
import type { Database } from '../database.js'
import { isoTimeOrNull, readMetadata } from '../rendering.js'
import type { PrismaReader } from '../reader.js'
import type { Sql } from '../sql.js'
import { keyed, select } from '../table.js'
import * as tables from '../tables.js'

const userColumns = select(tables.users, 'u', ['id', 'displayName', 'avatar', 'isBot', 'isOnline', 'lastSeen'])
const profile = select(tables.users, 'u', ['id', 'displayName', 'avatar', 'isBot'])
const profileOnly = select(tables.users, 'u', ['metadata', 'stateVersion'])

/** Columns of a user `u` as `readProfile` reads them. */
export const profileColumns = profile.columns

export function readProfile (row: unknown): Profile {
  const { id, ...rest } = profile.read(row)
  return { userId: id, ...rest }
}

/**
 * Columns of a user `u`, and whether they are hidden from another one, whose id is the next two parameters: who is blocked sees who blocks
 * them as offline. The first look-up spares the others where nobody blocks the one who asks; these are scalar subqueries, since PostgreSQL
 * hashes what an EXISTS may find: everybody who blocks the one who asks.
 */
export const seenColumns = `${userColumns.columns}, CASE WHEN EXISTS (SELECT 1 FROM chat_blocks x WHERE x.blocked_id = ?)
  THEN (SELECT 1 FROM chat_blocks x WHERE x.user_id = u.id AND x.blocked_id = ? LIMIT 1) IS NOT NULL ELSE false END AS hidden`

/** A user from `seenColumns`. */
export function readSeen (row: unknown): User {
  const { id, displayName, avatar, isBot, isOnline, lastSeen } = userColumns.read(row)
  const isHidden = Boolean((row as { hidden: unknown }).hidden)
  return { userId: id, displayName, avatar, isBot, isOnline: isOnline && !isHidden, lastSeen: isHidden ? null : isoTimeOrNull(lastSeen) }
}

/** A user as `viewerId` sees them, who shares a conversation with them. */
export async function findUser (read: Sql, userId: string, viewerId: string): Promise<UserProfile | undefined> {
  return (await findUserAndVersion(read, userId, viewerId))?.profile
}

/** The same, with the number of changes of their private state. Without a viewer, as they see themselves. */
export async function findUserAndVersion (
  read: Sql, userId: string, viewerId = userId
): Promise<{ profile: UserProfile, userVersion: number } | undefined> {
  const [row] = await read.query(`SELECT ${seenColumns}, ${profileOnly.columns} FROM chat_users u WHERE u.id = ?`, viewerId, viewerId, userId)
  if (row === undefined) return undefined
  const { metadata, stateVersion: userVersion } = profileOnly.read(row)
  return { profile: { ...readSeen(row), metadata: readMetadata(metadata) }, userVersion }
}

/** Whether two users share a conversation. */
export async function shareConversation (read: Sql, userId: string, otherId: string): Promise<boolean> {
  const rows = await read.query(
    `SELECT 1 AS shared FROM chat_participants p JOIN chat_participants o ON o.conversation = p.conversation
     WHERE p.user_id = ? AND o.user_id = ? LIMIT 1`, userId, otherId)
  return rows.length > 0
}

/** What is shown of users, by id. */
export async function findProfiles ({ read, dialect }: Database, userIds: readonly string[]): Promise<Map<string, Profile>> {
  if (userIds.length === 0) return new Map()
  const rows = await read.query(`SELECT ${profile.columns} FROM ${keyed(tables.users, dialect, ['id'])} k JOIN chat_users u ON u.id = k.id`,
    JSON.stringify(userIds.map(id => [id])))
  return new Map(rows.map(row => {
    const found = readProfile(row)
    return [found.userId, found]
  }))
}

export async function findPasswordHash (prisma: PrismaReader, userId: string): Promise<string | null> {
  const user = await prisma.user.findUnique({ where: { id: userId }, select: { passwordHash: true } })
  return user?.passwordHash ?? null
}
