import { chatError } from '../errors.js'
import type { Message } from '../schemas/messages.js'
import { statusOf } from '../schemas/status.js'
import { profileOf, readMentions, renderMessage, writeMentions, type MentionEntry } from '../store/rendering.js'
import type { ConversationRow, MessageRow, ParticipantRow, Unit } from '../store/unit.js'
import type { Command } from '../store/writer.js'
import { hashOf, hashOfContent, wasSentWith, withoutRanges, withoutRepeats, type Content } from './content.js'
import { logEvent } from './events.js'
import { timeOrderedId } from './ids.js'
import { assertMayMentionAll, assertMayPost, assertNotFrozen, assertNotTooSoon } from './settings.js'
import { endTyping } from './typing.js'

export interface NewMessage {
  conversationId: string
  userId: string
  type: string
  clientId: string | null
  content: Content
}

/**
 * Saves a message and announces it to all participants except its sender. Ends the sender's typing.
 * @returns the message, or the id of the message that this `clientId` was used for before
 */
export function sendMessage ({ conversationId, userId, type, clientId, content }: NewMessage): Command<{ sent: Message } | { repeats: string }> {
  const id = timeOrderedId()
  const { text, metadata, replyToId, mentionsAll } = content
  const contentHash = hashOfContent(content)
  const mentioned = new Set(content.mentions.map(mention => mention.userId))
  return {
    needs (keys) {
      keys.beside(conversationId, userId, mentioned)
      keys.lastSent(conversationId, userId)
      if (clientId !== null) keys.clientId(conversationId, userId, clientId)
      if (replyToId !== null) keys.replyTo(replyToId, conversationId, userId)
    },
    apply (unit) {
      const sender = unit.participant(conversationId, userId)
      if (sender === undefined) throw chatError('NOT_FOUND')
      if (clientId !== null) {
        const earlier = unit.messageByClientId(conversationId, userId, clientId)
        if (earlier !== undefined) {
          if (!wasSentWith(earlier, content)) throw chatError('CLIENT_ID_REUSED')
          return { repeats: earlier.id }
        }
      }
      const { conversation } = sender
      assertMayPost(sender)
      if (mentionsAll) assertMayMentionAll(sender)
      const original = replyToId === null ? null : repliedMessage(unit, conversation, replyToId)
      assertNotTooSoon(unit, sender)
      const mentions = ofParticipants(unit, conversation, content.mentions)
      endTyping(unit, sender)
      const row = unit.addMessage(sender, {
        id,
        clientId,
        text,
        type,
        metadata,
        replyTo: original?.seq ?? null,
        mentions: writeMentions(mentions),
        mentionsAll,
        contentHash
      })
      if (original !== null) unit.changeMessage(original, { replyCount: original.replyCount + 1 })
      if (mentions.length > 0 || mentionsAll) countMentions(unit, row, mentions)
      const message = renderMessage(row, conversationId, profileOf(sender), 'sent', unit.shown(row))
      logEvent(unit, conversation, 'message', { userId, message })
      return { sent: message }
    }
  }
}

function repliedMessage (unit: Unit, conversation: ConversationRow, messageId: string): MessageRow {
  const original = unit.message(messageId)
  if (original?.conversation !== conversation) throw chatError('UNKNOWN_MESSAGE')
  if (original.deletedAt !== null) throw chatError('MESSAGE_DELETED')
  return original
}

const ofParticipants = (unit: Unit, { id }: ConversationRow, mentions: readonly MentionEntry[]): MentionEntry[] =>
  withoutRepeats(mentions.filter(({ userId }) => unit.takesPart(id, userId)))

/** Whom a message counts for as a mention: not for its sender. One row stands for everybody. */
function countMentions (unit: Unit, message: MessageRow, mentions: readonly MentionEntry[]): void {
  const userIds = new Set(mentions.map(({ userId }) => userId))
  userIds.delete(message.senderId)
  if (message.mentionsAll === true) userIds.add('')
  unit.setMentions(message, userIds)
}

/** What an edit names; what it does not name stays. */
export interface MessageChange {
  text?: string | undefined
  /** JSON text (see metadata.ts). */
  metadata?: string | null | undefined
  mentions?: MentionEntry[] | undefined
  mentionsAll?: boolean | undefined
}

