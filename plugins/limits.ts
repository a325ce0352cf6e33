import rateLimit, { type FastifyRateLimitStore, type FastifyRateLimitStoreCtor } from '@fastify/rate-limit'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { countedAddress } from '../chat/address.js'
import { chatError } from '../errors.js'
import { bearerToken } from './auth.js'
import { sharedCount, type CountCall } from './counting.js'

export interface LimitsOptions {
  /** Maximum number of requests per minute of one user, or of one address if there is no user. */
  perMinute: number
}

const WINDOW_MS = 60_000
/** Maximum time that a request waits to be counted, in milliseconds. */
const PATIENCE_MS = 1000

/**
 * Limits the rate of requests to the routes that are registered after it, with the usual headers (`x-ratelimit-…`,
 * `Retry-After`). `config: { rateLimit: false }` exempts a route, and a service key its requests. Requests that can't be counted pass.
 */
async function limitsPlugin (app: FastifyInstance, { perMinute }: LimitsOptions): Promise<void> {
  const count = sharedCount(app)
  await app.register(rateLimit, {
    max: perMinute,
    timeWindow: WINDOW_MS,
    store: storeOf(count),
    skipOnError: true,
    allowList: request => app.chatCallers.isService(request),
    keyGenerator: async request => await userOf(app, request) ?? `address:${countedAddress(request.ip)}`,
    errorResponseBuilder: (_request, { ttl }) => chatError('TOO_MANY_REQUESTS', { retryAfter: Math.ceil(ttl / 1000) })
  })
}

function storeOf (count: CountCall): FastifyRateLimitStoreCtor {
  return class Store implements FastifyRateLimitStore {
    incr (key: string, callback: (error: Error | null, result?: { current: number, ttl: number }) => void, windowMs: number): void {
      inTime(count(key, windowMs)).then(
        now => { callback(null, { current: now.count, ttl: Math.max(1, now.leftMs) }) },
        (error: Error) => { callback(error) })
    }

    child (): this {
      return this
    }
  }
}

async function inTime<T> (work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => { reject(new Error('The request was not counted in time')) }, PATIENCE_MS)
  })
  return await Promise.race([work, late]).finally(() => { clearTimeout(timer) })
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
