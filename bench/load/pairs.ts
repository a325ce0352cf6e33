import { cpuMicros } from '../measure/process.js'
import { until } from '../measure/statistics.js'
import type { Product } from '../systems/product.js'
import type { OpenStream } from '../systems/system.js'
import { Caller, callAll, type Call } from './caller.js'
import { Reader, type ReadEvent } from './reader.js'

const CONNECTIONS = 64
const DRAIN_MS = 30_000

/** A conversation of two, or a group: `a` writes, `b` has a stream. */
export interface Pair {
  a: string
  b: string
  /** Of those who have no stream. */
  others: readonly string[]
  conversationId: string
  /** Newest message. */
  messageId: string
  /** What the newest message has grown to. */
  length: number
  /** The message that `a` has reacted to. */
  reactedTo: string
  seq: number
  eventSeq: number
}

export interface Work { calls: number, cpuMicros: number, latencies: number[] }

/**
 * Conversations of two, or of more. Every other `b` follows the one conversation, the others all of theirs. Each stream is read and
 * checked: nothing of others, `seq` and `eventSeq` without a hole.
 */
export class Pairs {
  readonly all: Pair[]
  readonly #product: Product
  readonly #callers: Caller[]
  readonly #streams: OpenStream[] = []
  readonly #sentAt = new Map<string, number>()
  #latencies: number[] = []
  /** Events that came, and that have to. */
  #came = 0
  #due = 0
  #posted = 0

  constructor (product: Product, count: number, others: readonly string[] = []) {
    this.#product = product
    const kind = others.length === 0 ? '' : 'group-'
    this.all = Array.from({ length: count }, (_, index) => {
      const [a, b] = [`${kind}writer-${index}`, `${kind}reader-${index}`]
      return { a, b, others, conversationId: '', messageId: '', length: 0, reactedTo: '', seq: 0, eventSeq: 1 }
    })
    this.#callers = Array.from({ length: CONNECTIONS }, () => new Caller(product.port))
  }

