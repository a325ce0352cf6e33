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
  const { installation } = app.chatDatabase
  // Only the message: the error may contain the command, which may contain the password.
  const onError = (error: unknown): void => {
    app.log.warn(`chat: the bus to other nodes is away: ${error instanceof Error ? error.message : String(error)}`)
  }
  const own = await openBus({ redisUrl, databaseUrl, installation, onError })
  app.decorate('chatBus', own)
  app.addHook('onClose', async () => { await own.close() })
}

/** Opens the bus of an installation: Redis if there is a URL for it, else PostgreSQL if that is the database, else none. */
export async function openBus (
  { redisUrl, databaseUrl, installation, onError }:
  { redisUrl: string | undefined, databaseUrl: string, installation: string, onError: (error: unknown) => void }
): Promise<Bus> {
  const bus: Bus & { open(): Promise<void> } = redisUrl !== undefined
    ? new RedisBus({ url: redisUrl, installation, onError })
    : databaseUrl.startsWith('file:')
      ? new LocalBus()
      : new (await import('../hub/buses/postgres.js')).PostgresBus({ url: databaseUrl, installation, onError })
  await bus.open()
  return bus
}

export default fp(busPlugin, { name: 'fastify-sse-chat-bus', fastify: '5.x', dependencies: ['fastify-sse-chat-database'] })
