import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http'
import { SseParser, type SseEvent } from '../chaos/sse-parser.js'
import { mint } from '../chaos/token.js'
import type { Event, Model } from './model.js'

export interface FollowerOptions {
  userId: string
  /** Null for all conversations of the user. */
  conversationId: string | null
  echo: boolean
  port: number
  /** The event id to resume after, and the events that were missed since. */
  from?: { id: string, missed: readonly Event[], own: boolean }
}

/** An event as it arrived. It is judged when the operation during which it arrived is over. */
interface Arrival { event: SseEvent, data: Record<string, unknown> }

const EPHEMERAL = new Set(['typing', 'onlineStatus', 'conversationState', 'blocked', 'messageAppended', 'messageStop'])

/** A stream, and the events that it may and must send. */
export class Follower {
  readonly options: FollowerOptions
  /** The events that are due and have not arrived. */
  readonly due = new Set<Event>()
  /** The event ids that arrived, each with what was due and missing at that time. */
  readonly ids: Array<{ id: string, missing: readonly Event[] }> = []
  streamId: string | undefined
  received = 0
  heard = 0
  /** Why the server ended it. Undefined while it is open. */
  ended: string | undefined
  /** The length of the log when it was closed. */
  closedAt = Infinity
  readonly #model: Model
  readonly #problem: (text: string) => void
  readonly #arrivals: Arrival[] = []
  /** The members of what is followed, as the stream itself has told so far. */
  readonly #told = new Map<string, Set<string>>()
  readonly #ephemerals: Array<Arrival['data']> = []
  #request: ClientRequest | undefined
  #closedByUs = false
  #hasToEnd = false
  #disconnected = false
  #wake: () => void = () => {}

  constructor (options: FollowerOptions, model: Model, problem: (text: string) => void) {
    this.options = options
    this.#model = model
    const { userId, conversationId, echo } = options
    this.#problem = text => { problem(`${userId} on ${conversationId ?? 'all'}${echo ? ' with echo' : ''}: ${text}`) }
  }

  get open (): boolean {
    return this.ended === undefined && !this.#closedByUs
  }

  /** Whether nothing is missing: neither an event nor the end. */
  get content (): boolean {
    return this.#closedByUs || (this.due.size === 0 && (!this.#hasToEnd || this.ended !== undefined))
  }

