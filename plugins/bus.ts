import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { LocalBus, type Bus } from '../hub/bus.js'
import { RedisBus } from '../hub/buses/redis.js'

export interface BusPluginOptions {
  /** Redis or Valkey. Default: the database where it is PostgreSQL; none where it is SQLite. */
  redisUrl?: string
  /** The chat's own database. */
  databaseUrl: string
  /** The host's own; it stays open when the app closes. */
  bus?: Bus
}

declare module 'fastify' {
  interface FastifyInstance {
    /** What carries events between this node and the others. */
    chatBus: Bus
  }
}

/**
 * Opens the bus to the other nodes. One that is away doesn't keep the app from starting: until it is back the hub reads
 * in the log what other nodes have written, every second.
 */
async function busPlugin (app: FastifyInstance, { redisUrl, databaseUrl, bus }: BusPluginOptions): Promise<void> {
  if (bus !== undefined) {
    app.decorate('chatBus', bus)
    return
  }
  const { installation, provider } = app.chatDatabase
  // the message alone: the error may hold the command, and that the password
  const onError = (error: unknown): void => {
    app.log.warn(`chat: the bus to other nodes is away: ${error instanceof Error ? error.message : String(error)}`)
  }
  const own: Bus & { open(): Promise<void> } = redisUrl !== undefined
    ? new RedisBus({ url: redisUrl, installation, onError })
    : provider === 'postgresql'
      ? new (await import('../hub/buses/postgres.js')).PostgresBus({ url: databaseUrl, installation, onError })
      : new LocalBus()
  await own.open()
  app.decorate('chatBus', own)
  app.addHook('onClose', async () => { await own.close() })
}

export default fp(busPlugin, { name: 'fastify-sse-chat-bus', fastify: '5.x', dependencies: ['fastify-sse-chat-database'] })
