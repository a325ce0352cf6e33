import cors from '@fastify/cors'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import chat, { PARAM_LENGTH } from './app.js'
import type { Config } from './config.js'
import { answerClientError, answerError, notFound } from './plugins/errors.js'
import { describeRequest } from './plugins/logging.js'

/** The standalone server's app: the chat with all that a host would bring. */
export async function buildServer (config: Config, options: Pick<FastifyServerOptions, 'logger' | 'schemaController'> = {}): Promise<FastifyInstance> {
  const app = Fastify({
    logger: { level: config.logLevel, serializers: { req: describeRequest } },
    trustProxy: config.trustProxy,
    routerOptions: { maxParamLength: PARAM_LENGTH },
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    clientErrorHandler: answerClientError,
    frameworkErrors: (error, request, reply) => { answerError(error, request, reply) },
    ...options
  })
  if (config.trustProxy === true) {
    app.log.warn('TRUST_PROXY=on: every client can name any address as its own, so that limits by address hold nobody up. Name the proxies instead')
  }
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
