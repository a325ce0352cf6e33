import { Named } from './named.js'
import { nameOf, type TableApart, type Values, type ValuesWithin } from './row-sets.js'
import type { Table, TableOfMessages } from './table.js'
import * as tables from './tables.js'

/** Rows of a table that have certain values: all, or those of a conversation or message, if the caller participates. */
export interface WantedRows {
  table: Table<unknown>
  values: object
  of?: { callerId: string, conversationId: string } | { callerId: string, messageId: string }
  isLocked?: boolean
}

/**
 * What a transaction must load before its commands can decide.
 *
 * A conversation is loaded and locked only if the caller participates in it. Nobody can delay others, or find out by timing
 * that a conversation exists.
 */
export class Keys {
  /** Conversations, each with a user who must participate in it. */
  readonly participants: Array<[conversationId: string, userId: string]> = []
  /** Messages, each with a user who must participate in its conversation. */
  readonly messages: Array<[messageId: string, userId: string]> = []
  /** Direct conversations, which their two participants may know of. */
  readonly directs = new Set<string>()
  /** Conversations of `participants` and `messages` whose participants are all loaded. */
  readonly crowds: Array<[conversationId: string, userId: string]> = []
  readonly crowdsOfMessages: Array<[messageId: string, userId: string]> = []
  /** Other participants, where the caller takes part. */
  readonly others: Array<[conversationId: string, callerId: string, userId: string]> = []
  readonly invitations: Array<[conversationId: string, callerId: string, userId: string]> = []
  readonly mentioned: Array<[conversationId: string, callerId: string, userId: string]> = []
  readonly profilesOfOthers: Array<[conversationId: string, callerId: string, userId: string]> = []
  /** Messages that the caller wants to reply to, in a conversation that the caller takes part in. */
  readonly replied: Array<[conversationId: string, callerId: string, messageId: string]> = []
  readonly shown = new Set<string>()
  readonly rowSets: WantedRows[] = []
  readonly clientIds: Array<[conversationId: string, userId: string, clientId: string]> = []
  readonly senders: Array<[conversationId: string, userId: string]> = []
  /** Conversations that may have other settings at the end of the transaction than at its beginning. */
  readonly settled = new Set<string>()
  readonly lastOfOthers: Array<[conversationId: string, userId: string, seq: number]> = []
  readonly users = new Set<string>()
  readonly profiles = new Set<string>()
  readonly streams = new Set<string>()
  readonly formerOf = new Set<string>()
  readonly quotas = new Map<string, number>()
  readonly quotasOfOthers: Array<[conversationId: string, callerId: string, userId: string, most: number]> = []
  /** Own states, with the lock of the user. */
  readonly ownStates: Array<[conversationId: string, userId: string]> = []
  /** Readers, whose own state is loaded if they have marked messages as unread. */
  readonly readers: Array<[conversationId: string, userId: string]> = []
  readonly readersOfMessages: Array<[messageId: string, userId: string]> = []
  readonly resumables: Array<[conversationId: string, userId: string, seq: number]> = []

  #named = new Named()

  /** Lets a command name what it needs, and returns that. */
  namedBy (command: { needs(keys: Keys): void }): Named {
    const named = this.#named = new Named()
    command.needs(this)
    return named
  }

  /** The conversation, locked, with the user's participation. Absent if the user does not participate. */
  participant (conversationId: string, userId: string): void {
    this.#named.add('conversation', conversationId)
    this.#named.add('participant', conversationId, userId)
    this.participants.push([conversationId, userId])
  }

  /** When the user sent their last message, if the conversation has settings: slow mode is one. The participant has to be named, too. */
  lastSent (conversationId: string, userId: string): void {
    this.senders.push([conversationId, userId])
  }

  /** As `participant`, for a command that may change the settings. */
  settings (conversationId: string, userId: string): void {
    this.participant(conversationId, userId)
    this.settled.add(conversationId)
  }

  /** As `participant`, with all other participants. */
  crowd (conversationId: string, userId: string): void {
    this.#named.add('crowd', conversationId)
    this.participant(conversationId, userId)
    this.crowds.push([conversationId, userId])
  }

  /** As `participant` for the caller, with another user's profile and participation, if any. */
  other (conversationId: string, callerId: string, userId: string): void {
    this.#named.add('participant', conversationId, userId)
    this.#named.add('user', userId)
    this.participant(conversationId, callerId)
    this.others.push([conversationId, callerId, userId])
    this.profilesOfOthers.push([conversationId, callerId, userId])
  }

  /** As `other`, with the other user locked, and whether they block the caller. */
  invited (conversationId: string, callerId: string, userId: string): void {
    this.other(conversationId, callerId, userId)
    this.#named.add('rows', ...nameOf(tables.blocks, { userId, blockedId: callerId }))
    this.invitations.push([conversationId, callerId, userId])
  }

  /** As `participant`, with who of these others takes part, and how they are shown. */
  beside (conversationId: string, callerId: string, userIds: Iterable<string>): void {
    this.participant(conversationId, callerId)
    for (const userId of userIds) {
      this.#named.add('participant', conversationId, userId)
      this.mentioned.push([conversationId, callerId, userId])
    }
  }

