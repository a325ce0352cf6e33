import { chatError } from '../errors.js'
import { DEFAULT_SETTINGS, type ConversationSettings } from '../schemas/conversations.js'
import { shownName } from '../schemas/names.js'
import type { ConversationRow, ParticipantRow, Unit } from '../store/unit.js'
import type { Command } from '../store/writer.js'
import { readSettings } from '../store/rendering.js'
import { assertNotBlocked } from './blocks.js'
import { logEvent } from './events.js'

/** Fields of a conversation that can be changed. The event `conversationUpdated` names those that have. */
export const CHANGEABLE = ['title', 'avatar', 'description', 'metadata', 'settings'] as const
export type Changeable = typeof CHANGEABLE[number]

/** What is changed. A field that is not named stays. */
export interface ConversationChange {
  title?: string | null | undefined
  avatar?: string | null | undefined
  description?: string | null | undefined
  /** JSON text (see metadata.ts). */
  metadata?: string | null | undefined
  settings?: Partial<ConversationSettings> | undefined
}

/**
 * Changes how a conversation is shown, and its settings, and tells all participants. In a group its owner and admins may; in a
 * direct conversation both, but only the metadata.
 */
export function updateConversation (conversationId: string, userId: string, change: ConversationChange): Command<void> {
  return {
    needs (keys) {
      keys.settings(conversationId, userId)
    },
    apply (unit) {
      const caller = unit.participant(conversationId, userId)
      if (caller === undefined) throw chatError('NOT_FOUND')
      const { conversation } = caller
      const named = CHANGEABLE.filter(field => change[field] !== undefined)
      if (conversation.type === 'direct') {
        if (named.some(field => field !== 'metadata')) throw chatError('NOT_A_GROUP')
        assertNotBlocked(unit, conversation)
      } else if (caller.role === 'member') {
        throw chatError('FORBIDDEN')
      }
      if (change.settings?.messageTtlSeconds != null) throw chatError('FEATURE_OFF')

      const after = rowOf(conversation, change)
      const changed = named.filter(field => after[field] !== conversation[field])
      if (changed.length === 0) return
      unit.changeConversation(conversation, after)
      logEvent(unit, conversation, 'conversationUpdated', { userId, displayName: caller.displayName, detail: JSON.stringify(changed) })
    }
  }
}

function rowOf (
  conversation: ConversationRow, { title, avatar, description, metadata, settings }: ConversationChange
): Pick<ConversationRow, Changeable> {
  return {
    title: title === undefined ? conversation.title : title === null ? null : shownName(title),
    avatar: avatar === undefined ? conversation.avatar : avatar,
    description: description === undefined ? conversation.description : description,
    metadata: metadata === undefined ? conversation.metadata : metadata,
    settings: settings === undefined ? conversation.settings : writeSettings({ ...readSettings(conversation.settings), ...named(settings) })
  }
}

/** In process, a field may be named and undefined: it stays, too. */
const named = (settings: Partial<ConversationSettings>): Partial<ConversationSettings> =>
  Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined))

/** Settings in their column: what differs from the default. */
function writeSettings (settings: ConversationSettings): string | null {
  const names = Object.keys(DEFAULT_SETTINGS) as Array<keyof ConversationSettings>
  const different = names.filter(name => settings[name] !== DEFAULT_SETTINGS[name])
  return different.length === 0 ? null : JSON.stringify(Object.fromEntries(different.map(name => [name, settings[name]])))
}

/** Throws where the conversation is frozen: nobody may send, type, edit or react. @throws POSTING_RESTRICTED */
export function assertNotFrozen ({ settings }: ConversationRow): void {
  if (readSettings(settings).posting === 'nobody') throw chatError('POSTING_RESTRICTED')
}

/** Throws where the participant may not send or type: in announcements members may not. @throws POSTING_RESTRICTED */
export function assertMayPost ({ conversation, role }: ParticipantRow): void {
  const { posting } = readSettings(conversation.settings)
  if (posting === 'nobody' || (posting === 'admins' && role === 'member')) throw chatError('POSTING_RESTRICTED')
}

/** Throws where only the owner and admins may mention everybody, and the participant is neither. @throws FORBIDDEN */
export function assertMayMentionAll ({ conversation, role }: ParticipantRow): void {
  if (role === 'member' && conversation.type === 'group' && readSettings(conversation.settings).mentionAll === 'admins') throw chatError('FORBIDDEN')
}

/** Throws where a member has to wait until the next message. @throws SLOW_MODE */
export function assertNotTooSoon (unit: Unit, { conversation, role, userId }: ParticipantRow): void {
  const { slowModeSeconds } = readSettings(conversation.settings)
  if (slowModeSeconds === 0 || role !== 'member' || conversation.type !== 'group') return
  const last = unit.lastSentAt(conversation.id, userId)
  const waitMs = last === undefined ? 0 : last + slowModeSeconds * 1000 - unit.nowIn(conversation)
  if (waitMs > 0) throw chatError('SLOW_MODE', { retryAfter: Math.ceil(waitMs / 1000) })
}
