import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { LocalBus, type Bus } from '../hub/bus.js'
import { RedisBus } from '../hub/buses/redis.js'

export interface BusPluginOptions {
  /** Redis or Valkey. Default: PostgreSQL if that is the database, else none. */
  redisUrl?: string
  /** URL of the chat's database. */
  databaseUrl: string
  /** The host's own bus. It stays open when the app closes. */
  bus?: Bus
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Carries events between this node and the others. */
    chatBus: Bus
  }
}

/**
 * Opens the bus to the other nodes. The app also starts while the bus is away: until it is back, the hub reads the events of
 * other nodes from the log, once a second.
 */
async function busPlugin (app: FastifyInstance, { redisUrl, databaseUrl, bus }: BusPluginOptions): Promise<void> {
  if (bus !== undefined) {
    app.decorate('chatBus', bus)
    return
  }
  const { installation, provider } = app.chatDatabase
  // Only the message: the error may contain the command, which may contain the password.
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