  /** As `participant`, with a message of the conversation that the user replies to. */
  replyTo (messageId: string, conversationId: string, userId: string): void {
    this.#named.add('message', messageId)
    this.participant(conversationId, userId)
    this.replied.push([conversationId, userId, messageId])
  }

  /** The message with its conversation, locked, and the user's participation. Absent if the user does not participate. */
  message (messageId: string, userId: string): void {
    this.#named.addMessage(messageId, userId)
    this.messages.push([messageId, userId])
  }

  /** As `message`, with all participants. */
  messageWithCrowd (messageId: string, userId: string): void {
    this.#named.add('crowdOfMessage', messageId)
    this.message(messageId, userId)
    this.crowdsOfMessages.push([messageId, userId])
  }

  /** What a message shows of others: the message that it quotes, and whom it mentions. The message has to be named, too. */
  shownBy (messageId: string): void {
    this.#named.add('shown', messageId)
    this.shown.add(messageId)
  }

  /** The rows of a table that have these values. Not locked. */
  rows<T extends Table<unknown>> (table: TableApart<T>, values: Values<T>): void {
    this.#named.add('rows', ...nameOf(table, values))
    this.rowSets.push({ table, values })
  }

  /** As `rows`, locked. */
  lockedRows<T extends Table<unknown>> (table: TableApart<T>, values: Values<T>): void {
    this.#named.add('rows', ...nameOf(table, values))
    this.rowSets.push({ table, values, isLocked: true })
  }

  /** As `participant`, with the rows of a table that belong to the conversation and have these values. */
  rowsOf<T extends Table<unknown>> (conversationId: string, callerId: string, table: T, values: ValuesWithin<T>): void {
    this.#named.add('rows', conversationId, ...nameOf(table, values))
    this.participant(conversationId, callerId)
    this.rowSets.push({ table, values, of: { callerId, conversationId } })
  }

  /** As `message`, with the rows of a table that belong to the message and have these values. */
  rowsOfMessage<T extends TableOfMessages> (messageId: string, callerId: string, table: T, values: ValuesWithin<T>): void {
    this.#named.add('rows', messageId, ...nameOf(table, values))
    this.message(messageId, callerId)
    this.rowSets.push({ table, values, of: { callerId, messageId } })
  }

  /** The direct conversation of the caller and somebody else, locked, if there is one. */
  direct (conversationId: string): void {
    this.#named.add('conversation', conversationId)
    this.directs.add(conversationId)
  }

  /** The conversation that the user resumes after an event, as it was before this transaction. Not locked. */
  resumable (conversationId: string, userId: string, seq: number): void {
    this.#named.add('resumable', conversationId, userId, seq)
    this.resumables.push([conversationId, userId, seq])
  }

  clientId (conversationId: string, userId: string, clientId: string): void {
    this.#named.add('clientId', conversationId, userId, clientId)
    this.clientIds.push([conversationId, userId, clientId])
  }

  /** The last message up to a `seq` that is not the user's own. */
  lastOfOthersUpTo (conversationId: string, userId: string, seq: number): void {
    this.#named.add('lastOfOthers', conversationId, userId, seq)
    this.lastOfOthers.push([conversationId, userId, seq])
  }

  /** The user, locked. */
  user (userId: string): void {
    this.#named.add('user', userId)
    this.users.add(userId)
  }

  /** The user, not locked: for their profile. */
  profile (userId: string): void {
    this.#named.add('user', userId)
    this.profiles.add(userId)
  }

  /** The user, locked, with their open streams on all living nodes. */
  presence (userId: string): void {
    this.user(userId)
    this.#named.add('streams', userId)
    this.streams.add(userId)
  }

  /** The marks of former participants of a message's conversation. The message has to be named, too. */
  former (messageId: string): void {
    this.#named.add('former', messageId)
    this.formerOf.add(messageId)
  }

  /** The counters of a user's quotas, locked. `most` is the maximum number of their conversations. */
  quota (userId: string, most: number): void {
    this.#named.add('quota', userId)
    this.quotas.set(userId, most)
  }

  /** The user's own state of a conversation, with the user, locked. The conversation is not. */
  ownState (conversationId: string, userId: string): void {
    this.#named.add('ownState', conversationId, userId)
    this.user(userId)
    this.ownStates.push([conversationId, userId])
  }

  /** As `participant`, with the own state if the user has marked messages as unread: it costs nothing for the others. */
  reader (conversationId: string, userId: string): void {
    this.participant(conversationId, userId)
    this.#named.add('ownState', conversationId, userId)
    this.readers.push([conversationId, userId])
  }

  /** As `message` and `reader`. */
  messageWithReader (messageId: string, userId: string): void {
    this.message(messageId, userId)
    this.#named.add('readerOfMessage', messageId, userId)
    this.readersOfMessages.push([messageId, userId])
  }

  /** As `quota`, if the caller participates in the conversation. */
  quotaOfOther (conversationId: string, callerId: string, userId: string, most: number): void {
    this.#named.add('quota', userId)
    this.quotasOfOthers.push([conversationId, callerId, userId, most])
  }
}
