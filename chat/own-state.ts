import { chatError } from '../errors.js'
import { isoTime } from '../schemas/common.js'
import type { UpdateOwnStateBody } from '../schemas/conversations.js'
import type { EphemeralEvents } from '../schemas/events.js'
import { FOREVER, renderOwnState, type OwnStateRow } from '../store/own-states.js'
import type { Unit } from '../store/unit.js'
import type { Command } from '../store/writer.js'
import { instantOf } from './instant.js'
import { invalid } from './validation.js'

/**
 * A user's own state of a conversation: muted, archived, favourite, what notifies, marked as unread. Nobody else sees it. Each
 * change moves the user's `userVersion` by one and is told to their own streams; a device that was away compares the number.
 */

/** What is changed. A field that is undefined stays. */
export interface OwnStateChange extends Omit<UpdateOwnStateBody, 'mutedUntil'> {
  /** In epoch milliseconds. */
  mutedUntil?: number | null | undefined
}

/** Reads a body. @throws VALIDATION_FAILED where `mutedUntil` is no instant in the future */
export function ownStateChangeOf ({ mutedUntil, ...rest }: UpdateOwnStateBody, now: number): OwnStateChange {
  if (mutedUntil == null) return { ...rest, mutedUntil }
  const until = mutedUntil === 'forever' ? FOREVER : instantOf(mutedUntil)
  if (until === undefined) throw invalid('mutedUntil must be an instant (RFC 3339), "forever" or null')
  if (until <= now) throw invalid('mutedUntil must be in the future')
  return { ...rest, mutedUntil: until }
}

/** Changes the caller's own state. Locks the caller, not the conversation, so that it delays nobody. */
export function updateOwnState (conversationId: string, userId: string, change: OwnStateChange): Command<EphemeralEvents['conversationState']> {
  return {
    needs (keys) {
      keys.ownState(conversationId, userId)
    },
    apply (unit) {
      const own = unit.ownState(conversationId, userId)
      if (own === undefined) throw chatError('NOT_FOUND')
      if (change.unreadFrom != null && change.unreadFrom > own.messageSeq) throw invalid('unreadFrom must not be past the newest message')
      return set(unit, own, change)
    }
  }
}

/** Whoever reads no longer has messages marked as unread, even if nothing else changes. */
export function clearUnreadMark (unit: Unit, conversationId: string, userId: string): void {
  const own = unit.ownState(conversationId, userId)
  if (own !== undefined) set(unit, own, { unreadFrom: null })
}

/**
 * Sets what differs, and tells it. Archiving holds the number of the newest message, and a later message takes the conversation
 * out of the archive by being later: sending writes nothing. Archiving again moves that number. A number that has had its effect
 * is taken away without telling anybody.
 */
function set (
  unit: Unit, own: OwnStateRow, { mutedUntil, archived, favourite, notify, unreadFrom }: OwnStateChange
): EphemeralEvents['conversationState'] {
  const before = renderOwnState(own, unit.now)
  const after: Partial<OwnStateRow> = {}
  if (mutedUntil !== undefined && (mutedUntil !== null || before.mutedUntil !== null)) after.mutedUntil = mutedUntil
  if (archived !== undefined) after.archivedSeq = archived ? own.messageSeq : null
  if (favourite !== undefined) after.favourite = favourite
  if (notify !== undefined) after.notify = notify
  if (unreadFrom !== undefined) after.unreadFrom = unreadFrom
  const changed = (Object.keys(after) as Array<keyof typeof after>).filter(field => after[field] !== own[field])
  const isSeen = changed.some(field => field !== 'archivedSeq' || archived === true || before.archived)
  if (changed.length > 0) unit.changeOwnState(own, after, isSeen)
  const state = {
    conversationId: own.conversationId,
    ...renderOwnState(own, unit.now),
    unreadCount: 0,
    unreadMentionCount: 0,
    userVersion: unit.userVersion(own.userId),
    timestamp: isoTime(unit.now)
  }
  unit.countUnread(own, state)
  if (isSeen) unit.tellOwn(own.userId, own.conversationId, 'conversationState', state)
  return state
}
