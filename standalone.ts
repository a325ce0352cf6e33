import cors from '@fastify/cors'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import chat from './app.js'
import type { Config } from './config.js'
import { answerError, notFound } from './plugins/errors.js'

/** The standalone server's app: the chat with all that a host would bring. */
export async function buildServer (config: Config, options: Pick<FastifyServerOptions, 'logger'> = {}): Promise<FastifyInstance> {
  const app = Fastify({
    logger: { level: config.logLevel, serializers: { req: describeRequest } },
    trustProxy: config.trustProxy,
    // conversation ids run to 300 characters, each of which may take twelve in a URL
    routerOptions: { maxParamLength: 4000 },
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    frameworkErrors: (error, request, reply) => { answerError(error, request, reply) },
    ...options
  })
  app.setErrorHandler(answerError)
  app.setNotFoundHandler(notFound)
  if (config.corsOrigins.length > 0) {
    await app.register(cors, {
      origin: config.corsOrigins.includes('*') ? '*' : config.corsOrigins,
      methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
      allowedHeaders: ['Authorization', 'Content-Type', 'Last-Event-ID', 'Cache-Control'],
      exposedHeaders: ['Retry-After', 'X-RateLimit-Limit', 'X-RateLimit-Remaining', 'X-RateLimit-Reset'],
      maxAge: 86_400
    })
  }
  await app.register(chat, config.chat)
  return app
}

/** A request as the log shows it: without its query, which may hold a token. */
function describeRequest (request: { method: string, url: string, ip?: string }): Record<string, unknown> {
  return { method: request.method, url: request.url.split('?')[0], remoteAddress: request.ip }
}
