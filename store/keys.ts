import { Named } from './named.js'

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
  readonly mentioned: Array<[conversationId: string, callerId: string, userId: string]> = []
  readonly profilesOfOthers: Array<[conversationId: string, callerId: string, userId: string]> = []
  /** Messages that the caller wants to reply to, in a conversation that the caller takes part in. */
  readonly replied: Array<[conversationId: string, callerId: string, messageId: string]> = []
  readonly shown = new Set<string>()
  readonly ownReactions: Array<[messageId: string, userId: string]> = []
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

  /** As `message`, with the user's own reactions to it. */
  messageWithOwnReactions (messageId: string, userId: string): void {
    this.#named.add('ownReactions', messageId, userId)
    this.message(messageId, userId)
    this.ownReactions.push([messageId, userId])
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

  /** As `quota`, if the caller participates in the conversation. */
  quotaOfOther (conversationId: string, callerId: string, userId: string, most: number): void {
    this.#named.add('quota', userId)
    this.quotasOfOthers.push([conversationId, callerId, userId, most])
  }
}
