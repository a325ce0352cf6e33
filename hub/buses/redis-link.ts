import type { Cluster, Redis, RedisOptions } from 'ioredis'
import { backoffMs } from './backoff.js'

const TIMEOUT_MS = 5000
/** Channels of one SUBSCRIBE command. */
const CHUNK = 1000

/** What differs between one server and a cluster. */
export interface Link {
  readonly commands: Redis | Cluster
  readonly isUp: boolean
  onUp(listener: () => void): void
  onDown(listener: () => void): void
  onMessage(listener: (channel: string, text: string) => void): void
  publish(messages: ReadonlyMap<string, string>): Promise<unknown>
  subscribe(channels: string[]): Promise<void>
  unsubscribe(channels: string[]): Promise<void>
  /** Ends connections whose peer does not answer, so that new ones are made. */
  probe(): Promise<void>
  /** Publishes nothing. Rejects when the server refuses that. */
  check(channel: string): Promise<unknown>
  disconnect(): void
}

const commonOptions = {
  connectTimeout: TIMEOUT_MS,
  commandTimeout: TIMEOUT_MS,
  retryStrategy: backoffMs,
  // What cannot be sent now is dropped: it would arrive too late
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  autoResubscribe: false
} satisfies RedisOptions

type LinkOptions = typeof commonOptions & { connectionName: string }

/** Connects to a server, or to the cluster that it is a node of. @throws when it does not answer */
export async function openLink (url: string, connectionName: string, onError: (error: unknown) => void): Promise<Link> {
  const options = { ...commonOptions, connectionName }
  // The driver is loaded only with Redis
  const driver = await import('ioredis')
  return await isCluster(driver, url)
    ? new ClusterLink(clusterOf(driver, url, options), onError)
    : new SingleLink(new driver.Redis(url, options), onError)
}

type Driver = Pick<typeof import('ioredis'), 'Redis' | 'Cluster'>

async function isCluster (driver: Driver, url: string): Promise<boolean> {
  const redis = new driver.Redis(url, { ...commonOptions, lazyConnect: true, retryStrategy: null })
  // `connect` throws the error, too
  redis.on('error', () => {})
  try {
    await redis.connect()
    return /^cluster_enabled:1/m.test(await redis.info('cluster').catch(() => ''))
  } finally {
    redis.disconnect()
  }
}

class SingleLink implements Link {
  readonly commands: Redis
  readonly #subscriber: Redis

  constructor (commands: Redis, onError: (error: unknown) => void) {
    this.commands = commands
    this.#subscriber = this.commands.duplicate()
    for (const connection of this.#both) connection.on('error', onError)
  }

  get #both (): Redis[] {
    return [this.commands, this.#subscriber]
  }

  get isUp (): boolean {
    return this.#both.every(({ status }) => status === 'ready')
  }

  onUp (listener: () => void): void {
    for (const connection of this.#both) connection.on('ready', () => { listener() })
  }

  onDown (listener: () => void): void {
    for (const connection of this.#both) connection.on('close', () => { listener() })
  }

  onMessage (listener: (channel: string, text: string) => void): void {
    this.#subscriber.on('message', listener)
  }

  async publish (messages: ReadonlyMap<string, string>): Promise<void> {
    const pipeline = this.commands.pipeline()
    for (const [channel, text] of messages) pipeline.publish(channel, text)
    await pipeline.exec()
  }

  async subscribe (channels: string[]): Promise<void> {
    for (let from = 0; from < channels.length; from += CHUNK) await this.#subscriber.subscribe(...channels.slice(from, from + CHUNK))
  }

  async unsubscribe (channels: string[]): Promise<void> {
    for (let from = 0; from < channels.length; from += CHUNK) await this.#subscriber.unsubscribe(...channels.slice(from, from + CHUNK))
  }

  async probe (): Promise<void> {
    await Promise.all(this.#both.map(async connection => {
      if (connection.status === 'ready') await connection.ping().catch(() => { connection.disconnect(true) })
    }))
  }

  async check (channel: string): Promise<unknown> {
    return await this.commands.publish(channel, '')
  }

  disconnect (): void {
    for (const connection of this.#both) connection.disconnect()
  }
}

function clusterOf (driver: Driver, url: string, options: LinkOptions): Cluster {
  const { hostname, port, username, password, protocol } = new URL(url)
  return new driver.Cluster([{ host: hostname, port: Number(port || 6379) }], {
    shardedSubscribers: true,
    enableOfflineQueue: false,
    clusterRetryStrategy: backoffMs,
    redisOptions: {
      ...options,
      ...(username === '' ? {} : { username: decodeURIComponent(username) }),
      ...(password === '' ? {} : { password: decodeURIComponent(password) }),
      ...(protocol === 'rediss:' ? { tls: {} } : {}),
      autoResubscribe: true
    }
  })
}

class ClusterLink implements Link {
  readonly commands: Cluster

  constructor (commands: Cluster, onError: (error: unknown) => void) {
    this.commands = commands
    this.commands.on('error', onError)
  }

  get isUp (): boolean {
    return this.commands.status === 'ready'
  }

  onUp (listener: () => void): void {
    for (const event of ['ready', 'subscribersReady']) this.commands.on(event, () => { listener() })
  }

  onDown (listener: () => void): void {
    for (const event of ['close', '-node', '-subscriber']) this.commands.on(event, () => { listener() })
  }

  onMessage (listener: (channel: string, text: string) => void): void {
    this.commands.on('smessage', listener)
  }

  async publish (messages: ReadonlyMap<string, string>): Promise<void> {
    // Each channel has its shard, so there is no common pipeline
    await Promise.allSettled([...messages].map(async ([channel, text]) => await this.commands.spublish(channel, text)))
  }

  async subscribe (channels: string[]): Promise<void> {
    await Promise.all(channels.map(async channel => await this.commands.ssubscribe(channel)))
  }

  async unsubscribe (channels: string[]): Promise<void> {
    await Promise.all(channels.map(async channel => await this.commands.sunsubscribe(channel)))
  }

  async probe (): Promise<void> {
    await Promise.all(this.commands.nodes('master').map(async node => {
      if (node.status === 'ready') await node.ping().catch(() => { node.disconnect(true) })
    }))
  }

  async check (channel: string): Promise<unknown> {
    return await this.commands.spublish(channel, '')
  }

  disconnect (): void {
    this.commands.disconnect()
  }
}
