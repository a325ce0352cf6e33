import rateLimit from '@fastify/rate-limit'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { chatError } from '../errors.js'
import { bearerToken } from './auth.js'

export interface LimitsOptions {
  /** Calls a minute of one user, or of one address without a user. */
  perMinute: number
}

/** Limits how often one may call, with the usual headers (`x-ratelimit-…`, `Retry-After`). */
async function limitsPlugin (app: FastifyInstance, { perMinute }: LimitsOptions): Promise<void> {
  await app.register(rateLimit, {
    max: perMinute,
    timeWindow: 60_000,
    keyGenerator: async (request: FastifyRequest) => await userOf(app, request) ?? `address:${request.ip}`,
    errorResponseBuilder: (_request, { ttl }) => chatError('TOO_MANY_REQUESTS', { retryAfter: Math.ceil(ttl / 1000) })
  })
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
