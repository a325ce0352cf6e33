import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Api } from './api.js'
import type { Model } from './model.js'
import type { Rng } from './rng.js'
import { SseParser, type SseEvent } from './sse-parser.js'
import { mint } from './token.js'

/** What is kept of a durable event. */
export interface Received {
  connection: number
  at: number
  conversationId: string
  eventSeq: number
  type: string
  userId: string | undefined
  messageId: string | undefined
  textKey: string | undefined
}

/** What is kept of an ephemeral event. */
export interface Heard {
  conversationId: string | undefined
  type: string
  connection: number
  at: number
  /** How many durable events had arrived before it. */
  behind: number
  /** The user who types, or has stopped. Of what a message has grown by, its sender, as far as is known. */
  userId: string
  isTyping: boolean
}

export interface SubscriberOptions {
  userId: string
  /** Null for all conversations. */
  conversationId: string | null
  echo: boolean
  /** How it sends the event id: in the header, like browsers, or in the URL. */
  resumeBy: 'header' | 'query'
  /** Whether it stops reading now and then. */
  slow: boolean
}

export interface SubscriberContext {
  port: () => number
  model: Model
  api: Api
  rng: Rng
  problem: (text: string) => void
  /** The number of processes: a renewal may reach another process than the stream. */
  nodes: number
  /** Whether the nodes' clocks jump: a token that is valid for seconds may then expire at any time. */
  clocksJump: boolean
}

/** Distinguishes texts: each begins with something unique. */
export const textKeyOf = (text: string): string => `${text.slice(0, 60)}|${text.length}`

const ID = /^[A-Za-z0-9._:-]{1,128}$/
/** A connection without a byte for this long is given up; heartbeats arrive every half second. */
const SILENCE_MS = 5000
/** The lifetime of a token, in seconds: longer than a clock is ever wrong. */
const LONG_S = 21_600
const EPHEMERAL = new Set(['typing', 'onlineStatus'])
/** A reader that stops for this long is slow, in milliseconds. */
const NAP_MS = { min: 200, max: 7000 }

interface Ended { reason: string | undefined, retryAfterMs: number | null | undefined }

/** A client that follows a stream through everything: it reconnects, resumes with its last event id, and keeps what it received. */
export class Subscriber {
  readonly name: string
  readonly options: SubscriberOptions
  readonly received: Received[] = []
  readonly heard: Heard[] = []
  /** When each connection was opened. */
  readonly openedAt: number[] = []
  /** The id of its first `connected` event, where it began. */
  start: string | undefined
  lastId: string | undefined
  left = false
  /** The newest `eventSeq` of each conversation. */
  readonly newest = new Map<string, number>()
  readonly reasons: Record<string, number> = {}

  readonly #context: SubscriberContext
  readonly #stop = new AbortController()
  /** The newest `eventSeq` of each conversation on this connection. */
  #onThisConnection: Map<string, number> | undefined
  /** The texts of messages that grow, as they were told. */
  readonly #growing = new Map<string, string>()
  #request: ClientRequest | undefined
  #awake = false
  #wakeUp: () => void = () => {}

  constructor (name: string, options: SubscriberOptions, context: SubscriberContext) {
    this.name = name
    this.options = options
    this.#context = context
  }

  /** Leaves before the end. No events are due from then on. */
  leave (): void {
    this.left = true
    this.stop()
  }

  /** Typing that began on the open connection and has not ended. */
  get typing (): Heard[] {
    const last = new Map<string, Heard>()
    for (const heard of this.heard) if (heard.type === 'typing' && heard.connection === this.openedAt.length - 1) last.set(`${heard.conversationId} ${heard.userId}`, heard)
    return [...last.values()].filter(
      ({ isTyping, conversationId, behind, connection }) => isTyping && !this.#isOut(conversationId, connection, behind)
    )
  }

