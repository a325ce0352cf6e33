import { createHmac, randomBytes, randomUUID, sign, type KeyObject } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import type { FastifyInstance, InjectOptions } from 'fastify'
import pg from 'pg'
import type { Test } from 'tap'
import type { ChatAppOptions } from '../app.js'
import type { Conversation } from '../schemas/conversations.js'
import type { OwnMessage as Message } from '../schemas/messages.js'
import { loggerOptions } from '../plugins/logging.js'
import { PostgresClock } from '../store/shared-clock.js'
import { buildServer } from '../standalone.js'
import { openEvents, type EventReader } from './event-reader.js'
import { makePostgres, makeSqlite } from './migrated.js'
import { assertDocumented } from './refusals.js'

export const SECRET = 'a secret for tests only, 32 bytes or more'

export interface BuildOptions {
  /** Options of the chat. The database is a throw-away one unless it is named here. */
  chat?: Partial<ChatAppOptions>
  corsOrigins?: string[]
  /** Receives the lines of the log. Default: they are dropped. */
  log?: Writable
  /** How long a request may take to arrive, in milliseconds. */
  requestTimeout?: number
}

/** The app of the standalone server, with the chat on a throw-away database. It is closed after the test. */
export async function build (t: Test, { chat = {}, corsOrigins = [], log, requestTimeout }: BuildOptions = {}): Promise<FastifyInstance> {
  const store = chat.databaseUrl === undefined ? await throwAwayStore() : undefined
  // After the app is closed: what was added last runs first.
  if (store !== undefined) t.teardown(store.remove)
  const app = await buildServer(
    {
      host: '127.0.0.1',
      port: 0,
      logLevel: 'silent',
      trustProxy: false,
      corsOrigins,
      chat: {
        ...(chat.authenticate === undefined ? { jwt: { secret: SECRET } } : {}),
        health: true,
        metrics: true,
        ...store?.options,
        ...chat
      }
    },
    {
      ...(requestTimeout === undefined ? {} : { requestTimeout }),
      ...(log === undefined ? {} : { logger: { level: 'trace', stream: log, ...loggerOptions } })
    })
  t.teardown(async () => {
    await app.close()
    assertDocumented(app)
  })
  await app.ready()
  return app
}

type StoreOptions = Pick<ChatAppOptions, 'databaseUrl' | 'databaseSchema'> & { redisUrl?: string }

/**
 * The database and bus of the API's tests, chosen here and nowhere else: a SQLite file of its own, or with
 * TEST_CHAT_DATABASE_URL a PostgreSQL schema of its own. TEST_CHAT_REDIS_URL names the bus.
 */
export async function throwAwayStore (): Promise<{ options: StoreOptions, remove: () => Promise<void> }> {
  const { TEST_CHAT_DATABASE_URL: databaseUrl, TEST_CHAT_REDIS_URL: redisUrl } = process.env
  const bus = redisUrl === undefined ? {} : { redisUrl }
  if (databaseUrl === undefined) {
    const folder = mkdtempSync(join(tmpdir(), 'chat-test-'))
    const file = join(folder, 'chat.db')
    makeSqlite(file)
    return {
      options: { databaseUrl: `file:${file}`, ...bus },
      remove: async () => { rmSync(folder, { recursive: true, force: true }) }
    }
  }
  const databaseSchema = `test_${randomBytes(6).toString('hex')}`
  await makePostgres(databaseUrl, databaseSchema)
  return {
    options: { databaseUrl, databaseSchema, ...bus },
    async remove () {
      const client = new pg.Client({ connectionString: databaseUrl })
      await client.connect()
      await client.query(`DROP SCHEMA IF EXISTS ${databaseSchema} CASCADE`)
      await client.end()
    }
  }
}

// ---- tokens, made without the code under test

export interface TokenOptions {
  /** A text for HS256 and the like, a private key for other algorithms. */
  key?: string | KeyObject
  alg?: string
  header?: Record<string, unknown>
}