  async open (): Promise<void> {
    await this.#product.makeUsers([...new Set(this.all.flatMap(({ a, b, others }) => [a, b, ...others]))])
    const byWriter = new Map(this.all.map(pair => [pair.a, pair]))
    await this.#product.calls(this.all,
      ({ a, b, others }) => ({
        method: 'POST',
        path: '/api/chat/conversations',
        userId: a,
        body: others.length === 0 ? { type: 'direct', userId: b } : { type: 'group', participantIds: [b, ...others] }
      }),
      ({ userId }, body) => { byWriter.get(userId)!.conversationId = (JSON.parse(body) as { id: string }).id })
    let connected = 0
    for (const [index, pair] of this.all.entries()) {
      const reader = new Reader(event => { this.#read(pair, event) })
      this.#streams.push(this.#product.open(pair.b, index % 2 === 0 ? pair.conversationId : undefined, reader, () => { connected++ }))
      if (index - connected > 200) await until(() => index - connected < 100, DRAIN_MS, 'opening')
    }
    await until(() => connected === this.all.length, DRAIN_MS, 'opening all streams')
  }

  /** A message to each conversation in turn, or another call that brings one event, for so long. */
  async messages (ms: number, callOf: (pair: Pair) => Call = pair => this.message(pair)): Promise<Work> {
    const end = performance.now() + ms
    let index = 0
    return await this.work(() => performance.now() < end ? callOf(this.all[index++ % this.all.length]!) : undefined, 1)
  }

  message ({ a, conversationId }: Pair, more: object = {}): Call {
    const mark = `${this.#posted++}`
    this.#sentAt.set(mark, performance.now())
    return { method: 'POST', path: '/api/chat/messages', userId: a, body: { conversationId, text: `${mark} a message as people send them, of some sixty characters`, ...more } }
  }

  reply (pair: Pair): Call {
    return this.message(pair, { replyToId: pair.messageId })
  }

  /** Sends a message that grows. */
  growing (pair: Pair): Call {
    pair.length = 0
    return { method: 'POST', path: '/api/chat/messages', userId: pair.a, body: { conversationId: pair.conversationId, text: '', growing: true } }
  }

  /** Appends twenty characters to the newest message, which grows. */
  append (pair: Pair): Call {
    const body = { offset: pair.length, text: ' twenty of them, all' }
    pair.length += body.text.length
    return { method: 'POST', path: `/api/chat/messages/${pair.messageId}/append`, userId: pair.a, body }
  }

  finish ({ a, messageId }: Pair): Call {
    return { method: 'POST', path: `/api/chat/messages/${messageId}/finish`, userId: a, body: { text: 'done' } }
  }

  /** Mentions all but `a`, each at a place in the text. */
  mentioning (pair: Pair): Call {
    return this.message(pair, { mentions: [pair.b, ...pair.others].map((userId, index) => ({ userId, start: 5 * index, length: 4 })) })
  }

  /** Reacts to the newest message, or takes that back. */
  reaction (pair: Pair): Call {
    const { a, messageId } = pair
    const method = pair.reactedTo === messageId ? 'DELETE' : 'PUT'
    pair.reactedTo = method === 'PUT' ? messageId : ''
    return { method, path: `/api/chat/messages/${messageId}/reactions/%F0%9F%91%8D`, userId: a }
  }

  /** Calls as fast as they are answered; each brings so many events to a stream. */
  async work (next: () => Call | undefined, eventsEach: number): Promise<Work> {
    this.#latencies = []
    const cpu = cpuMicros(this.#product.pid)
    let calls = 0
    await callAll(this.#callers, next, () => { calls++ })
    this.#due += calls * eventsEach
    await until(() => this.#came >= this.#due, DRAIN_MS, 'that every stream has its events')
    const used = cpuMicros(this.#product.pid) - cpu
    if (this.#came !== this.#due) throw new Error(`void: ${this.#came} events came and ${this.#due} were due`)
    if (this.#streams.some(({ closed }) => closed)) throw new Error('void: a stream was closed')
    return { calls, cpuMicros: used, latencies: this.#latencies }
  }

  /** The first word of the text that was sent last. */
  get newestMark (): string {
    return `${this.#posted - 1}`
  }

  /** Kills the server: what was answered is kept. */
  async verify (): Promise<void> {
    await this.#product.crash()
    for (const pair of this.all.slice(0, 100)) {
      const { lastMessage } = await this.#product.get<{ lastMessage: { id: string, seq: number } | null }>(`/api/chat/conversations/${pair.conversationId}`, pair.a)
      if ((lastMessage?.seq ?? 0) !== pair.seq) throw new Error(`void: message ${pair.seq} was answered, and ${lastMessage?.seq} is the last one kept`)
    }
  }

  close (): void {
    for (const stream of this.#streams) stream.close()
    for (const caller of this.#callers) caller.close()
  }

  #read (pair: Pair, { type, data }: ReadEvent): void {
    this.#came++
    if (type === 'onlineStatus' ? data.userId !== pair.a : data.conversationId !== pair.conversationId) throw new Error(`void: ${pair.b} got an event of others`)
    if (data.eventSeq !== undefined && data.eventSeq !== ++pair.eventSeq) throw new Error(`void: event ${String(data.eventSeq)} came, and ${pair.eventSeq} was next`)
    if (type !== 'message') return
    if (data.seq !== ++pair.seq) throw new Error(`void: message ${String(data.seq)} came, and ${pair.seq} was next`)
    pair.messageId = data.id as string
    const sentAt = this.#sentAt.get((data.text as string).split(' ', 1)[0]!)
    if (sentAt !== undefined) this.#latencies.push(performance.now() - sentAt)
  }
}

export const perCall = ({ cpuMicros, calls }: Pick<Work, 'cpuMicros' | 'calls'>): number => cpuMicros / calls
