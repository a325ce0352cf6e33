import type { User } from '../../schemas/users.js'
import { isoTimeOrNull } from '../rendering.js'
import type { Sql } from '../sql.js'
import { select, type RowOf } from '../table.js'
import * as tables from '../tables.js'

export const userColumns = select(tables.users, 'u', ['id', 'displayName', 'avatar', 'isOnline', 'lastSeen'])

export const renderUser = ({ id, displayName, avatar, isOnline, lastSeen }: Pick<RowOf<typeof tables.users>, 'id' | 'displayName' | 'avatar' | 'isOnline' | 'lastSeen'>): User =>
  ({ userId: id, displayName, avatar, isOnline, lastSeen: isoTimeOrNull(lastSeen) })

export async function findUser (read: Sql, userId: string): Promise<User | undefined> {
  const [row] = await read.query(`SELECT ${userColumns.columns} FROM chat_users u WHERE u.id = ?`, userId)
  return row === undefined ? undefined : renderUser(userColumns.read(row))
}

const hash = select(tables.users, 'u', ['passwordHash'])

export async function findPasswordHash (read: Sql, userId: string): Promise<string | null> {
  const [row] = await read.query(`SELECT ${hash.columns} FROM chat_users u WHERE u.id = ?`, userId)
  return row === undefined ? null : hash.read(row).passwordHash
}
