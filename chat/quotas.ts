import { chatError } from '../errors.js'
import type { Keys } from '../store/keys.js'
import type { Unit } from '../store/unit.js'

/** Limits of one user. */
export interface Quotas {
  /** Conversations that a user may take part in, direct ones included. */
  conversations: number
  /** Groups that a user may create in a day. */
  groupsPerDay: number
}

export const DEFAULT_QUOTAS: Quotas = { conversations: 10_000, groupsPerDay: 1000 }

const DAY_MS = 86_400_000

export function needQuotas (keys: Keys, { conversations }: Quotas, userIds: Iterable<string>): void {
  for (const userId of userIds) keys.quota(userId, conversations)
}

/**
 * Refuses to add users to another conversation if they have reached their limit, whoever asks.
 * @throws TOO_MANY_CONVERSATIONS
 */
export function assertRoom (unit: Unit, { conversations }: Quotas, userIds: Iterable<string>): void {
  for (const userId of userIds) if (unit.quota(userId).conversations >= conversations) throw chatError('TOO_MANY_CONVERSATIONS')
}

/** Counts a group for its creator. A day begins with the first group of that day. @throws TOO_MANY_GROUPS (with `retryAfter`) */
export function countGroup (unit: Unit, { groupsPerDay }: Quotas, userId: string): void {
  const { groupsMade, groupsUntil } = unit.quota(userId)
  // A day that seems longer was begun by another clock.
  const left = Math.min((groupsUntil ?? 0) - unit.ticks, DAY_MS)
  if (groupsUntil === null || left <= 0) return unit.setGroupsMade(userId, 1, unit.ticks + DAY_MS)
  if (groupsMade >= groupsPerDay) throw chatError('TOO_MANY_GROUPS', { retryAfter: Math.ceil(left / 1000) })
  unit.setGroupsMade(userId, groupsMade + 1, unit.ticks + left)
}
