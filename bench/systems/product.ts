import { join } from 'node:path'
import { Caller, callAll, each, type Call } from '../load/caller.js'
import { EventStream } from '../load/event-stream.js'
import { Preamble } from '../load/preamble.js'
import type { Sink } from '../load/sink.js'
import { SECRET, tokenOf } from '../load/token.js'
import { end, profileArgs, root, spawnServer, temporaryFolder } from './spawn.js'
import type { Broadcaster, OpenStream, System } from './system.js'

export interface ProductOptions {
  /** Default: a new SQLite file, removed with the run. */
  databaseUrl?: string
  env?: Record<string, string>
}

/** The standalone server, `node dist/server.js`, as anybody would run it. */
export class Product implements System {
  readonly name = 'fastify-sse-chat'
  #server: Awaited<ReturnType<typeof spawnServer>>
  readonly #env: Record<string, string>
  readonly #remove: () => void

  private constructor (server: Awaited<ReturnType<typeof spawnServer>>, env: Record<string, string>, remove: () => void) {
    this.#server = server
    this.#env = env
    this.#remove = remove
  }

  static async start ({ databaseUrl, env = {} }: ProductOptions = {}): Promise<Product> {
    const folder = databaseUrl === undefined ? temporaryFolder() : undefined
    const all = {
      HOST: '127.0.0.1',
      PORT: '0',
      DATABASE_URL: databaseUrl ?? `file:${join(folder!.path, 'chat.db')}`,
      JWT_SECRET: SECRET,
      LOG_LEVEL: 'warn',
      NODE_ENV: 'production',
      MAX_STREAMS_PER_USER: '1000',
      // None within a run, so that what is compared is the events
      HEARTBEAT_MS: '3600000',
      ...env
    }
    return new Product(await Product.#spawn(all), all, () => { folder?.remove() })
  }

  static async #spawn (env: Record<string, string>): ReturnType<typeof spawnServer> {
    return await spawnServer(process.execPath, [...profileArgs(), join(root, 'dist', 'server.js')], env, /listens on http:\/\/127\.0\.0\.1:(\d+)/)
  }

  get pid (): number {
    return this.#server.child.pid!
  }

  get port (): number {
    return Number(this.#server.match[1])
  }

  async stop (): Promise<void> {
    await end(this.#server.child)
    this.#remove()
  }

  /** Kills the process and starts another one on what it left. */
  async crash (): Promise<void> {
    await end(this.#server.child)
    this.#server = await Product.#spawn(this.#env)
  }

  async stopGently (): Promise<void> {
    await end(this.#server.child, 'SIGTERM')
    this.#server = await Product.#spawn(this.#env)
  }

  /** Makes calls on 16 connections. */
  async calls<T> (items: readonly T[], callOf: (item: T) => Call, answered?: (call: Call, body: string) => void): Promise<void> {
    const callers = Array.from({ length: 16 }, () => new Caller(this.port))
    await callAll(callers, each(items, callOf), (call, { body }) => answered?.(call, body))
    for (const caller of callers) caller.close()
  }

  async get<T> (path: string, userId: string): Promise<T> {
    let text = ''
    await this.calls([path], path => ({ method: 'GET', path, userId }), (_, body) => { text = body })
    return JSON.parse(text) as T
  }

  async makeUsers (userIds: readonly string[]): Promise<void> {
    await this.calls(userIds, userId => ({ method: 'GET', path: '/api/chat/me', userId }))
  }

  /** Makes a group of the users, owned by the first. */
  async makeGroup (userIds: readonly string[]): Promise<string> {
    const [owner, ...others] = userIds as [string, ...string[]]
    let id = ''
    await this.calls([owner], userId => ({
      method: 'POST', path: '/api/chat/conversations', userId, body: { type: 'group', participantIds: others }
    }), (_, body) => { id = (JSON.parse(body) as { id: string }).id })
    return id
  }

  /** Opens a stream; `connected` gets its first event's text. */
  open (
    userId: string, conversationId: string | undefined, sink: Sink, connected: (text: string) => void, headers: Record<string, string> = {}
  ): OpenStream {
    const query = conversationId === undefined ? '' : `?conversationId=${encodeURIComponent(conversationId)}`
    return new EventStream(this.port, `/api/sse${query}`, { Authorization: `Bearer ${tokenOf(userId)}`, ...headers }, new Preamble(sink, connected))
  }
}

/** The product with one group. */
export class ProductRoom implements Broadcaster {
  readonly ordered = true
  readonly sparesSenders = true
  readonly name: string
  readonly product: Product
  #conversationId = ''

  private constructor (product: Product) {
    this.product = product
    this.name = product.name
  }

  static async start (options: ProductOptions = {}): Promise<ProductRoom> {
    return new ProductRoom(await Product.start(options))
  }

  get pid (): number {
    return this.product.pid
  }

  get port (): number {
    return this.product.port
  }

  userId (member: number): string {
    return `member-${member}`
  }

  async prepare (members: number): Promise<void> {
    const ids = Array.from({ length: members }, (_, member) => this.userId(member))
    await this.product.makeUsers(ids)
    this.#conversationId = await this.product.makeGroup(ids)
  }

  open (member: number, sink: Sink, connected: () => void): OpenStream {
    return this.product.open(this.userId(member), this.#conversationId, sink, connected)
  }

  post (member: number, text: string): Call {
    return { method: 'POST', path: '/api/chat/messages', userId: this.userId(member), body: { conversationId: this.#conversationId, text } }
  }

  async verify (answers: readonly string[]): Promise<void> {
    await this.product.crash()
    const kept: string[] = []
    for (let after = 0, hasMore = true; hasMore;) {
      const page = await this.product.get<{ messages: Array<{ id: string, seq: number }>, hasMore: boolean }>(
        `/api/chat/conversations/${this.#conversationId}/messages?after=${after}&limit=100`, this.userId(0))
      for (const { id, seq } of page.messages) {
        if (seq !== ++after) throw new Error(`void: message ${seq} is kept at ${after}`)
        kept.push(id)
      }
      hasMore = page.hasMore
    }
    const set = new Set(kept)
    if (kept.length !== answers.length || answers.some(id => !set.has(id))) throw new Error(`void: ${answers.length} messages were answered and ${kept.length} kept`)
  }

  async stop (): Promise<void> {
    await this.product.stop()
  }
}
