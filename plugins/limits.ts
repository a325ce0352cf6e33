import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { LRUCache } from 'lru-cache'
import { chatError } from '../errors.js'
import { RedisBus } from '../hub/buses/redis.js'
import type { Count } from '../store/counters.js'
import { bearerToken } from './auth.js'
import { countInRedis } from './redis-counters.js'

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Counts a call that is not to be refused with 429 (its route has `config: { unlimited: true }`): milliseconds until
     * it may be made, 0: now. There with a limit only.
     */
    countCall?(request: FastifyRequest): Promise<number>
  }
  interface FastifyContextConfig {
    unlimited?: boolean
  }
}

export interface LimitsOptions {
  /** Calls a minute of one user, or of one address without a user. */
  perMinute: number
}

/** One call more. */
type CountCall = (key: string, windowMs: number) => Promise<Count>

const WINDOW_MS = 60_000
const CALLERS_MAX = 100_000

/** Limits how often one may call, with the usual headers (`x-ratelimit-…`, `Retry-After`). */
async function limitsPlugin (app: FastifyInstance, { perMinute }: LimitsOptions): Promise<void> {
  const count = sharedCount(app) ?? countInMemory()

  /** Undefined: nothing can be counted just now, and the call passes. */
  const counted = async (request: FastifyRequest): Promise<Count | undefined> => {
    const key = await userOf(app, request) ?? `address:${request.ip}`
    return await count(key, WINDOW_MS).catch(() => undefined)
  }

  // a hook of the scope, so that it goes before the question who calls: calls without a user count, too
  app.addHook('onRequest', async (request, reply) => {
    if (request.routeOptions.config.unlimited === true) return
    const now = await counted(request)
    if (now === undefined) return
    const seconds = Math.max(1, Math.ceil((now.expiresAt - Date.now()) / 1000))
    reply.headers({ 'x-ratelimit-limit': perMinute, 'x-ratelimit-remaining': Math.max(0, perMinute - now.count), 'x-ratelimit-reset': seconds })
    if (now.count > perMinute) throw chatError('TOO_MANY_REQUESTS', { retryAfter: seconds })
  })
  app.decorate('countCall', async (request: FastifyRequest) => {
    const now = await counted(request)
    return now === undefined || now.count <= perMinute ? 0 : Math.max(1, now.expiresAt - Date.now())
  })
}

/** Where all nodes count together: in Redis, else in PostgreSQL. Undefined: there is one node. */
function sharedCount ({ chat, chatBus, chatDatabase }: FastifyInstance): CountCall | undefined {
  if (chatBus instanceof RedisBus) return async (key, windowMs) => await countInRedis(chatBus, key, windowMs)
  if (chatDatabase.provider === 'postgresql') return async (key, windowMs) => await chat.counters.add(`calls:${key}`, windowMs)
  return undefined
}

function countInMemory (): CountCall {
  const counts = new LRUCache<string, Count>({ max: CALLERS_MAX })
  return async (key, windowMs) => {
    const running = counts.get(key)
    const count = running !== undefined && running.expiresAt > Date.now() ? running : { count: 0, expiresAt: Date.now() + windowMs }
    count.count++
    counts.set(key, count)
    return count
  }
}

async function userOf (app: FastifyInstance, { headers, query }: FastifyRequest): Promise<string | undefined> {
  const token = bearerToken(headers.authorization) ?? (query as Record<string, unknown>).token
  if (typeof token !== 'string' || !app.hasDecorator('chatAuth')) return undefined
  try {
    return `user:${(await app.chatAuth.verify(token)).userId}`
  } catch {
    return undefined
  }
}

export default fp(limitsPlugin, { name: 'fastify-sse-chat-limits', fastify: '5.x' })
