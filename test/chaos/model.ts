/** A message as its sender knows it. */
export interface SentMessage {
  clientId: string
  conversationId: string
  senderId: string
  /** All texts that it may have had. */
  texts: Set<string>
  /** The texts that it may have now: more than one while the outcome of an edit is unknown. */
  finalTexts: Set<string>
  /** The texts of edits that were requested more than once. */
  lateTexts: Set<string>
  /** Whether it may grow: it can't be edited then. */
  isGrowing: boolean
  /** From the response. Undefined until a response says that it is saved. */
  saved: { id: string, seq: number } | undefined
  deletedAt: number | undefined
}

type State = 'in' | 'out' | 'changing'

interface Membership {
  state: State
  /** Changes with every change. If it is the same before and after a request, nothing happened in between. */
  epoch: number
  /** A copy of a change may still be under way, in a process that is paused: whether the user takes part cannot be known any more. */
  doubtful: boolean
}

/** What the harness has requested and been promised: who takes part where, what was saved, and which receipts were sent. */
export class Model {
  readonly messages: SentMessage[] = []
  readonly #savedByConversation = new Map<string, SentMessage[]>()
  readonly #byId = new Map<string, SentMessage>()
  readonly #members = new Map<string, Map<string, Membership>>()
  readonly #marks = new Map<string, { delivered: number, read: number }>()
  #changed: Array<() => void> = []
  readonly #nodes: number

  constructor (nodes: number) {
    this.#nodes = nodes
  }

  // ---- memberships

  addConversation (conversationId: string, userIds: readonly string[]): void {
    if (this.#members.has(conversationId)) return
    this.#members.set(conversationId, new Map(userIds.map(userId => [userId, { state: 'in' as const, epoch: 0, doubtful: false }])))
    this.#announce()
  }

  conversationsOf (userId: string): string[] {
    return [...this.#members].filter(([, members]) => members.get(userId)?.state === 'in').map(([conversationId]) => conversationId)
  }

  membership (conversationId: string, userId: string): Readonly<Membership> {
    return this.#members.get(conversationId)?.get(userId) ?? { state: 'out', epoch: 0, doubtful: false }
  }

  /** True if the user was certainly a participant all the time since `epoch`. */
  wasIn (conversationId: string, userId: string, epoch: number): boolean {
    const { state, epoch: now, doubtful } = this.membership(conversationId, userId)
    return state === 'in' && now === epoch && !doubtful
  }

  /** Call it before a participant is added or removed. False if another user is changing the same membership. */
  beginChange (conversationId: string, userId: string, from: 'in' | 'out'): boolean {
    const members = this.#members.get(conversationId)
    const membership = members?.get(userId) ?? { state: 'out' as State, epoch: 0, doubtful: false }
    if (membership.state !== from) return false
    membership.state = 'changing'
    membership.epoch++
    members?.set(userId, membership)
    return true
  }

  endChange (conversationId: string, userId: string, state: 'in' | 'out', attempts: number): void {
    const membership = this.#members.get(conversationId)!.get(userId)!
    if (attempts > 1 && this.#nodes > 1) membership.doubtful = true
    membership.state = state
    membership.epoch++
    this.#announce()
  }

  /** Resolves when a membership has changed, or with the signal. */
  async change (signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    await new Promise<void>(resolve => {
      const done = (): void => {
        signal.removeEventListener('abort', done)
        resolve()
      }
      this.#changed.push(done)
      signal.addEventListener('abort', done)
    })
  }

  #announce (): void {
    for (const resolve of this.#changed.splice(0)) resolve()
  }

  // ---- messages

  attempt (conversationId: string, senderId: string, clientId: string, text: string, isGrowing = false): SentMessage {
    const message: SentMessage = {
      clientId,
      conversationId,
      senderId,
      texts: new Set([text]),
      finalTexts: new Set([text]),
      lateTexts: new Set(),
      isGrowing,
      saved: undefined,
      deletedAt: undefined
    }
    this.messages.push(message)
    return message
  }

  saved (message: SentMessage, id: string, seq: number): void {
    if (message.saved !== undefined) return
    message.saved = { id, seq }
    this.#byId.set(id, message)
    const list = this.#savedByConversation.get(message.conversationId) ?? []
    this.#savedByConversation.set(message.conversationId, list)
    list.push(message)
  }

  /** Undefined until a response says that it is saved. */
  message (id: string): SentMessage | undefined {
    return this.#byId.get(id)
  }

  savedIn (conversationId: string): readonly SentMessage[] {
    return this.#savedByConversation.get(conversationId) ?? []
  }

  marked (conversationId: string, userId: string, status: 'delivered' | 'read', seq: number): void {
    const marks = this.marks(conversationId, userId)
    this.#marks.set(`${conversationId} ${userId}`, {
      delivered: Math.max(marks.delivered, seq),
      read: status === 'read' ? Math.max(marks.read, seq) : marks.read
    })
  }

  marks (conversationId: string, userId: string): { delivered: number, read: number } {
    return this.#marks.get(`${conversationId} ${userId}`) ?? { delivered: 0, read: 0 }
  }
}
