import { createHash, randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster, Redis } from 'ioredis'
import { loadPackage } from '../../packages.js'
import type { Bus } from '../bus.js'
import { backoffMs } from './backoff.js'
import { Outbox } from './outbox.js'
import { openLink, type Link } from './redis-link.js'

export interface RedisBusOptions {
  /** `redis://…` or `rediss://…`: Redis or Valkey, alone or any node of a cluster. */
  url: string
  /** Identifies the installation, so that several can use one server. */
  installation: string
  /** Called with the reason when a connection breaks or cannot be made; once until both are back. */
  onError?: (error: unknown) => void
}

const PROBE_MS = 5000
/** Redis carries 512 MB, but a large message holds up other subscribers. */
const MESSAGE_MAX_BYTES = 1024 * 1024
/** Time that a start waits for the bus, in milliseconds. */
const PATIENCE_MS = 2000

/** Channels of one command: composing a longer one would block this process. */
const SYNCED_MAX = 1000

interface Letter { channel: string, message: string }

/**
 * Publish and subscribe of Redis or Valkey, with one connection that sends and one that receives. On a cluster they are
 * sharded: a message goes to the shard of its channel, instead of to all.
 */
export class RedisBus implements Bus {
  readonly maxMessageBytes = MESSAGE_MAX_BYTES
  readonly #options: RedisBusOptions
  /** Prefix of all channel names of this installation. */
  readonly prefix: string
  readonly #origin = randomBytes(6).toString('base64url')
  readonly #outbox = new Outbox<Letter>(async letters => { await this.#publishAll(letters) })
  readonly #wanted = new Set<string>()
  #subscribing = new Set<string>()
  #syncing: Promise<boolean> | undefined
  #link: Link | undefined
  #probe: NodeJS.Timeout | undefined
  #connected = false
  #connectedBefore = false
  #complained = false
  #closed = false
  #deliver: (message: string) => void = () => {}
  #reconnected: () => void = () => {}

  constructor (options: RedisBusOptions) {
    this.#options = options
    this.prefix = `chat:${createHash('sha256').update(options.installation).digest('hex').slice(0, 20)}:`
  }

  /** Connects. If that takes too long, goes on in the background. @throws {PackageError} when the driver is absent */
  async open (): Promise<void> {
    await loadPackage('ioredis', 'The option redisUrl (REDIS_URL)', async () => await import('ioredis'))
    const gaveUp = new AbortController()
    await Promise.race([this.#start(), sleep(PATIENCE_MS, undefined, { signal: gaveUp.signal, ref: false })])
    gaveUp.abort()
  }

  get connected (): boolean {
    return this.#connected
  }

  /** For other uses of the same server, such as counting. Undefined until it was connected once. */
  get commands (): Redis | Cluster | undefined {
    return this.#link?.commands
  }

  onMessage (listener: (message: string) => void): void {
    this.#deliver = listener
  }

  onReconnect (listener: () => void): void {
    this.#reconnected = listener
  }

  publish (channel: string, message: () => string): void {
    if (this.#link?.commands.status !== 'ready' || this.#closed) return
    const text = message()
    this.#outbox.put({ channel, message: text }, text.length)
  }

  listen (channel: string): Promise<void> {
    this.#wanted.add(channel)
    return this.#sync().then(() => {})
  }

  unlisten (channel: string): void {
    if (this.#wanted.delete(channel)) void this.#sync()
  }

  async close (): Promise<void> {
    await this.#outbox.flushed()
    this.#closed = true
    this.#connected = false
    clearInterval(this.#probe)
    this.#link?.disconnect()
  }

  // ---- the connections

  /** Resolves when messages pass. */
  async #start (): Promise<void> {
    const { url } = this.#options
    const onError = (error: unknown): void => { this.#complain(error) }
    for (let attempt = 0; this.#link === undefined && !this.#closed; attempt++) {
      try {
        this.#link = await openLink(url, this.prefix.slice(0, -1), onError)
      } catch (error) {
        onError(error)
        await sleep(backoffMs(attempt), undefined, { ref: false })
      }
    }
    const link = this.#link
    if (link === undefined || this.#closed) return link?.disconnect()
    link.onMessage((channel, text) => { this.#receive(channel, text) })
    link.onDown(() => { this.#connected = false })
    this.#probe = setInterval(() => {
      void link.probe()
      // A cluster may come back without an event, and a server may grant or revoke a right
      void this.#passes(link).then(async passes => { if (passes) await this.#up(link) })
    }, PROBE_MS)
    this.#probe.unref()
    await new Promise<void>(resolve => {
      const up = async (): Promise<void> => {
        await this.#up(link)
        if (this.#connected) resolve()
      }
      link.onUp(() => { void up() })
      void up()
    })
  }

  /** The connections are established, for the first time or again, and nothing is subscribed to. */
  async #up (link: Link): Promise<void> {
    if (!link.isUp || this.#connected || this.#closed) return
    await this.#syncing
    this.#subscribing = new Set()
    if (!await this.#passes(link) || !await this.#sync()) return
    if (!link.isUp || this.#connected || this.#closed) return
    this.#connected = true
    this.#complained = false
    if (this.#connectedBefore) this.#reconnected()
    this.#connectedBefore = true
  }

  /** Whether the server accepts messages. A read-only server, or one that refuses the user, still answers a ping. */
  async #passes (link: Link): Promise<boolean> {
    if (!link.isUp) return false
    try {
      await link.check(`${this.prefix}probe`)
      return true
    } catch (error) {
      this.#refused(error)
      return false
    }
  }

  #refused (error: unknown): void {
    this.#connected = false
    this.#complain(error)
  }

  #complain (error: unknown): void {
    if (this.#complained || this.#closed) return
    this.#complained = true
    this.#options.onError?.(error)
  }

  // ---- channels

  /** @returns whether all channels are subscribed to */
  async #sync (): Promise<boolean> {
    this.#syncing ??= this.#syncAll().finally(() => { this.#syncing = undefined })
    return await this.#syncing
  }

  async #syncAll (): Promise<boolean> {
    // All of one turn together
    await new Promise(resolve => setImmediate(resolve))
    while (this.#link?.isUp === true) {
      const missing = [...this.#wanted].filter(channel => !this.#subscribing.has(channel)).slice(0, SYNCED_MAX)
      const needless = [...this.#subscribing].filter(channel => !this.#wanted.has(channel)).slice(0, SYNCED_MAX)
      if (missing.length === 0 && needless.length === 0) return true
      for (const channel of missing) this.#subscribing.add(channel)
      for (const channel of needless) this.#subscribing.delete(channel)
      try {
        await this.#link.subscribe(missing.map(channel => this.prefix + channel))
        await this.#link.unsubscribe(needless.map(channel => this.prefix + channel))
      } catch (error) {
        // The connection is broken, or lacks the right. Another round subscribes to all channels
        this.#refused(error)
        return false
      }
    }
    return false
  }

  // ---- messages

  /** Joins the messages of a channel to one. */
  async #publishAll (letters: Letter[]): Promise<void> {
    const messages = new Map<string, string>()
    for (const { channel, message } of letters) {
      messages.set(this.prefix + channel, `${messages.get(this.prefix + channel) ?? this.#origin}\n${message}`)
    }
    await this.#link?.publish(messages)
  }

  #receive (channel: string, text: string): void {
    const [origin, ...messages] = text.split('\n')
    if (origin === this.#origin || !this.#wanted.has(channel.slice(this.prefix.length))) return
    for (const message of messages) this.#deliver(message)
  }
}
