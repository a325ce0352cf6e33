import { chatError } from '../errors.js'
import type { Unit, UserRow } from '../store/unit.js'
import type { Command } from '../store/writer.js'

/** Who calls, as the token (or the host's `authenticate`) tells. Instants are epoch milliseconds. */
export interface Caller {
  userId: string
  /** Null: the id serves. */
  displayName: string | null
  avatar: string | null
  /** When that was so: what is older never overwrites what is newer. Null: now. */
  issuedAt: number | null
  /** When the caller has to come with a new token; null: never. */
  expiresAt: number | null
}

/** Makes the user, or brings name and avatar up to date. */
export function ensureUser (caller: Caller): Command<UserRow> {
  const { userId, displayName, avatar, issuedAt } = caller
  return {
    needs (keys) {
      keys.user(userId)
    },
    apply (unit) {
      const user = unit.user(userId)
      if (user === undefined) return addUser(unit, userId, displayName ?? userId, avatar, null, issuedAt ?? 0)
      const name = displayName ?? userId
      const issued = issuedAt ?? user.profileAt
      if (issued >= user.profileAt && (name !== user.displayName || avatar !== user.avatar)) {
        unit.changeUser(user, { displayName: name, avatar, profileAt: issued })
      }
      return user
    }
  }
}

/** Makes a user with a password. @throws USER_EXISTS, also when the user came into being by a token */
export function registerUser (userId: string, displayName: string, passwordHash: string): Command<UserRow> {
  return {
    needs (keys) {
      keys.user(userId)
    },
    apply (unit) {
      if (unit.user(userId) !== undefined) throw chatError('USER_EXISTS')
      // the second, since a token's `iat` is one: the first token is no older than the name
      return addUser(unit, userId, displayName, null, passwordHash, Math.floor(unit.now / 1000) * 1000)
    }
  }
}

function addUser (unit: Unit, id: string, displayName: string, avatar: string | null, passwordHash: string | null, profileAt: number): UserRow {
  const user: UserRow = { id, displayName, avatar, passwordHash, profileAt, createdAt: unit.now, isOnline: false, isHidden: false, onlineUntil: null, lastSeen: null }
  unit.addUser(user)
  return user
}
