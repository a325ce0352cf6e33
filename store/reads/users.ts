// SQL by hand for profiles, which requests read: on PostgreSQL, this SQL is prepared once per connection, Prisma's is not.
import type { Profile, User, UserProfile } from '../../schemas/users.js'
import type { Database } from '../database.js'
import { isoTimeOrNull, readMetadata } from '../rendering.js'
import type { PrismaReader } from '../prisma.js'
import type { Sql } from '../sql.js'
import { keyed, select } from '../table.js'
import * as tables from '../tables.js'

export const userColumns = select(tables.users, 'u', ['id', 'displayName', 'avatar', 'isBot', 'isOnline', 'lastSeen'])
const profile = select(tables.users, 'u', ['id', 'displayName', 'avatar', 'isBot'])
const own = select(tables.users, 'u', ['id', 'displayName', 'avatar', 'isBot', 'isOnline', 'lastSeen', 'metadata'])

/** Columns of a user `u` as `readProfile` reads them. */
export const profileColumns = profile.columns

export function readProfile (row: unknown): Profile {
  const { id, ...rest } = profile.read(row)
  return { userId: id, ...rest }
}

export const renderUser = ({ id, displayName, avatar, isBot, isOnline, lastSeen }: ReturnType<typeof userColumns.read>): User =>
  ({ userId: id, displayName, avatar, isBot, isOnline, lastSeen: isoTimeOrNull(lastSeen) })

/** A user as they see themselves, and as those see them who share a conversation with them. */
export async function findUser (read: Sql, userId: string): Promise<UserProfile | undefined> {
  const [row] = await read.query(`SELECT ${own.columns} FROM chat_users u WHERE u.id = ?`, userId)
  if (row === undefined) return undefined
  const found = own.read(row)
  return { ...renderUser(found), metadata: readMetadata(found.metadata) }
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
