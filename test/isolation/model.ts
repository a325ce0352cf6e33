import type { LogRow } from '../chaos/database.js'

export type Role = 'owner' | 'admin' | 'member'

export interface SentMessage {
  id: string
  senderId: string
  text: string
  /** Since when nothing was appended, by `performance.now()`. Undefined: it was sent whole, or is finished. */
  silentSince?: number | undefined
}

export interface Conversation {
  id: string
  type: 'direct' | 'group'
  /** In the order in which they joined. */
  members: Map<string, Role>
  /** Users who were members, and may become members again. */
  former: Set<string>
  messages: SentMessage[]
}

/** A row of the log, with the users whom it is for. */
export interface Event extends LogRow { audience: ReadonlySet<string> }

/** Who is a member of what, by the requests and their responses; and whom each event is for, by the log. */
export class Model {
  readonly users: readonly string[]
  readonly conversations = new Map<string, Conversation>()
  /** The whole log in commit order, as far as it was read. */
  readonly events: Event[] = []
  /** Whose own state it is that has this `mutedUntil`, which nobody else uses. */
  readonly ownStates = new Map<string, string>()
  /** Uploaded files, with who uploaded them and the message that carries them. */
  readonly files = new Map<string, { ownerId: string, conversation?: Conversation, message?: SentMessage }>()
  /** Memberships that change during the current operation: they may be seen as before or as after it. */
  readonly changing = new Set<string>()
  readonly #blocks = new Map<string, number>()
  readonly #everBlocked = new Set<string>()
  /** Members by the log, which must agree with the responses. */
  readonly #byLog = new Map<string, Set<string>>()

  constructor (users: readonly string[]) {
    this.users = users
  }

  /** Counts a block, or the end of one, that was answered at this instant. */
  block (userId: string, otherId: string, blocked: boolean): void {
    this.#everBlocked.add(JSON.stringify([userId, otherId]))
    if (blocked) this.#blocks.set(JSON.stringify([userId, otherId]), Date.now())
    else this.#blocks.delete(JSON.stringify([userId, otherId]))
  }

  /** Since when a user blocks another one, in epoch milliseconds. */
  blockedAt (userId: string, otherId: string): number | undefined {
    return this.#blocks.get(JSON.stringify([userId, otherId]))
  }

  blocks (userId: string, otherId: string): boolean {
    return this.blockedAt(userId, otherId) !== undefined
  }

  /** Whether a user has ever blocked another one. */
  hasBlocked (userId: string, otherId: string): boolean {
    return this.#everBlocked.has(JSON.stringify([userId, otherId]))
  }

  /** The sender of a message. */
  senderOf (messageId: string): string | undefined {
    for (const { messages } of this.conversations.values()) {
      const found = messages.find(({ id }) => id === messageId)
      if (found !== undefined) return found.senderId
    }
    return undefined
  }

  /** Whether it is a direct conversation, and one blocks the other. */
  isBlocked ({ type, members }: Conversation): boolean {
    const [one, other] = [...members.keys()]
    return type === 'direct' && (this.blocks(one!, other!) || this.blocks(other!, one!))
  }

  add (id: string, type: 'direct' | 'group', owner: string, others: readonly string[]): Conversation {
    const members = new Map<string, Role>([[owner, type === 'group' ? 'owner' : 'member'], ...others.map((userId): [string, Role] => [userId, 'member'])])
    const conversation: Conversation = { id, type, members, former: new Set(), messages: [] }
    this.conversations.set(id, conversation)
    for (const userId of members.keys()) this.changing.add(`${id} ${userId}`)
    return conversation
  }

  join (conversation: Conversation, userId: string): void {
    conversation.members.set(userId, 'member')
    this.changing.add(`${conversation.id} ${userId}`)
  }

  leave (conversation: Conversation, userId: string): void {
    const role = conversation.members.get(userId)
    conversation.members.delete(userId)
    conversation.former.add(userId)
    this.changing.add(`${conversation.id} ${userId}`)
    if (role !== 'owner') return
    const heir = [...conversation.members].find(([, role]) => role === 'admin') ?? [...conversation.members][0]
    if (heir !== undefined) conversation.members.set(heir[0], 'owner')
  }

  isMember (conversationId: string, userId: string): boolean {
    return this.conversations.get(conversationId)?.members.has(userId) === true
  }

  /** Whether the user may see the conversation at this moment. */
  maySee (conversationId: string, userId: string): boolean {
    return this.isMember(conversationId, userId) || this.changing.has(`${conversationId} ${userId}`)
  }

  /** Whether two users share a conversation at this moment. */
  mayShare (one: string, other: string): boolean {
    return [...this.conversations.keys()].some(id => this.maySee(id, one) && this.maySee(id, other))
  }

  of (userId: string): Conversation[] {
    return [...this.conversations.values()].filter(({ members }) => members.has(userId))
  }

  notOf (userId: string): Conversation[] {
    return [...this.conversations.values()].filter(({ members }) => !members.has(userId))
  }

  /**
   * Takes what an operation has written to the log, and returns whom each row is for. @throws Error when the log
   * disagrees with the responses about members
   */
  absorb (rows: readonly LogRow[]): Event[] {
    const events = rows.map((row): Event => ({ ...row, audience: this.#audienceOf(row) }))
    this.events.push(...events)
    for (const id of new Set(rows.map(({ conversationId }) => conversationId))) {
      const told = [...this.#byLog.get(id)!].sort().join()
      const answered = [...this.conversations.get(id)?.members.keys() ?? []].sort().join()
      if (told !== answered) throw new Error(`${id}: by the log ${told} are in it, by the answers ${answered}`)
    }
    return events
  }

  #audienceOf ({ conversationId, type, userId }: LogRow): ReadonlySet<string> {
    if (type === 'conversationCreated') this.#byLog.set(conversationId, new Set(this.conversations.get(conversationId)?.members.keys()))
    const members = this.#byLog.get(conversationId)
    if (members === undefined) throw new Error(`${conversationId}: ${type} is its first event`)
    if (type === 'participantJoined') members.add(userId)
    // A user who leaves is told so, and nothing else.
    const audience = new Set(members)
    if (type === 'participantLeft') members.delete(userId)
    return audience
  }
}
