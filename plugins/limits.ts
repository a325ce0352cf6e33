import rateLimit, { type FastifyRateLimitStore } from '@fastify/rate-limit'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { chatError } from '../errors.js'
import { RedisBus } from '../hub/buses/redis.js'
import type { Count } from '../store/counters.js'
import { bearerToken } from './auth.js'
import { countInRedis } from './redis-counters.js'

export interface LimitsOptions {
  /** Calls a minute of one user, or of one address without a user. */
  perMinute: number
}

/** One call more. */
type CountCall = (key: string, windowMs: number) => Promise<Count>

const WINDOW_MS = 60_000

/** Limits how often one may call, with the usual headers (`x-ratelimit-…`, `Retry-After`). */
async function limitsPlugin (app: FastifyInstance, { perMinute }: LimitsOptions): Promise<void> {
  const count = sharedCount(app)
  await app.register(rateLimit, {
    max: perMinute,
    timeWindow: WINDOW_MS,
    ...(count === undefined ? {} : { store: storeOver(count) }),
    // while nothing can be counted the calls pass
    skipOnError: true,
    keyGenerator: async (request: FastifyRequest) => await userOf(app, request) ?? `address:${request.ip}`,
    errorResponseBuilder: (_request, { ttl }) => chatError('TOO_MANY_REQUESTS', { retryAfter: Math.ceil(ttl / 1000) })
  })
}

/** Where all nodes count together: in Redis, else in PostgreSQL. Undefined: there is one node, which counts in memory. */
function sharedCount ({ chat, chatBus, chatDatabase }: FastifyInstance): CountCall | undefined {
  if (chatBus instanceof RedisBus) return async (key, windowMs) => await countInRedis(chatBus, key, windowMs)
  if (chatDatabase.provider === 'postgresql') return async (key, windowMs) => await chat.counters.add(`calls:${key}`, windowMs)
  return undefined
}

function storeOver (count: CountCall): new () => FastifyRateLimitStore {
  return class Store implements FastifyRateLimitStore {
    incr (key: string, done: (error: Error | null, result?: { current: number, ttl: number }) => void): void {
      count(key, WINDOW_MS).then(
        ({ count: current, expiresAt }) => { done(null, { current, ttl: Math.max(1, expiresAt - Date.now()) }) },
        (error: Error) => { done(error) })
    }

    child (): FastifyRateLimitStore {
      return this
    }
  }
}

async function userOf (app: FastifyInstance, { headers }: FastifyRequest): Promise<string | undefined> {
  const token = bearerToken(headers.authorization)
  if (token === undefined || !app.hasDecorator('verifyToken')) return undefined
  try {
    return `user:${(await app.verifyToken(token)).userId}`
  } catch {
    return undefined
  }
}

export default fp(limitsPlugin, { name: 'fastify-sse-chat-limits', fastify: '5.x' })
