import type * as tables from './tables.js'
import type { RowOf } from './table.js'

/** The rows of the unit of work, as described in tables.ts. The row of the conversation takes the place of its number. */

export type ConversationRow = Omit<RowOf<typeof tables.conversations>, 'activity' | 'position' | 'prunedSeq' | 'prunedPosition' | 'firstSeq'>

export interface ParticipantRow extends Omit<RowOf<typeof tables.participants>, 'conversation'> {
  conversation: ConversationRow
  displayName: string
  avatar: string | null
  isBot: boolean
  /** Number of messages that they have sent here. */
  senderSeq: number
}

export interface MessageRow extends Omit<RowOf<typeof tables.messages>, 'conversation'> {
  conversation: ConversationRow
}

/** An event of the log. The transaction's position and tag are added when it is written. */
export interface EventRow extends Omit<RowOf<typeof tables.events>, 'conversation' | 'position' | 'tag'> {
  conversation: ConversationRow
}

export interface ReactionRow extends Omit<RowOf<typeof tables.reactions>, 'conversation'> {
  conversation: ConversationRow
}

export type UserRow = RowOf<typeof tables.users>
export type StreamRow = RowOf<typeof tables.streams>