/** A JWT (RFC 7519) with these claims. It expires in an hour unless `exp` says otherwise; undefined means never. */
export function token (claims: Record<string, unknown>, { key = SECRET, alg = 'HS256', header = {} }: TokenOptions = {}): string {
  const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url')
  const exp = Math.floor(Date.now() / 1000) + 3600
  const content = `${encode({ alg, typ: 'JWT', ...header })}.${encode({ exp, ...claims })}`
  return `${content}.${signatureOf(content, alg, key).toString('base64url')}`
}

function signatureOf (content: string, alg: string, key: string | KeyObject): Buffer {
  if (alg === 'none') return Buffer.alloc(0)
  const bits = alg.slice(2)
  if (alg.startsWith('HS')) return createHmac(`sha${bits}`, key).update(content).digest()
  if (alg === 'EdDSA') return sign(null, Buffer.from(content), key)
  return sign(`sha${bits}`, Buffer.from(content), { key: key as KeyObject, dsaEncoding: 'ieee-p1363' })
}

// ---- messages

/** How much is written: events in the log, messages, and what hangs on them. It must not change where a call is refused. */
export async function written ({ chatDatabase }: FastifyInstance): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const table of ['events', 'messages', 'reactions', 'mentions', 'attachments', 'marks', 'users']) {
    const [row] = await chatDatabase.read.query<{ count: number | bigint }>(`SELECT count(*) AS count FROM chat_${table}`)
    counts[table] = Number(row!.count)
  }
  return counts
}

/** A message as events carry it: without what differs by caller. */
export function shared<M extends { myReactions?: unknown }> ({ myReactions: _, ...message }: M): Omit<M, 'myReactions'> {
  return message
}

// ---- users

/** The response to a call, with the body as the test expects it. */
export interface Answer<Body = Record<string, unknown>> {
  status: number
  body: Body
  headers: Record<string, string | string[] | number | undefined>
}

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** Calls the app without a socket. A body is sent as JSON. */
export async function call<Body = Record<string, unknown>> (app: FastifyInstance, method: Method, url: string, options: Pick<InjectOptions, 'headers' | 'payload'> = {}): Promise<Answer<Body>> {
  const { statusCode, headers, payload } = await app.inject({ method, url, ...options })
  const isJson = String(headers['content-type']).startsWith('application/json')
  return { status: statusCode, headers, body: (isJson ? JSON.parse(payload) : payload) as Body }
}

/** A user of the app, with a token. */
export class User {
  readonly id: string
  readonly app: FastifyInstance
  token: string

  constructor (app: FastifyInstance, id: string, claims: Record<string, unknown> = {}, options: TokenOptions = {}) {
    this.app = app
    this.id = id
    this.token = token({ sub: id, ...claims }, options)
  }

  async call<Body = Record<string, unknown>> (method: Method, url: string, body?: unknown): Promise<Answer<Body>> {
    return await call<Body>(this.app, method, url, {
      headers: { authorization: `Bearer ${this.token}` },
      ...(body === undefined ? {} : { payload: body as object })
    })
  }

  /** The body of a response, which must be a success. */
  async ok<Body = Record<string, unknown>> (method: Method, url: string, body?: unknown): Promise<Body> {
    const answer = await this.call<Body>(method, url, body)
    if (answer.status >= 300) throw new Error(`${method} ${url}: ${answer.status} ${JSON.stringify(answer.body)}`)
    return answer.body
  }

  /** Makes the user known to the service. */
  async arrive (): Promise<this> {
    await this.ok('GET', '/api/chat/me')
    return this
  }

  async send (conversationId: string, text: string, more: Record<string, unknown> = {}): Promise<Message> {
    return await this.ok('POST', '/api/chat/messages', { conversationId, text, ...more })
  }

  /** The id of the direct conversation with another user. */
  async direct (other: User): Promise<string> {
    await other.arrive()
    return (await this.ok<Conversation>('POST', '/api/chat/conversations', { type: 'direct', userId: other.id })).id
  }

  /** The id of a new group with these other users. */
  async group (others: User[], title?: string): Promise<string> {
    for (const other of others) await other.arrive()
    return (await this.ok<Conversation>('POST', '/api/chat/conversations',
      { type: 'group', title, participantIds: others.map(({ id }) => id) })).id
  }

  async conversation (conversationId: string): Promise<Conversation> {
    return await this.ok('GET', `/api/chat/conversations/${encodeURIComponent(conversationId)}`)
  }

