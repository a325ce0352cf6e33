import { isoTime } from '../schemas/common.js'
import { DEFAULT_SETTINGS, type ConversationSettings } from '../schemas/conversations.js'
import type { Attachment } from '../schemas/files.js'
import { QUOTE_MAX, type Mention, type Message, type MessageStatus, type Quote, type ReactionCount } from '../schemas/messages.js'
import type { Profile } from '../schemas/users.js'
import type { MessageRow } from './rows.js'

/** A mention as it is stored. `start` and `length` are UTF-16 units of the text, or null. */
export interface MentionEntry { userId: string, start: number | null, length: number | null }

/** What a message shows of other rows. */
export interface Shown {
  replyTo: Quote | null
  mentions: Mention[]
}

const NOTHING_SHOWN: Shown = { replyTo: null, mentions: [] }

type Rendered = Omit<MessageRow, 'conversation' | 'senderSeq' | 'firstTextHash' | 'contentHash' | 'appendedFrom' | 'appendCount'>

/** The wire's message. What was said in a deleted one is not told, even where an older version has left it in the row. */
export function renderMessage (row: Rendered, conversationId: string, sender: Profile, status: MessageStatus, shown = NOTHING_SHOWN): Message {
  const isDeleted = row.deletedAt !== null
  return {
    id: row.id,
    messageId: row.id,
    conversationId,
    seq: row.seq,
    clientId: row.clientId,
    senderId: row.senderId,
    text: row.text,
    type: row.type,
    status,
    createdAt: isoTime(row.createdAt),
    editedAt: isoTimeOrNull(row.editedAt),
    deletedAt: isoTimeOrNull(row.deletedAt),
    deletedBy: row.deletedBy,
    sender,
    metadata: isDeleted ? null : readMetadata(row.metadata),
    replyTo: shown.replyTo,
    replyCount: row.replyCount,
    mentions: isDeleted ? [] : shown.mentions,
    mentionsAll: !isDeleted && row.mentionsAll === true,
    attachments: isDeleted ? [] : readAttachments(row.attachments),
    reactions: isDeleted ? [] : readReactions(row.reactions),
    growing: isGrowing(row)
  }
}

/** Whether the sender is still writing the message. */
export const isGrowing = ({ growingUntil, deletedAt }: Pick<Rendered, 'growingUntil' | 'deletedAt'>): boolean =>
  growingUntil !== null && growingUntil > 0 && deletedAt === null

/** The message as another one quotes it. */
export function renderQuote (
  row: Pick<Rendered, 'id' | 'seq' | 'senderId' | 'text' | 'type' | 'replyCount' | 'deletedAt' | 'attachments'>, sender: Profile
): Quote {
  // A code point takes at most two units.
  const characters = row.text.length <= QUOTE_MAX ? undefined : Array.from(row.text.slice(0, 2 * QUOTE_MAX + 2))
  const truncated = characters !== undefined && characters.length > QUOTE_MAX
  return {
    id: row.id,
    seq: row.seq,
    senderId: row.senderId,
    sender,
    text: truncated ? characters.slice(0, QUOTE_MAX).join('') : row.text,
    truncated,
    type: row.type,
    attachmentCount: row.deletedAt === null ? readAttachments(row.attachments).length : 0,
    replyCount: row.replyCount,
    deletedAt: isoTimeOrNull(row.deletedAt)
  }
}

export const renderMentions = (entries: readonly MentionEntry[], profileOf: (userId: string) => Profile): Mention[] =>
  entries.map(({ userId, start, length }) => ({ userId, displayName: profileOf(userId).displayName, start, length }))

/** Metadata from its column. */
export const readMetadata = (text: string | null): Record<string, unknown> | null =>
  text === null ? null : JSON.parse(text) as Record<string, unknown>

/** Mentions in their column: null where there are none. */
export const writeMentions = (entries: readonly MentionEntry[]): string | null =>
  entries.length === 0 ? null : JSON.stringify(entries.map(({ userId, start, length }) => [userId, start, length]))

export function readMentions (text: string | null): MentionEntry[] {
  const entries = text === null ? [] : JSON.parse(text) as Array<[string, number | null, number | null]>
  return entries.map(([userId, start, length]) => ({ userId, start, length }))
}

/** Files in their column: null where there are none. */
export const writeAttachments = (attachments: readonly Attachment[]): string | null => attachments.length === 0
  ? null
  : JSON.stringify(attachments.map(({ fileId, name, type, size, width, height, thumbhash }) => [fileId, name, type, size, width, height, thumbhash]))

export function readAttachments (text: string | null): Attachment[] {
  if (text === null) return []
  const entries = JSON.parse(text) as Array<[string, string, string, number, number | null, number | null, string | null]>
  return entries.map(([fileId, name, type, size, width, height, thumbhash]) =>
    ({ fileId, name, type, size, width, height, thumbhash, hasThumbnail: thumbhash !== null }))
}

/** The settings of a conversation from their column, which holds what differs from the default. */
export const readSettings = (text: string | null): ConversationSettings =>
  text === null ? DEFAULT_SETTINGS : { ...DEFAULT_SETTINGS, ...JSON.parse(text) as Partial<ConversationSettings> }

/** Counts of reactions in their column: null where there are none. */
export const writeReactions = (reactions: readonly ReactionCount[]): string | null =>
  reactions.length === 0 ? null : JSON.stringify(reactions.map(({ emoji, count }) => [emoji, count]))

export const readReactions = (text: string | null): ReactionCount[] =>
  text === null ? [] : (JSON.parse(text) as Array<[string, number]>).map(([emoji, count]) => ({ emoji, count }))

export const profileOf = ({ userId, displayName, avatar, isBot }: Profile): Profile => ({ userId, displayName, avatar, isBot })

/** What is shown of a user of whom nothing else is known. */
export const unknownProfile = (userId: string): Profile => ({ userId, displayName: userId, avatar: null, isBot: false })

export const isoTimeOrNull = (ms: number | null): string | null => ms === null ? null : isoTime(ms)
