// SQL by hand for profiles, as in users.ts.
import type { Profile } from '../../schemas/users.js'
import type { Sql } from '../sql.js'
import { profileColumns, readProfile } from './users.js'

/** The users whom a user blocks, newest block first. */
export async function findBlocked (read: Sql, userId: string): Promise<Profile[]> {
  const rows = await read.query(
    `SELECT ${profileColumns} FROM chat_blocks b JOIN chat_users u ON u.id = b.blocked_id
     WHERE b.user_id = ? ORDER BY b.created_at DESC, b.blocked_id`, userId)
  return rows.map(readProfile)
}