  /** Whether the user was removed after an event. */
  #isOut (conversationId: string | undefined, connection: number, behind: number): boolean {
    return this.received.slice(behind).some(event => event.connection === connection && event.conversationId === conversationId && event.type === 'participantLeft' && event.userId === this.options.userId)
  }

  stop (): void {
    this.#stop.abort()
    this.#request?.destroy()
  }

  /** Reads on, and does not stop any more. */
  wake (): void {
    this.#awake = true
    this.#wakeUp()
  }

  async run (): Promise<void> {
    const { rng, model } = this.#context
    const { conversationId, userId } = this.options
    const { signal } = this.#stop
    while (!signal.aborted) {
      const epoch = conversationId === null ? 0 : model.membership(conversationId, userId).epoch
      const { reason, retryAfterMs } = await this.#connect()
      this.#count(reason ?? 'broken')
      if (signal.aborted) return
      if (retryAfterMs === null) {
        while (!signal.aborted && !this.#mayBeBack(epoch)) await model.change(signal)
      }
      await sleep(
        Math.min(retryAfterMs ?? rng.between(0, this.#onThisConnection === undefined ? 700 : 250), 700), undefined, { signal }
      ).catch(() => {})
    }
  }

  /** Whether to try again after a removal: the user was added again, or nobody knows. */
  #mayBeBack (epoch: number): boolean {
    const { state, epoch: now, doubtful } = this.#context.model.membership(this.options.conversationId!, this.options.userId)
    return doubtful || (state === 'in' && now !== epoch)
  }

  #count (reason: string): void {
    this.reasons[reason] = (this.reasons[reason] ?? 0) + 1
  }

  #problem (text: string): void {
    this.#context.problem(`${this.name}, connection ${this.openedAt.length}: ${text}`)
  }

  /** A connection, from the request to its end. */
  async #connect (): Promise<Ended> {
    const { rng, port, model, clocksJump } = this.#context
    const { userId, conversationId, echo, resumeBy } = this.options
    const seconds = rng.chance(0.1) ? rng.integer(3, 8) : LONG_S
    const token = mint(userId, seconds)
    // The token counts whole seconds.
    const expiresAt = clocksJump && seconds < LONG_S ? 0 : Math.floor(Date.now() / 1000 + seconds) * 1000
    const query = new URLSearchParams()
    const headers: Record<string, string> = {}
    if (conversationId !== null) query.set('conversationId', conversationId)
    if (echo) query.set('echo', 'true')
    const kind = rng.weighted({ header: 6, query: 3, ticket: 1 })
    if (kind === 'header') headers.authorization = `Bearer ${token}`
    else if (kind === 'query') query.set('token', token)
    else query.set('ticket', await this.#ticket())
    if (this.lastId !== undefined) {
      if (resumeBy === 'header') headers['last-event-id'] = this.lastId
      else query.set('lastEventId', this.lastId)
    }
    const epoch = conversationId === null ? 0 : model.membership(conversationId, userId).epoch
    this.openedAt.push(Date.now())
    this.#onThisConnection = undefined

    const response = await new Promise<IncomingMessage | undefined>(resolve => {
      this.#request = httpRequest({ host: '127.0.0.1', port: port(), path: `/api/sse?${query.toString()}`, headers, agent: false }, resolve)
      this.#request.setTimeout(SILENCE_MS, () => {
        this.#count(this.#onThisConnection === undefined ? 'no answer' : 'silent')
        this.#request?.destroy()
      })
      this.#request.on('error', () => { resolve(undefined) })
      this.#request.end()
    })
    if (response === undefined) return { reason: undefined, retryAfterMs: undefined }
    if (response.statusCode !== 200) return await this.#refused(response, kind === 'ticket', expiresAt, epoch)
    if (response.headers['content-type']?.startsWith('text/event-stream') !== true) this.#problem(`content type ${response.headers['content-type']}`)
    return await this.#read(response, kind === 'ticket' ? Infinity : expiresAt)
  }

  async #ticket (): Promise<string> {
    const { conversationId, userId } = this.options
    const { status, body } = await this.#context.api.call(userId, 'POST', '/api/sse/tickets', {})
    if (status !== 201) this.#problem(`a ticket for ${conversationId}: ${status}`)
    return String(body.ticket)
  }

  async #refused (response: IncomingMessage, byTicket: boolean, expiresAt: number, epoch: number): Promise<Ended> {
    const { model } = this.#context
    const { conversationId, userId } = this.options
    const chunks: Buffer[] = []
    response.on('data', (chunk: Buffer) => { chunks.push(chunk) })
    response.on('error', () => {})
    await new Promise<void>(resolve => response.once('close', () => { resolve() }))
    const { statusCode } = response
    const text = Buffer.concat(chunks).toString()
    if (statusCode === 404 && conversationId !== null && !model.wasIn(conversationId, userId, epoch)) return { reason: 'not found', retryAfterMs: null }
    // The connection broke after the ticket was used.
    if (statusCode === 401 && byTicket) return { reason: 'ticket', retryAfterMs: undefined }
    // A paused process responded late.
    if (statusCode === 401 && Date.now() >= expiresAt) return { reason: 'token_expired', retryAfterMs: 0 }
    if (statusCode === 429) return { reason: 'too many streams', retryAfterMs: 400 }
    this.#problem(`answered ${statusCode}: ${text}`)
    return { reason: `answer ${statusCode}`, retryAfterMs: 400 }
  }

  async #read (response: IncomingMessage, expiresAt: number): Promise<Ended> {
    const parser = new SseParser()
    const ended: Ended = { reason: undefined, retryAfterMs: undefined }
    const expiry = { at: expiresAt }
    let first = true
    response.on('data', (bytes: Buffer) => {
      try {
        for (const event of parser.push(bytes)) {
          if (ended.reason !== undefined) this.#problem(`${event.type} after disconnect`)
          this.#take(event, first, ended, expiry, parser.retry)
          first = false
        }
      } catch (error) {
        this.#problem(`${(error as Error).message}; ${this.openedAt.at(-1)}`)
        response.destroy()
      }
    })
    response.on('error', () => {})
    const rest = this.#napOnce(response)
    await new Promise<void>(resolve => response.once('close', () => { resolve() }))
    clearTimeout(rest.timer)
    return ended
  }

  /** Stops reading for a while. */
  #napOnce (response: IncomingMessage): { timer: NodeJS.Timeout | undefined } {
    const { rng } = this.#context
    const nap: { timer: NodeJS.Timeout | undefined } = { timer: undefined }
    if (!this.options.slow || this.#awake) return nap
    this.#wakeUp = () => {
      clearTimeout(nap.timer)
      this.#request?.setTimeout(SILENCE_MS)
      response.resume()
    }
    nap.timer = setTimeout(() => {
      response.pause()
      this.#request?.setTimeout(0)
      nap.timer = setTimeout(() => { this.#wakeUp() }, rng.between(NAP_MS.min, NAP_MS.max))
    }, rng.exponential(3000))
    return nap
  }

  #take ({ type, data: text, id }: SseEvent, first: boolean, ended: Ended, expiry: { at: number }, retry: number | undefined): void {
    const data = JSON.parse(text) as Record<string, unknown>
    if (id !== undefined) {
      if (!ID.test(id)) this.#problem(`a malformed id: ${id}`)
      if (type !== 'connected') this.lastId = id
    }
    if (type === 'disconnect') {
      ended.reason = String(data.reason)
      ended.retryAfterMs = data.retryAfterMs as number | null
      // One of several nodes may be unable to ask the database whether another one has renewed it.
      if (ended.reason === 'token_expired' && Date.now() < expiry.at - 1000 && this.#context.nodes === 1) this.#problem(`token_expired ${expiry.at - Date.now()} ms before its time`)
      if (['shutdown', 'too_slow', 'unavailable'].includes(ended.reason) && retry !== ended.retryAfterMs) this.#problem(`retry: ${retry} and retryAfterMs: ${ended.retryAfterMs}`)
      if (ended.reason === 'removed' && (ended.retryAfterMs !== null || this.options.conversationId === null)) this.#problem('removed, with a time to come back')
    } else if (first !== (type === 'connected')) {
      this.#problem(`${type} ${first ? 'before' : 'after'} connected`)
    } else if (type === 'connected') {
      this.#connected(data, id, expiry)
    } else if (type === 'reset') {
      this.#problem(`reset: ${text}, resumed from ${this.lastId}`)
    } else if (type === 'messageAppended') {
      this.#grow(data, id)
    } else if (EPHEMERAL.has(type)) {
      this.#hear(type, data, id)
    } else {
      this.#receive(type, data, id)
    }
  }

  #connected (data: Record<string, unknown>, id: string | undefined, expiry: { at: number }): void {
    if (id === undefined) return this.#problem('connected without an id')
    if (this.lastId !== undefined && this.lastId !== id) this.#problem(`resumed from ${this.lastId}, and connected says ${id}`)
    if (data.conversationId !== this.options.conversationId) this.#problem(`connected to ${String(data.conversationId)}`)
    this.#onThisConnection = new Map()
    this.start ??= id
    this.lastId = id
    this.#count('connected')
    if (expiry.at < Date.now() + 60_000 && this.#context.rng.chance(0.5)) void this.#renew(String(data.streamId), expiry)
  }

  async #renew (streamId: string, expiry: { at: number }): Promise<void> {
    const { api, nodes, model } = this.#context
    const { conversationId, userId } = this.options
    const epoch = conversationId === null ? 0 : model.membership(conversationId, userId).epoch
    const connection = this.openedAt.length
    const { status, attempts } = await api.call(this.options.userId, 'POST', `/api/sse/${streamId}/token`)
    if (status === 200) expiry.at = Date.now() + 3_600_000
    else if (nodes === 1 && attempts === 1 && connection === this.openedAt.length && expiry.at > Date.now() && (conversationId === null || model.wasIn(conversationId, userId, epoch))) this.#count(`renewal answered ${status}`)
  }

  #hear (type: string, data: Record<string, unknown>, id: string | undefined): void {
    const { userId, echo, conversationId } = this.options
    if (id !== undefined) this.#problem(`${type} with an id`)
    if (data.userId === userId && (type === 'onlineStatus' || !echo)) this.#problem(`one's own ${type}`)
    if (conversationId !== null && type === 'typing' && data.conversationId !== conversationId) this.#problem(`${type} of ${String(data.conversationId)}`)
    this.heard.push({
      conversationId: data.conversationId as string | undefined,
      type,
      connection: this.openedAt.length - 1,
      at: Date.now(),
      behind: this.received.length,
      userId: String(data.userId),
      isTyping: data.isTyping === true
    })
  }

  /** What a message has grown by is what its sender has said there; with one process, nothing before it is missing. */
  #grow (data: Record<string, unknown>, id: string | undefined): void {
    const { userId, echo, conversationId } = this.options
    const { messageId, offset, text } = data as { messageId: string, offset: number, text: string }
    if (id !== undefined) this.#problem('messageAppended with an id')
    if (conversationId !== null && data.conversationId !== conversationId) this.#problem(`messageAppended of ${String(data.conversationId)}`)
    const message = this.#context.model.message(messageId)
    if (message?.senderId === userId && !echo) this.#problem(`one's own messageAppended of ${messageId}`)
    if (message !== undefined && ![...message.texts].some(said => said.startsWith(text, offset))) this.#problem(`${messageId} has ${JSON.stringify(text)} at ${offset}`)
    const known = this.#growing.get(messageId) ?? ''
    if (offset > known.length) {
      this.#count('a gap in what grows')
      if (this.#context.nodes === 1) this.#problem(`${messageId} has grown from ${known.length} to ${offset} unheard`)
    }
    this.#growing.set(messageId, known.slice(0, offset).padEnd(offset) + text + known.slice(offset + text.length))
    this.heard.push({
      conversationId: String(data.conversationId),
      type: 'messageAppended',
      connection: this.openedAt.length - 1,
      at: Date.now(),
      behind: this.received.length,
      userId: message?.senderId ?? '',
      isTyping: false
    })
  }

  #receive (type: string, data: Record<string, unknown>, id: string | undefined): void {
    const { userId, echo } = this.options
    const conversationId = String(data.conversationId)
    const eventSeq = data.eventSeq as number
    if (id === undefined || !Number.isInteger(eventSeq)) return this.#problem(`${type} without an id or eventSeq`)
    if (this.options.conversationId !== null && this.options.conversationId !== conversationId) this.#problem(`an event of ${conversationId}`)
    if (type === 'message' && data.senderId === userId && !echo) this.#problem(`one's own message ${eventSeq}`)
    const before = (this.options.conversationId === null ? this.#onThisConnection : this.newest)?.get(conversationId)
    if (before !== undefined && eventSeq <= before) {
      this.#problem(`${conversationId}: ${type} ${eventSeq} after ${before}, id ${id}: twice, or out of order`)
    }
    if (data.growing === true) this.#growing.set(String(data.messageId), String(data.text))
    this.#onThisConnection?.set(conversationId, eventSeq)
    this.newest.set(conversationId, Math.max(this.newest.get(conversationId) ?? 0, eventSeq))
    this.received.push({
      connection: this.openedAt.length - 1,
      at: Date.now(),
      conversationId,
      eventSeq,
      type,
      userId: (data.userId ?? data.senderId) as string | undefined,
      messageId: data.messageId as string | undefined,
      textKey: typeof data.text === 'string' ? textKeyOf(data.text) : undefined
    })
  }
}
