/** What a transaction must load before its commands can decide. */
export class Keys {
  readonly conversations = new Set<string>()
  readonly crowds = new Set<string>()
  readonly users = new Set<string>()
  readonly streams = new Set<string>()
  readonly messages = new Set<string>()
  readonly formerOf = new Set<string>()
  readonly quotas = new Map<string, number>()
  readonly resumables: Array<[conversationId: string, userId: string, seq: number]> = []
  readonly participants: Array<[conversationId: string, userId: string]> = []
  readonly clientIds: Array<[conversationId: string, userId: string, clientId: string]> = []
  readonly lastOfOthers: Array<[conversationId: string, userId: string, seq: number]> = []

  /** The conversation, locked; with the participation of a user in it. */
  participant (conversationId: string, userId: string): void {
    this.conversations.add(conversationId)
    this.participants.push([conversationId, userId])
  }

  /** The conversation, locked, with all of its participants. */
  crowd (conversationId: string): void {
    this.conversations.add(conversationId)
    this.crowds.add(conversationId)
  }

  /** The conversation as the user may resume it after an event, not locked: as it is before this transaction changes anything. */
  resumable (conversationId: string, userId: string, seq: number): void {
    this.resumables.push([conversationId, userId, seq])
  }

  clientId (conversationId: string, userId: string, clientId: string): void {
    this.clientIds.push([conversationId, userId, clientId])
  }

  /** The last message up to a `seq` that isn't the user's own. */
  lastOfOthersUpTo (conversationId: string, userId: string, seq: number): void {
    this.lastOfOthers.push([conversationId, userId, seq])
  }

  user (userId: string): void {
    this.users.add(userId)
  }

  /** The user, locked, with all of their open streams on every living node. */
  presence (userId: string): void {
    this.users.add(userId)
    this.streams.add(userId)
  }

  message (messageId: string): void {
    this.messages.add(messageId)
  }

  /** The message, with the marks of those who were there when it was sent and have left. */
  former (messageId: string): void {
    this.messages.add(messageId)
    this.formerOf.add(messageId)
  }

  /** What is counted for a user's limits; `most` is how many conversations they may take part in. */
  quota (userId: string, most: number): void {
    this.quotas.set(userId, most)
  }
}
