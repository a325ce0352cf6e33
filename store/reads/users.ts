// SQL by hand for profiles, which requests read: on PostgreSQL, this SQL is prepared once per connection, Prisma's is not.
import type { User } from '../../schemas/users.js'
import { isoTimeOrNull } from '../rendering.js'
import type { PrismaReader } from '../prisma.js'
import type { Sql } from '../sql.js'
import { select } from '../table.js'
import * as tables from '../tables.js'

export const userColumns = select(tables.users, 'u', ['id', 'displayName', 'avatar', 'isOnline', 'lastSeen'])

export const renderUser = ({ id, displayName, avatar, isOnline, lastSeen }: ReturnType<typeof userColumns.read>): User =>
  ({ userId: id, displayName, avatar, isOnline, lastSeen: isoTimeOrNull(lastSeen) })

export async function findUser (read: Sql, userId: string): Promise<User | undefined> {
  const [row] = await read.query(`SELECT ${userColumns.columns} FROM chat_users u WHERE u.id = ?`, userId)
  return row === undefined ? undefined : renderUser(userColumns.read(row))
}

export async function findPasswordHash (prisma: PrismaReader, userId: string): Promise<string | null> {
  const user = await prisma.user.findUnique({ where: { id: userId }, select: { passwordHash: true } })
  return user?.passwordHash ?? null
}
