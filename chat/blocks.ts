import { chatError } from '../errors.js'
import { isoTime } from '../schemas/common.js'
import type { BlockAnswer } from '../schemas/users.js'
import type { Keys } from '../store/keys.js'
import { blocks } from '../store/tables.js'
import type { ConversationRow, Unit } from '../store/unit.js'
import type { Command } from '../store/writer.js'
import { tellHidden } from './contacts.js'
import { directConversationId } from './ids.js'
import type { OnlineNews } from './online-news.js'
import { endTyping } from './end-typing.js'

/** Maximum number of users whom one user blocks. */
export const BLOCKS_MAX = 1000

/**
 * Blocks another user, or no longer does, and tells the user's own streams. It is decided under the locks of the user and of the direct
 * conversation of both, so nothing that a block forbids is written once the block is answered. `news` says how others see the user.
 */
export function setBlocked (userId: string, otherId: string, blocked: boolean, news: OnlineNews): Command<BlockAnswer> {
  const directId = directConversationId(userId, otherId)
  return {
    needs (keys) {
      keys.direct(directId)
      if (blocked) for (const id of [userId, otherId]) keys.participant(directId, id)
      keys.user(userId)
      keys.profile(otherId)
      keys.rows(blocks, { userId })
      keys.rows(blocks, { userId: otherId, blockedId: userId })
    },
    apply (unit) {
      if (blocked && userId === otherId) throw chatError('SELF_CONVERSATION')
      const user = unit.user(userId)
      if (user === undefined) throw chatError('NOT_FOUND')
      if (blocked && unit.user(otherId) === undefined) throw chatError('UNKNOWN_USER')
      const own = unit.rows(blocks, { userId })
      const changed = own.some(({ blockedId }) => blockedId === otherId) !== blocked
      if (!changed) return { userId: otherId, blocked, changed }
      if (blocked && own.length >= BLOCKS_MAX) throw chatError('TOO_MANY_BLOCKS')

      // Later than the user's other blocks, so that the newest is the first of the list whatever the clock says
      const createdAt = Math.max(unit.now, ...own.map(row => row.createdAt + 1))
      if (blocked) unit.insertRow(blocks, { userId, blockedId: otherId, createdAt })
      else unit.deleteRows(blocks, { userId, blockedId: otherId })
      if (blocked) for (const id of [userId, otherId]) endTypingOf(unit, directId, id)
      const direct = unit.conversation(directId)
      if (direct !== undefined) unit.setBlocked(direct, blocked || isBlocking(unit, otherId, userId))
      const timestamp = isoTime(unit.now)
      unit.tellOwn(userId, null, 'blocked', { userId: otherId, blocked, userVersion: unit.moveUserVersion(userId), timestamp })
      // What is announced later is not announced to them.
      const owed = news.owed(userId)
      if (blocked && (owed?.told ?? user.isOnline)) {
        tellHidden(unit, { userId, isOnline: false, lastSeen: null, timestamp }, otherId)
        owed?.knowing.add(otherId)
      }
      return { userId: otherId, blocked, changed }
    }
  }
}

function endTypingOf (unit: Unit, conversationId: string, userId: string): void {
  const typist = unit.participant(conversationId, userId)
  if (typist !== undefined) endTyping(unit, typist)
}

/** Names both users, locked, and whether one blocks the other. */
export function needBlock (keys: Keys, userId: string, otherId: string): void {
  for (const [one, other] of [[userId, otherId], [otherId, userId]] as const) {
    keys.user(one)
    keys.rows(blocks, { userId: one, blockedId: other })
  }
}

/** Names who of these users blocks another one. */
export function needBlocksOf (keys: Keys, userId: string, otherIds: readonly string[]): void {
  for (const other of otherIds) keys.rows(blocks, { userId: other, blockedId: userId })
}

const isBlocking = (unit: Unit, userId: string, otherId: string): boolean => unit.rows(blocks, { userId, blockedId: otherId }).length > 0

/** Throws where one of two users blocks the other. @throws BLOCKED */
export function assertNoBlock (unit: Unit, userId: string, otherId: string): void {
  if (isBlocking(unit, userId, otherId) || isBlocking(unit, otherId, userId)) throw chatError('BLOCKED')
}

/** Throws where one of these users blocks the one who adds them to a group: as if they did not exist. @throws UNKNOWN_USER */
export function assertNoneBlocks (unit: Unit, userId: string, otherIds: readonly string[]): void {
  if (otherIds.some(other => isBlocking(unit, other, userId))) throw chatError('UNKNOWN_USER')
}

/** Throws where the conversation is a direct one, and one of the two blocks the other. It doesn't say who. @throws BLOCKED */
export function assertNotBlocked (unit: Unit, conversation: ConversationRow): void {
  if (unit.isBlocked(conversation)) throw chatError('BLOCKED')
}
