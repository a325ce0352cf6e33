import { createHash, randomBytes } from 'node:crypto'
import pg from 'pg'
import type { Bus } from '../bus.js'
import { backoffMs } from './backoff.js'
import { Outbox } from './outbox.js'

export interface PostgresBusOptions {
  /** `postgres://…`: the database itself. A pooler that shares connections between transactions cannot LISTEN. */
  url: string
  /** Identifies the installation, so that several can use one server. */
  installation: string
  /** Called with the reason when the connection breaks or cannot be made; once until it is back. */
  onError?: (error: unknown) => void
}

/**
 * PostgreSQL compares every notification with every channel that a backend listens on, so topics share this many channels. A
 * node drops what it does not listen for, unparsed.
 */
const CHANNELS = 256
/** A payload must be shorter than 8,000 bytes. */
const PAYLOAD_MAX = 7900
/** Bytes of a payload beside its message, at most: the sender, and the name of a channel for all nodes. */
const ENVELOPE_BYTES = 100
const PROBE_MS = 5000
const TIMEOUT_MS = 5000

interface Letter { channel: string, message: string }

/**
 * LISTEN and NOTIFY of PostgreSQL, on their own connection. Notifications are never part of a chat transaction, since NOTIFY
 * holds a lock on the whole database until the end of the commit.
 */
export class PostgresBus implements Bus {
  readonly maxMessageBytes = PAYLOAD_MAX - ENVELOPE_BYTES
  readonly #options: PostgresBusOptions
  readonly #prefix: string
  readonly #origin = randomBytes(6).toString('base64url')
  readonly #outbox = new Outbox<Letter>(async letters => { await this.#notify(letters) })
  /** PostgreSQL channel → the channels that it carries for this node. */
  readonly #wanted = new Map<string, Set<string>>()
  #listening = new Set<string>()
  /** What is called when transactions notify these PostgreSQL channels. */
  readonly #heard = new Map<string, () => void>()
  #syncing: Promise<void> | undefined
  #client: pg.Client | undefined
  /** Drops the client's connection, for a new one. */
  #lose: (error: unknown) => void = () => {}
  #connecting: Promise<void> | undefined
  #asked: Promise<unknown> = Promise.resolve()
  #retry: NodeJS.Timeout | undefined
  #probe: NodeJS.Timeout | undefined
  #attempt = 0
  #closed = false
  #deliver: (message: string) => void = () => {}
  #reconnected: () => void = () => {}

  constructor (options: PostgresBusOptions) {
    this.#options = options
    this.#prefix = `chat_${createHash('sha256').update(options.installation).digest('hex').slice(0, 20)}_`
  }

  /** Connects. If that fails, retries in the background. */
  async open (): Promise<void> {
    this.#connecting = this.#connect()
    await this.#connecting
  }

  get connected (): boolean {
    return this.#client !== undefined
  }

  onMessage (listener: (message: string) => void): void {
    this.#deliver = listener
  }

  onReconnect (listener: () => void): void {
    this.#reconnected = listener
  }

