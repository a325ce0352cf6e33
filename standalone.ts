import cors from '@fastify/cors'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import chat, { PARAM_LENGTH } from './app.js'
import type { Config } from './config.js'
import { chatError } from './errors.js'
import { ClientErrors } from './plugins/client-errors.js'
import { answerError, notFound } from './plugins/errors.js'
import { loggerOptions } from './plugins/logging.js'
import metricsRoutes from './routes/metrics.js'

/** How long a request may take to come in, in milliseconds. A stream's has come in when the stream begins. */
const REQUEST_TIMEOUT_MS = 60_000
/** How often Node.js looks for requests that took longer, in milliseconds; its default is half a minute. */
const REQUEST_CHECK_MS = 2000

export type ServerOptions = Pick<FastifyServerOptions, 'logger' | 'schemaController' | 'requestTimeout'>

/** A server whose every answer, also to what isn't HTTP, has the chat's shape of errors. */
function bareServer (config: Config, options: ServerOptions): FastifyInstance {
  const { requestTimeout = REQUEST_TIMEOUT_MS } = options
  const clientErrors = new ClientErrors()
  const app = Fastify({
    logger: { level: config.logLevel, ...loggerOptions },
    trustProxy: config.trustProxy,
    routerOptions: { maxParamLength: PARAM_LENGTH },
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    requestTimeout,
    // headers have no longer: of two limits Node.js takes the smaller one for them
    // and Node.js would refuse a request without Host by an answer without a body
    http: { requireHostHeader: false, requestTimeout, headersTimeout: requestTimeout, connectionsCheckingInterval: Math.min(REQUEST_CHECK_MS, requestTimeout) },
    clientErrorHandler: (error, socket) => { clientErrors.answer(error, socket) },
    frameworkErrors: (error, request, reply) => { answerError(error, request, reply) },
    ...options
  })
  clientErrors.watch(app.server)
  // what a client expects beside 100-continue may be ignored (RFC 9110, 10.1.1); Node.js would refuse it without a body
  app.server.on('checkExpectation', (request, response) => { app.server.emit('request', request, response) })
  app.addHook('onRequest', async ({ raw: { httpVersion, headers } }) => {
    // RFC 9112, 3.2
    if (httpVersion === '1.1' && headers.host === undefined) throw chatError('BAD_REQUEST')
  })
  if (config.trustProxy === true) {
    app.log.warn('TRUST_PROXY=on: every client can name any address as its own, so that limits by address hold nobody up. Name the proxies instead')
  }
  app.setErrorHandler(answerError)
  app.setNotFoundHandler(notFound)
  return app
}

/** The standalone server's app: the chat with all that a host would bring. */
export async function buildServer (config: Config, options: ServerOptions = {}): Promise<FastifyInstance> {
  const app = bareServer(config, options)
  if (config.corsOrigins.length > 0) {
    // @fastify/cors would refuse it in words of its own
    app.addHook('onRequest', async ({ method, headers }) => {
      if (method === 'OPTIONS' && (headers.origin === undefined || headers['access-control-request-method'] === undefined)) throw chatError('BAD_REQUEST')
    })
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

/** What shows the app's metrics on a port of its own. It closes with the app, after the last request there. */
export async function buildMetricsServer (config: Config, app: FastifyInstance, options: ServerOptions = {}): Promise<FastifyInstance> {
  const server = bareServer(config, options)
  await server.register(metricsRoutes, { metrics: app.chatMetrics })
  app.addHook('onClose', async () => { await server.close() })
  return server
}
