import { fieldsBut, type RowOf } from './table.js'
import * as tables from './tables.js'

/**
 * The rows of the unit of work, as described in tables.ts. The row of the conversation takes the place of its number. A new column is in them,
 * is loaded and can be changed without further code: the lists name what is not.
 */

/** Columns of a conversation that no command decides over. */
const besideCommands = ['activity', 'position', 'prunedSeq', 'prunedPosition', 'firstSeq'] as const
export const fieldsOfConversations = fieldsBut(tables.conversations, besideCommands)
/** What a command changes itself. The log counts the rest, when it is written. */
export const changedOfConversations = fieldsBut(tables.conversations, [...besideCommands, 'id', 'num', 'type', 'createdBy', 'createdAt', 'updatedAt',
  'loggedAt', 'messageSeq', 'eventSeq', 'participantCount'])

export type ConversationRow = Omit<RowOf<typeof tables.conversations>, typeof besideCommands[number]>

/** A user's own state of a conversation, in the columns of `chat_participants` (see `OwnStateRow`). */
export const ownStateFields = ['mutedUntil', 'archivedSeq', 'favourite', 'notify', 'unreadFrom'] as const
export const fieldsOfParticipants = fieldsBut(tables.participants, ['conversation', 'userId', ...ownStateFields])
export const changedOfParticipants = fieldsBut(tables.participants, ['conversation', 'userId', 'joinedAt', 'joinedSeq', ...ownStateFields])

export interface ParticipantRow extends Omit<RowOf<typeof tables.participants>, 'conversation' | typeof ownStateFields[number]> {
  conversation: ConversationRow
  displayName: string
  avatar: string | null
  isBot: boolean
  /** Number of messages that they have sent here. */
  senderSeq: number
}

/** What a message is sent with, for ever or until it is edited. Columns that are not named here begin blank. */
export const fieldsOfNewMessages = ['id', 'conversation', 'seq', 'senderId', 'senderSeq', 'clientId', 'text', 'type', 'createdAt', 'metadata',
  'replyTo', 'mentions', 'mentionsAll', 'contentHash', 'attachments'] as const

export interface MessageRow extends Omit<RowOf<typeof tables.messages>, 'conversation'> {
  conversation: ConversationRow
}

/** An event of the log. The transaction's position and tag are added when it is written. */
export interface EventRow extends Omit<RowOf<typeof tables.events>, 'conversation' | 'position' | 'tag'> {
  conversation: ConversationRow
}

/** What a command changes of a user. Passwords and the number of private changes are written apart. */
export const changedOfUsers = fieldsBut(tables.users, ['id', 'createdAt', 'passwordHash', 'stateVersion'])
/** What a user is made with. The number of private changes begins at 0. */
export const fieldsOfNewUsers = fieldsBut(tables.users, ['stateVersion'])

export type UserRow = RowOf<typeof tables.users>
export type StreamRow = RowOf<typeof tables.streams>