  get missing (): string {
    if (this.#hasToEnd && this.ended === undefined) return 'the end of a stream whose user was removed'
    return [...this.due].slice(0, 5).map(({ conversationId, type, seq }) => `${type} ${seq} of ${conversationId}`).join(', ')
  }

  /** Opens it. Resolves with the status, which is 200 after `connected`. */
  async connect (): Promise<number> {
    const { userId, conversationId, echo, port, from } = this.options
    for (const { id } of conversationId === null ? this.#model.of(userId) : [{ id: conversationId }]) {
      this.#told.set(id, new Set(this.#model.conversations.get(id)?.members.keys()))
    }
    for (const event of from?.missed ?? []) if (this.#concerns(event)) this.due.add(event)
    const query = new URLSearchParams({ ...(conversationId === null ? {} : { conversationId }), ...(echo ? { echo: 'true' } : {}) })
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      this.#request = httpRequest({
        host: '127.0.0.1', port, agent: false, path: `/api/sse?${query.toString()}`, headers: { authorization: `Bearer ${mint(userId)}`, ...(from === undefined ? {} : { 'last-event-id': from.id }) }
      }, resolve)
      this.#request.on('error', reject)
      this.#request.end()
    })
    if (response.statusCode !== 200) {
      this.close()
      return response.statusCode ?? 0
    }
    const parser = new SseParser()
    response.on('data', (bytes: Buffer) => {
      for (const event of parser.push(bytes)) this.#arrivals.push({ event, data: JSON.parse(event.data) as Record<string, unknown> })
      this.#wake()
    })
    response.on('error', () => { /* close follows */ })
    response.once('close', () => {
      this.ended ??= 'without a word'
      this.#wake()
    })
    await this.until(() => this.#arrivals.length > 0 || this.ended !== undefined)
    return 200
  }

  close (): void {
    this.closedAt = Math.min(this.closedAt, this.#model.events.length)
    this.#closedByUs = true
    this.#request?.destroy()
  }

  /** Waits for what arrives. Resolves with false if the condition does not hold in time. */
  async until (isSo: () => boolean, timeoutMs = 15_000): Promise<boolean> {
    const deadline = performance.now() + timeoutMs
    while (!isSo()) {
      const left = deadline - performance.now()
      if (left <= 0) return false
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, left)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    return true
  }

  /** Waits for an event that is not in the log and due now. */
  async hears (type: string, isIt: (data: Record<string, unknown>) => boolean): Promise<boolean> {
    return await this.until(
      () => this.ended !== undefined || this.#ephemerals.some(isIt) || this.#arrivals.some(({ event, data }) => event.type === type && isIt(data))
    )
  }

  forget (): void {
    this.#ephemerals.length = 0
  }

  // ---- events that are due

  /** Something was written to the log while it was open. */
  owe (event: Event): void {
    const { userId, conversationId } = this.options
    if (this.#closedByUs) return
    if (event.type === 'participantLeft' && event.userId === userId && event.conversationId === conversationId) this.#hasToEnd = true
    else if (this.#concerns(event)) this.due.add(event)
  }

  /** The user has left a conversation before its events arrived. */
  letGo (id: string): void {
    for (const event of this.due) if (event.conversationId === id) this.due.delete(event)
  }

  #concerns ({ conversationId, type, userId, audience }: Event): boolean {
    const { userId: me, conversationId: only, echo } = this.options
    if (this.#hasToEnd || (only !== null && only !== conversationId)) return false
    // A user who comes back may read earlier events.
    return (only !== null || audience.has(me)) && (echo || type !== 'message' || userId !== me)
  }

  // ---- events that are allowed

  /** Judges everything that has arrived so far. Called when an operation is over and the log was read. */
  judge (): void {
    for (const arrival of this.#arrivals.splice(0)) this.#judgeArrival(arrival)
    if (this.ended !== undefined && !this.#closedByUs && !this.#hasToEnd) {
      this.#problem(`ended: ${this.ended}`)
      this.#closedByUs = true
    }
  }

  #judgeArrival ({ event: { type, id }, data }: Arrival): void {
    if (this.#disconnected) this.#problem(`${type} after disconnect`)
    if (type === 'connected') {
      this.streamId = String(data.streamId)
    } else if (type === 'disconnect') {
      this.#disconnected = true
      this.ended = String(data.reason)
      if (this.ended !== 'removed' || this.#model.isMember(String(this.options.conversationId), this.options.userId)) this.#problem(`disconnect: ${JSON.stringify(data)}`)
    } else if (type === 'reset') {
      if (this.options.from?.own !== false) this.#problem(`reset: ${JSON.stringify(data)}`)
    } else if (EPHEMERAL.has(type)) {
      this.heard++
      this.#ephemerals.push(data)
      this.#judgeEphemeral(type, data)
    } else {
      this.received++
      this.#judgeDurable(type, data)
    }
    if (id !== undefined) this.ids.push({ id, missing: [...this.due] })
  }

  #judgeEphemeral (type: string, data: Record<string, unknown>): void {
    const { userId, conversationId, echo } = this.options
    const about = String(data.userId)
    const show = JSON.stringify(data)
    if (type === 'conversationState') {
      const id = String(data.conversationId)
      if (this.#model.ownStates.get(String(data.mutedUntil)) !== userId) this.#problem(`somebody else's own state: ${show}`)
      if (conversationId !== null && id !== conversationId) this.#problem(`own state of another conversation: ${show}`)
      return
    }
    if (type === 'messageAppended' || type === 'messageStop') return this.#judgeGrowth(type, data)
    if (type === 'blocked') {
      if (!this.#model.hasBlocked(userId, about)) this.#problem(`a block of somebody else: ${show}`)
      return
    }
    if (about === userId && (type === 'onlineStatus' || !echo)) return this.#problem(`one's own ${type}: ${show}`)
    if (type === 'typing') {
      const id = String(data.conversationId)
      if (conversationId !== null && id !== conversationId) this.#problem(`typing of another conversation: ${show}`)
      if (!this.#told.has(id) && !this.#model.maySee(id, userId)) this.#problem(`typing of a conversation that isn't theirs: ${show}`)
      return
    }
    const blockedAt = this.#model.blockedAt(about, userId)
    // What was told before may arrive later.
    if (data.isOnline === true && blockedAt !== undefined && Date.parse(String(data.timestamp)) > blockedAt + 50) this.#problem(`status of somebody who blocks them: ${show}`)
    const sharesByStream = [...this.#told.values()].some(members => members.has(about))
    const sharesNow = conversationId === null ? this.#model.mayShare(userId, about) : this.#model.maySee(conversationId, about)
    if (!sharesByStream && !sharesNow) this.#problem(`status of somebody who shares nothing with them: ${show}`)
  }

  #judgeGrowth (type: string, data: Record<string, unknown>): void {
    const { userId, conversationId, echo } = this.options
    const id = String(data.conversationId)
    const isOwn = this.#model.senderOf(String(data.messageId)) === userId
    const show = `${type} ${JSON.stringify(data)}`
    if (type === 'messageStop' ? !isOwn : isOwn && !echo) this.#problem(`it is not for them: ${show}`)
    if (conversationId !== null && id !== conversationId) this.#problem(`of another conversation: ${show}`)
    if (!this.#told.has(id) && !this.#model.maySee(id, userId)) this.#problem(`of a conversation that isn't theirs: ${show}`)
  }

  #judgeDurable (type: string, data: Record<string, unknown>): void {
    const { userId: me, conversationId: only, echo } = this.options
    const { conversationId: id, eventSeq } = data as { conversationId: string, eventSeq: number }
    const event = this.#model.events.find(({ conversationId, seq }) => conversationId === id && seq === eventSeq)
    const show = `${type} ${eventSeq} of ${id}`
    if (event === undefined || event.type !== type || (event.messageId !== null && event.messageId !== data.messageId)) return this.#problem(`${show} is ${event?.type ?? 'nothing'} in the log`)
    this.due.delete(event)
    if (only !== null && only !== id) return this.#problem(`${show}, of another conversation`)
    // Past events belong to everybody who is in the conversation now. A user who left has seen the last one.
    const letsIn = type === 'conversationCreated' || (type === 'participantJoined' && event.userId === me)
    const isTheirs = event.audience.has(me) && (letsIn || this.#told.has(id))
    if (!isTheirs && !this.#model.maySee(id, me)) return this.#problem(`${show} isn't theirs: it is for ${[...event.audience].join(', ')}`)
    if (type === 'message' && event.userId === me && !echo) this.#problem(`${show}: one's own message`)
    if (letsIn) this.#told.set(id, new Set(event.audience))
    else if (type === 'participantJoined') this.#told.get(id)?.add(event.userId)
    else if (type === 'participantLeft' && event.userId === me) this.#told.delete(id)
    else if (type === 'participantLeft') this.#told.get(id)?.delete(event.userId)
  }
}
