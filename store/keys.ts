import { Named } from './named.js'

/**
 * What a transaction must load before its commands can decide.
 *
 * A conversation is loaded, and locked, only where the caller takes part in it: nobody can hold up others, or learn by the
 * time it takes that there is something which isn't theirs.
 */
export class Keys {
  /** Conversations, each with a user who must take part in it. */
  readonly participants: Array<[conversationId: string, userId: string]> = []
  /** Messages, each with a user who must take part in the conversation that it stands in. */
  readonly messages: Array<[messageId: string, userId: string]> = []
  /** Conversations of the two who may know of them. */
  readonly directs = new Set<string>()
  /** Of those that are loaded. */
  readonly crowds: Array<[conversationId: string, userId: string]> = []
  readonly crowdsOfMessages: Array<[messageId: string, userId: string]> = []
  readonly joining: Array<[conversationId: string, callerId: string, userId: string]> = []
  readonly clientIds: Array<[conversationId: string, userId: string, clientId: string]> = []
  readonly lastOfOthers: Array<[conversationId: string, userId: string, seq: number]> = []
  readonly users = new Set<string>()
  readonly profiles = new Set<string>()
  readonly streams = new Set<string>()
  readonly formerOf = new Set<string>()
  readonly quotas = new Map<string, number>()
  readonly quotasOfOthers: Array<[conversationId: string, callerId: string, userId: string, most: number]> = []
  readonly resumables: Array<[conversationId: string, userId: string, seq: number]> = []

  #named = new Named()

  /** Lets a command name what it needs. @returns what it named */
  namedBy (command: { needs(keys: Keys): void }): Named {
    const named = this.#named = new Named()
    command.needs(this)
    return named
  }

  /** The conversation, locked, with the user's participation, if there is one. */
  participant (conversationId: string, userId: string): void {
    this.#named.add('conversation', conversationId)
    this.#named.add('participant', conversationId, userId)
    this.participants.push([conversationId, userId])
  }

  /** As `participant`, with all of the others. */
  crowd (conversationId: string, userId: string): void {
    this.#named.add('crowd', conversationId)
    this.participant(conversationId, userId)
    this.crowds.push([conversationId, userId])
  }

  /** As `participant`, with what is known of somebody else there: their participation, and who they are. */
  other (conversationId: string, callerId: string, userId: string): void {
    this.#named.add('participant', conversationId, userId)
    this.#named.add('user', userId)
    this.participant(conversationId, callerId)
    this.joining.push([conversationId, callerId, userId])
  }

  /** The message with its conversation, locked, and the user's participation, if there is one. */
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

  /** The direct conversation of the caller and somebody else, locked, if there is one. */
  direct (conversationId: string): void {
    this.#named.add('conversation', conversationId)
    this.directs.add(conversationId)
  }

  /** The conversation as the user may resume it after an event, not locked: as it is before this transaction changes anything. */
  resumable (conversationId: string, userId: string, seq: number): void {
    this.#named.add('resumable', conversationId, userId, seq)
    this.resumables.push([conversationId, userId, seq])
  }

  clientId (conversationId: string, userId: string, clientId: string): void {
    this.#named.add('clientId', conversationId, userId, clientId)
    this.clientIds.push([conversationId, userId, clientId])
  }

  /** The last message up to a `seq` that isn't the user's own. */
  lastOfOthersUpTo (conversationId: string, userId: string, seq: number): void {
    this.#named.add('lastOfOthers', conversationId, userId, seq)
    this.lastOfOthers.push([conversationId, userId, seq])
  }

  /** The user, locked. */
  user (userId: string): void {
    this.#named.add('user', userId)
    this.users.add(userId)
  }

  /** The user, not locked: for what is shown of them. */
  profile (userId: string): void {
    this.#named.add('user', userId)
    this.profiles.add(userId)
  }

  /** The user, locked, with all of their open streams on every living node. */
  presence (userId: string): void {
    this.user(userId)
    this.#named.add('streams', userId)
    this.streams.add(userId)
  }

  /** The marks of those who were there when a message was sent and have left; the message has to be named, too. */
  former (messageId: string): void {
    this.#named.add('former', messageId)
    this.formerOf.add(messageId)
  }

  /** What is counted for a user's limits, locked; `most` is how many conversations they may take part in. */
  quota (userId: string, most: number): void {
    this.#named.add('quota', userId)
    this.quotas.set(userId, most)
  }

  /** As `quota`, where the caller takes part in the conversation. */
  quotaOfOther (conversationId: string, callerId: string, userId: string, most: number): void {
    this.#named.add('quota', userId)
    this.quotasOfOthers.push([conversationId, callerId, userId, most])
  }
}