/** Changes a message and tells all participants. What is the same again changes nothing. */
export function editMessage (messageId: string, userId: string, change: MessageChange): Command<Message> {
  return ofMessage(messageId, userId, isSender, (unit, message, participants, caller) => {
    assertNotFrozen(message.conversation)
    if (change.mentionsAll === true && message.mentionsAll !== true) assertMayMentionAll(caller)
    if (message.deletedAt !== null) throw chatError('MESSAGE_DELETED')
    const mentions = newMentions(unit, message, change)
    const mentionsAll = change.mentionsAll ?? message.mentionsAll ?? false
    const after = {
      text: change.text ?? message.text,
      metadata: change.metadata === undefined ? message.metadata : change.metadata,
      mentions: mentions === undefined ? message.mentions : writeMentions(mentions),
      // False does not replace null: the message is of a version that knew only text.
      mentionsAll: mentionsAll || message.mentionsAll !== null ? mentionsAll : null
    }
    const isText = after.text !== message.text || after.mentions !== message.mentions || mentionsAll !== (message.mentionsAll ?? false)
    if (!isText && after.metadata === message.metadata) return
    const editedAt = changeInstant(unit, message)
    unit.changeMessage(message, {
      ...after,
      ...(isText ? { editedAt } : {}),
      ...(message.contentHash === null ? { firstTextHash: message.firstTextHash ?? hashOf(message.text) } : {})
    })
    if (isText) countMentions(unit, message, readMentions(message.mentions))
    tellChange(unit, 'messageUpdated', message, userId, participants, editedAt)
  })
}

/** Undefined: they stay as they are. A new text without mentions keeps the users, but their places are gone. */
function newMentions (unit: Unit, message: MessageRow, { text, mentions }: MessageChange): MentionEntry[] | undefined {
  if (mentions !== undefined) return ofParticipants(unit, message.conversation, mentions)
  return text === undefined || text === message.text ? undefined : withoutRanges(readMentions(message.mentions))
}

/**
 * Turns a message into a tombstone: it keeps its place and `seq`, but not what it said. Its sender may, and in a group the owner and
 * admins. A second call changes nothing.
 */
export function deleteMessage (messageId: string, userId: string): Command<Message> {
  return ofMessage(messageId, userId, mayDelete, (unit, message, participants) => {
    if (message.deletedAt !== null) return
    const deletedAt = changeInstant(unit, message)
    if (message.reactions !== null) unit.clearReactions(message)
    if (message.mentions !== null || message.mentionsAll === true) unit.setMentions(message, [])
    const original = unit.quoted(message)
    if (original !== undefined) unit.changeMessage(original, { replyCount: Math.max(original.replyCount - 1, 0) })
    unit.changeMessage(message, {
      text: '',
      metadata: null,
      mentions: null,
      mentionsAll: message.mentionsAll === null ? null : false,
      reactions: null,
      deletedAt,
      deletedBy: userId,
      ...(message.contentHash === null ? { firstTextHash: message.firstTextHash ?? hashOf(message.text) } : {})
    })
    tellChange(unit, 'messageDeleted', message, userId, participants, deletedAt)
  })
}

type Rule = (message: MessageRow, caller: ParticipantRow, participants: ParticipantRow[]) => boolean

const isSender: Rule = ({ senderId }, { userId }) => senderId === userId

/** The sender may, and in a group the owner and admins; an admin may not delete messages of who is the owner now. */
const mayDelete: Rule = (message, caller, participants) => {
  if (isSender(message, caller, participants)) return true
  if (message.conversation.type !== 'group') return false
  const isOwners = participants.some(({ userId, role }) => userId === message.senderId && role === 'owner')
  return caller.role === 'owner' || (caller.role === 'admin' && !isOwners)
}

function ofMessage (messageId: string, userId: string, may: Rule,
  change: (unit: Unit, message: MessageRow, participants: ParticipantRow[], caller: ParticipantRow) => void): Command<Message> {
  return {
    needs (keys) {
      keys.messageWithCrowd(messageId, userId)
      keys.former(messageId)
      keys.shownBy(messageId)
    },
    apply (unit) {
      const message = unit.message(messageId)
      if (message === undefined) throw chatError('NOT_FOUND')
      const conversationId = message.conversation.id
      const caller = unit.participant(conversationId, userId)
      if (caller === undefined) throw chatError('NOT_FOUND')
      const participants = unit.participants(conversationId)
      if (!may(message, caller, participants)) throw chatError('FORBIDDEN')
      change(unit, message, participants, caller)
      return renderNow(unit, message, participants)
    }
  }
}

const renderNow = (unit: Unit, message: MessageRow, participants: ParticipantRow[]): Message =>
  renderMessage(message, message.conversation.id, unit.profileIn(message.conversation, message.senderId),
    statusOf(message, participants, unit.former(message)), unit.shown(message))

/** Now, but not before the message was sent, and later than its previous change. */
function changeInstant (unit: Unit, { conversation, createdAt, editedAt }: MessageRow): number {
  return Math.max(unit.nowIn(conversation), createdAt, (editedAt ?? 0) + 1)
}

function tellChange (
  unit: Unit, type: 'messageUpdated' | 'messageDeleted', message: MessageRow, userId: string, participants: ParticipantRow[], at: number
): void {
  logEvent(unit, message.conversation, type, { userId, message: renderNow(unit, message, participants) }, at)
}