  async mark (message: Pick<Message, 'id'>, status: 'delivered' | 'read'): Promise<Record<string, unknown>> {
    return await this.ok('PUT', `/api/chat/messages/${message.id}/status`, { status })
  }

  async typing (conversationId: string, isTyping: boolean): Promise<void> {
    await this.ok('POST', '/api/chat/typing', { conversationId, isTyping })
  }

  /** Opens a stream over a real socket, and waits for its `connected` event. The app must listen. */
  async stream (t: Test, query: Record<string, string> = {}, headers: Record<string, string> = {}): Promise<EventReader> {
    const reader = await this.openStream(t, query, headers)
    await reader.next('connected')
    return reader
  }

  /** Like `stream`, but nothing has been read yet. */
  async openStream (t: Test, query: Record<string, string> = {}, headers: Record<string, string> = {}): Promise<EventReader> {
    const url = `${baseUrl(this.app)}/api/sse?${new URLSearchParams(query).toString()}`
    return await openEvents(t, url, { authorization: `Bearer ${this.token}`, ...headers })
  }
}

export const user = (app: FastifyInstance, id: string, claims?: Record<string, unknown>, options?: TokenOptions): User =>
  new User(app, id, claims, options)

/** Several users at once. */
export const users = (app: FastifyInstance, ...ids: string[]): User[] => ids.map(id => user(app, id))

/** Listens on a loopback port, which streams need. */
export async function listen (app: FastifyInstance): Promise<string> {
  return await app.listen({ host: '127.0.0.1', port: 0 })
}

export function baseUrl (app: FastifyInstance): string {
  const address = app.server.address()
  if (address === null || typeof address === 'string') throw new Error('listen first')
  return `http://127.0.0.1:${address.port}`
}

/** An app that listens, for tests of streams. */
export async function buildListening (t: Test, options: BuildOptions = {}): Promise<FastifyInstance> {
  const app = await build(t, options)
  await listen(app)
  return app
}

/** Ids that no other test uses. */
export const uniqueId = (prefix = 'u'): string => `${prefix}${randomUUID().replaceAll('-', '')}`

// ---- time

export interface Travel {
  /** Lets this many milliseconds pass at once, and waits for what they cause. */
  advance(ms: number): Promise<void>
}

/** Shorter than a node's lease lasts after it was renewed. */
const STEP_MS = 8000

/**
 * The clocks of the process, which the test moves forward together with the timers that do not keep the process alive:
 * the server's. The clock of the database server moves with them. Time passes in steps, so that leases are renewed on
 * the way.
 */
export function travel (t: Test): Travel {
  const now = Date.now
  const performanceNow = performance.now
  const observe = PostgresClock.prototype.observe
  const { setTimeout: set, clearTimeout: clear } = globalThis
  const timers = new Map<unknown, { dueAt: number, timer: NodeJS.Timeout, ring: () => void }>()
  let offset = 0
  Date.now = () => now.call(Date) + offset
  performance.now = () => performanceNow.call(performance) + offset
  PostgresClock.prototype.observe = function ({ clock }, askedAt) { observe.call(this, { clock: Number(clock) + offset }, askedAt) }
  globalThis.setTimeout = Object.assign((ring: () => void, ms = 0) => {
    const timer = set(() => {
      timers.delete(timer)
      ring()
    }, ms)
    timers.set(timer, { dueAt: performance.now() + ms, timer, ring })
    return timer
  }, set)
  globalThis.clearTimeout = timer => {
    timers.delete(timer)
    clear(timer)
  }
  t.teardown(() => {
    Date.now = now
    performance.now = performanceNow
    PostgresClock.prototype.observe = observe
    globalThis.setTimeout = set
    globalThis.clearTimeout = clear
  })
  return {
    async advance (ms) {
      for (let left = ms; left > 0; left -= STEP_MS) {
        offset += Math.min(left, STEP_MS)
        for (const { dueAt, timer, ring } of [...timers.values()]) {
          if (timer.hasRef() || dueAt > performance.now()) continue
          clearTimeout(timer)
          ring()
        }
        // Gives the server time to react.
        await new Promise(resolve => set(resolve, 70))
      }
    }
  }
}
