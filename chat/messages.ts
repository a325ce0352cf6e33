import { chatError } from '../errors.js'
import { SendMessageBody, type Message } from '../schemas/messages.js'
import { statusOf } from '../schemas/status.js'
import { isGrowing, profileOf, readMentions, renderMessage, writeAttachments, writeMentions, type MentionEntry } from '../store/rendering.js'
import type { Held } from '../store/row-sets.js'
import { mentions as mentionRows } from '../store/tables.js'
import type { ConversationRow, MessageRow, ParticipantRow, Unit } from '../store/unit.js'
import type { Command } from '../store/writer.js'
import { isService, type Actor } from './actor.js'
import { assertNotBlocked } from './blocks.js'
import { contentOf, hashOf, hashOfContent, wasSentWith, withoutRanges, withoutRepeats, type Content } from './content.js'
import { attach, freeFiles, needFiles, releaseFilesOf } from './attachments.js'
import { logEvent } from './events.js'
import { timeOrderedId } from './ids.js'
import { assertMayMentionAll, assertMayPost, assertNotFrozen, assertNotTooSoon } from './settings.js'
import { silentUntil } from './silence.js'
import { endTyping } from './end-typing.js'
import { assertTextFits, assertValid, invalid } from './validation.js'

export interface NewMessage {
  conversationId: string
  sender: Actor
  type: string
  clientId: string | null
  content: Content
  /** What the caller sent, which is what a repetition is compared with. Differs from `content` where the host has changed it. */
  asSent: Content
  /** Whether the rest of the text follows (see growing.ts). */
  growing: boolean
  /** Whether files can be attached. */
  takesFiles: boolean
}

/** What this service takes of a message. */
export interface Taken {
  takesFiles: boolean
  /** Maximum length of the text, in code points. */
  maxTextLength: number
}

/** The message that a body asks for. @throws VALIDATION_FAILED, METADATA_TOO_LARGE */
export function newMessage (sender: Actor, body: SendMessageBody, { takesFiles, maxTextLength }: Taken): NewMessage {
  assertValid(SendMessageBody, body)
  assertTextFits(body.text, maxTextLength)
  const { conversationId, type = 'text', clientId = null } = body
  const content = contentOf(body)
  return { conversationId, sender, type, clientId, content, asSent: content, growing: body.growing === true, takesFiles }
}

/** The message, or the id of the one that this `clientId` was used for before. */
export type SendOutcome = { sent: Message } | { repeats: string }

/**
 * Saves a message and announces it to all participants except its sender. Ends the sender's typing.
 * @returns the message, or the id of the message that this `clientId` was used for before
 */