  publish (channel: string, message: () => string, short?: () => string): void {
    if (this.#client === undefined || this.#closed) return
    let text = message()
    let bytes = this.#entryBytes(channel, text)
    if (bytes > PAYLOAD_MAX && short !== undefined) {
      text = short()
      bytes = this.#entryBytes(channel, text)
    }
    if (bytes <= PAYLOAD_MAX) this.#outbox.put({ channel, message: text }, bytes)
  }

  listen (channel: string): Promise<void> {
    const carrier = this.#carrier(channel)
    let channels = this.#wanted.get(carrier)
    if (channels === undefined) this.#wanted.set(carrier, channels = new Set())
    channels.add(channel)
    return this.#sync()
  }

  unlisten (channel: string): void {
    const carrier = this.#carrier(channel)
    const channels = this.#wanted.get(carrier)
    if (channels?.delete(channel) !== true || channels.size > 0) return
    this.#wanted.delete(carrier)
    void this.#sync()
  }

  /** The name needs no escaping: lower-case letters, digits and `_`. */
  hear (channel: string, listener: () => void): void {
    this.#heard.set(channel, listener)
    const client = this.#client
    if (client !== undefined) this.#change(client, 'LISTEN', [channel]).catch((error: unknown) => { this.#failed(client, error) })
  }

  async close (): Promise<void> {
    await this.#outbox.flushed()
    this.#closed = true
    clearTimeout(this.#retry)
    clearInterval(this.#probe)
    await this.#connecting
    const client = this.#client
    this.#client = undefined
    await client?.end().catch(() => {})
  }

  #carrier (channel: string): string {
    // FNV-1a
    let hash = 0x811c9dc5
    for (let index = 0; index < channel.length; index++) hash = Math.imul(hash ^ channel.charCodeAt(index), 0x01000193)
    return this.#prefix + ((hash >>> 0) % CHANNELS).toString(16)
  }

  #entryBytes (channel: string, message: string): number {
    return Buffer.byteLength(JSON.stringify(channel)) + Buffer.byteLength(message) + 2 + this.#origin.length
  }

  // ---- the connection

  async #connect (): Promise<void> {
    const client = new pg.Client({
      connectionString: this.#options.url,
      fallback_application_name: 'fastify-sse-chat bus',
      connectionTimeoutMillis: TIMEOUT_MS,
      query_timeout: TIMEOUT_MS,
      keepAlive: true
    })
    let lost = false
    const lose = (error?: unknown): void => {
      if (lost) return
      lost = true
      void client.end().catch(() => {})
      if (error !== undefined && this.#attempt === 0) this.#options.onError?.(error)
      this.#lost(client)
    }
    client.on('error', lose)
    client.on('end', () => { lose() })
    client.on('notification', ({ channel, payload }) => {
      const heard = this.#heard.get(channel)
      if (heard !== undefined) heard()
      else if (payload !== undefined) this.#receive(payload)
    })
    try {
      await client.connect()
      // A notification that is lost in a crash is read from the log, so it need not wait for the disk
      await this.#ask(client, 'SET synchronous_commit = off')
      await this.#check(client)
      await this.#listenToAll(client)
    } catch (error) {
      return lose(error)
    }
    if (lost) return
    const again = this.#attempt > 0
    this.#attempt = 0
    this.#client = client
    this.#lose = lose
    this.#probe = setInterval(() => { this.#check(client).catch(lose) }, PROBE_MS)
    this.#probe.unref()
    // Channels that were added in the meantime
    void this.#sync()
    for (const heard of this.#heard.values()) heard()
    if (again) this.#reconnected()
  }

  #lost (client: pg.Client): void {
    if (this.#client === client) {
      this.#client = undefined
      clearInterval(this.#probe)
      this.#outbox.clear()
    }
    if (this.#closed) return
    this.#retry = setTimeout(() => { this.#connecting = this.#connect() }, backoffMs(this.#attempt++))
    this.#retry.unref()
  }

  // ---- listening

  async #listenToAll (client: pg.Client): Promise<void> {
    this.#listening = new Set(this.#wanted.keys())
    await this.#change(client, 'LISTEN', [...this.#listening, ...this.#heard.keys()])
  }

  /** Makes the connection listen on all channels that are wanted. Resolves when it does. */
  async #sync (): Promise<void> {
    this.#syncing ??= this.#syncAll().finally(() => { this.#syncing = undefined })
    await this.#syncing
  }

  async #syncAll (): Promise<void> {
    // All of one turn together
    await new Promise(resolve => setImmediate(resolve))
    for (let client = this.#client; client !== undefined; client = this.#client) {
      const missing = [...this.#wanted.keys()].filter(carrier => !this.#listening.has(carrier))
      const needless = [...this.#listening].filter(carrier => !this.#wanted.has(carrier))
      if (missing.length === 0 && needless.length === 0) return
      for (const carrier of missing) this.#listening.add(carrier)
      for (const carrier of needless) this.#listening.delete(carrier)
      try {
        await this.#change(client, 'LISTEN', missing)
        await this.#change(client, 'UNLISTEN', needless)
      } catch (error) {
        // The connection is broken, or lacks the right. The next one listens on all channels
        return this.#failed(client, error)
      }
    }
  }

  /** Channel names need no escaping: a prefix and hexadecimal digits. */
  async #change (client: pg.Client, verb: 'LISTEN' | 'UNLISTEN', channels: Iterable<string>): Promise<void> {
    const statements = [...channels].map(channel => `${verb} ${channel}`)
    if (statements.length > 0) await this.#ask(client, statements.join(';'))
  }

  /** Rejects when nothing can be published: the server is unavailable, is a standby, or refuses. */
  async #check (client: pg.Client): Promise<void> {
    await this.#ask(client, { text: 'SELECT pg_notify($1, $2)', values: [`${this.#prefix}probe`, ''] })
  }

  #failed (client: pg.Client, error: unknown): void {
    if (client === this.#client) this.#lose(error)
  }

  /** Runs one query at a time, since the driver will stop queueing them. */
  async #ask (client: pg.Client, query: string | pg.QueryConfig): Promise<unknown> {
    const asked = this.#asked.catch(() => {}).then(async () => await client.query(query))
    this.#asked = asked
    return await asked
  }

  // ---- messages

  /** Sends all with one statement. Messages for the same channel share payloads. */
  async #notify (letters: Letter[]): Promise<void> {
    const payloads = new Map<string, Array<{ text: string, bytes: number }>>()
    for (const { channel, message } of letters) {
      const carrier = this.#carrier(channel)
      const text = `\n${JSON.stringify(channel)}\n${message}`
      const bytes = Buffer.byteLength(text)
      const list = payloads.get(carrier) ?? []
      payloads.set(carrier, list)
      const last = list.at(-1)
      if (last !== undefined && last.bytes + bytes < PAYLOAD_MAX) {
        last.text += text
        last.bytes += bytes
      } else {
        list.push({ text: this.#origin + text, bytes: this.#origin.length + bytes })
      }
    }
    const pairs = [...payloads].flatMap(([carrier, list]) => list.map(({ text }) => [carrier, text] as const))
    const client = this.#client
    if (client === undefined) return
    try {
      await this.#ask(client, {
        name: 'chat_notify',
        text: 'SELECT count(pg_notify(channel, payload)) FROM unnest($1::text[], $2::text[]) AS letters (channel, payload)',
        values: [pairs.map(([carrier]) => carrier), pairs.map(([, payload]) => payload)]
      })
    } catch (error) {
      // What was lost is read from the log. A new connection may work
      this.#failed(client, error)
    }
  }

  #receive (payload: string): void {
    const [origin, ...lines] = payload.split('\n')
    if (origin === this.#origin) return
    for (let index = 0; index + 1 < lines.length; index += 2) {
      const channel = JSON.parse(lines[index]!) as string
      if (this.#wanted.get(this.#carrier(channel))?.has(channel) === true) this.#deliver(lines[index + 1]!)
    }
  }
}