export function sendMessage (
  { conversationId, sender: actor, type, clientId, content, asSent, growing, takesFiles }: NewMessage
): Command<SendOutcome> {
  const id = timeOrderedId()
  const { userId } = actor
  const { text, metadata, replyToId, mentionsAll } = content
  const contentHash = hashOfContent(asSent)
  const mentioned = new Set(content.mentions.map(mention => mention.userId))
  return {
    needs (keys) {
      keys.beside(conversationId, userId, mentioned)
      keys.lastSent(conversationId, userId)
      if (clientId !== null) keys.clientId(conversationId, userId, clientId)
      if (replyToId !== null) keys.replyTo(replyToId, conversationId, userId)
      needFiles(keys, userId, content.attachments)
    },
    apply (unit) {
      const sender = unit.participant(conversationId, userId)
      if (sender === undefined) throw chatError('NOT_FOUND')
      if (clientId !== null) {
        const earlier = unit.messageByClientId(conversationId, userId, clientId)
        if (earlier !== undefined) {
          if (!wasSentWith(earlier, asSent)) throw chatError('CLIENT_ID_REUSED')
          return { repeats: earlier.id }
        }
      }
      const { conversation } = sender
      assertNotBlocked(unit, conversation)
      if (!isService(actor)) assertMayPost(sender)
      if (mentionsAll) assertMayMentionAll(sender)
      const original = replyToId === null ? null : repliedMessage(unit, conversation, replyToId)
      const files = freeFiles(unit, userId, content.attachments, takesFiles)
      if (!isService(actor)) assertNotTooSoon(unit, sender)
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
        contentHash,
        attachments: writeAttachments(files)
      })
      if (content !== asSent && contentHash === null) unit.changeMessage(row, { firstTextHash: hashOf(asSent.text) })
      attach(unit, row, files)
      if (growing) unit.changeMessage(row, { growingUntil: silentUntil(unit) })
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
function mentionsCounted (
  { conversation, seq, senderId, mentionsAll }: MessageRow, mentions: readonly MentionEntry[]
): Array<Held<typeof mentionRows>> {
  const userIds = new Set(mentions.map(({ userId }) => userId))
  userIds.delete(senderId)
  if (mentionsAll === true) userIds.add('')
  return Array.from(userIds, userId => ({ conversation, userId, seq }))
}

function countMentions (unit: Unit, message: MessageRow, mentions: readonly MentionEntry[]): void {
  for (const row of mentionsCounted(message, mentions)) unit.insertRow(mentionRows, row)
}

/** To be called before the message changes. The rows are found by the users whom it mentions: they have no index by message. */
function uncountMentions (unit: Unit, message: MessageRow): void {
  for (const row of mentionsCounted(message, readMentions(message.mentions))) unit.deleteRows(mentionRows, row)
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
    assertNotBlocked(unit, message.conversation)
    assertNotFrozen(message.conversation)
    if (change.mentionsAll === true && message.mentionsAll !== true) assertMayMentionAll(caller)
    if (message.deletedAt !== null) throw chatError('MESSAGE_DELETED')
    if (isGrowing(message)) throw chatError('STILL_GROWING')
    if (change.text === '' && message.attachments === null) throw invalid('text must not be empty')
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
    if (isText) uncountMentions(unit, message)
    unit.changeMessage(message, {
      ...after,
      ...(isText ? { editedAt } : {}),
      ...firstHashOf(message)
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
    if (message.deletedAt === null) bury(unit, message, userId, participants)
  })
}

/** Leaves a tombstone of a message, and tells all participants. `deletedBy` is null if no user deleted it. */
export function bury (unit: Unit, message: MessageRow, deletedBy: string | null, participants: ParticipantRow[]): void {
  const deletedAt = changeInstant(unit, message)
  unit.deleteRowsOfMessage(message)
  uncountMentions(unit, message)
  releaseFilesOf(unit, message)
  const original = unit.quoted(message)
  if (original !== undefined) unit.changeMessage(original, { replyCount: Math.max(original.replyCount - 1, 0) })
  unit.changeMessage(message, {
    text: '',
    metadata: null,
    mentions: null,
    mentionsAll: message.mentionsAll === null ? null : false,
    reactions: null,
    attachments: null,
    growingUntil: message.growingUntil === null ? null : 0,
    deletedAt,
    deletedBy,
    ...firstHashOf(message)
  })
  tellChange(unit, 'messageDeleted', message, deletedBy ?? message.senderId, participants, deletedAt)
}

/** What is kept of the text first sent, once it is another one: to judge a repeated `clientId` by. */
export const firstHashOf = ({ contentHash, firstTextHash, text }: MessageRow): Partial<MessageRow> =>
  contentHash === null ? { firstTextHash: firstTextHash ?? hashOf(text) } : {}

type Rule = (message: MessageRow, caller: ParticipantRow, participants: ParticipantRow[]) => boolean

export const isSender: Rule = ({ senderId }, { userId }) => senderId === userId

/** The sender may, and in a group the owner and admins; an admin may not delete messages of who is the owner now. */
const mayDelete: Rule = (message, caller, participants) => {
  if (isSender(message, caller, participants)) return true
  if (message.conversation.type !== 'group') return false
  const isOwners = participants.some(({ userId, role }) => userId === message.senderId && role === 'owner')
  return caller.role === 'owner' || (caller.role === 'admin' && !isOwners)
}

/** A command on a message, which returns the message as it is then. */
export function ofMessage (messageId: string, userId: string, may: Rule,
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
export function changeInstant (unit: Unit, { conversation, createdAt, editedAt }: MessageRow): number {
  return Math.max(unit.nowIn(conversation), createdAt, (editedAt ?? 0) + 1)
}

export function tellChange (
  unit: Unit, type: 'messageUpdated' | 'messageDeleted', message: MessageRow, userId: string, participants: ParticipantRow[], at: number
): void {
  logEvent(unit, message.conversation, type, { userId, message: renderNow(unit, message, participants) }, at)
}
