import cors from '@fastify/cors'
import Fastify, { LogController, type FastifyInstance, type FastifyServerOptions } from 'fastify'
import chat, { PARAM_LENGTH } from './app.js'
import type { Config } from './config.js'
import { chatError } from './errors.js'
import { ClientErrors } from './plugins/client-errors.js'
import { answerError, notFound } from './plugins/errors.js'
import { loggerOptions } from './plugins/logging.js'
import metricsRoutes from './routes/metrics.js'

/** Time to receive a whole request, in milliseconds. Streams are not affected: their request has been received when they start. */
const REQUEST_TIMEOUT_MS = 60_000
/** How often Node.js looks for requests that are over that time, in milliseconds. Its default is 30 seconds. */
const REQUEST_CHECK_MS = 2000

/** The characters of a host and a port (RFC 3986, 3.2.2 and 3.2.3). */
const HOST = /^[\w.~!$&'()*+,;=%:[\]-]*$/

/** Leaves out the lines of requests. Those of errors are written. */
export class WithoutRequests extends LogController {
  override incomingRequest (): void {}
  override requestCompleted (...[error, request, reply]: Parameters<LogController['requestCompleted']>): void {
    if (error != null) super.requestCompleted(error, request, reply)
  }
}

export type ServerOptions = Pick<FastifyServerOptions, 'logger' | 'logController' | 'schemaController' | 'requestTimeout'>

/** A server that answers every error in the chat's error shape, malformed HTTP included. */
function bareServer (config: Config, options: ServerOptions): FastifyInstance {
  const { requestTimeout = REQUEST_TIMEOUT_MS } = options
  const clientErrors = new ClientErrors()
  const app = Fastify({
    logger: { level: config.logLevel, ...loggerOptions },
    trustProxy: config.trustProxy,
    routerOptions: { maxParamLength: PARAM_LENGTH },
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    // A start limits its own waits for a database and a bus, and a migration takes as long as it takes
    pluginTimeout: 0,
    requestTimeout,
    // Node.js applies the smaller of the two timeouts to headers. It would answer a request without Host without a body.
    http: {
      requireHostHeader: false,
      requestTimeout,
      headersTimeout: requestTimeout,
      connectionsCheckingInterval: Math.min(REQUEST_CHECK_MS, requestTimeout)
    },
    clientErrorHandler: (error, socket) => { clientErrors.answer(error, socket) },
    frameworkErrors: (error, request, reply) => { answerError(error, request, reply) },
    ...options
  })
  clientErrors.watch(app.server)
  // An expectation other than 100-continue may be ignored (RFC 9110, 10.1.1). Node.js would answer it without a body.
  app.server.on('checkExpectation', (request, response) => { app.server.emit('request', request, response) })
  app.addHook('onRequest', async ({ raw: { httpVersion, rawHeaders } }) => {
    const hosts = hostsOf(rawHeaders)
    // RFC 9112, 3.2
    const isValid = hosts.length === 1 ? HOST.test(hosts[0]!) : hosts.length === 0 && httpVersion !== '1.1'
    if (!isValid) throw chatError('BAD_REQUEST')
  })
  if (config.trustProxy === true) {
    app.log.warn('TRUST_PROXY=on lets every client claim any address, so limits by address have no effect. List the addresses of the proxies instead')
  }
  app.setErrorHandler(answerError)
  app.setNotFoundHandler(notFound)
  return app
}

/** Node.js keeps only the first of several in `headers`. */
function hostsOf (rawHeaders: readonly string[]): string[] {
  const hosts = []
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!
    if (name.length === 4 && name.toLowerCase() === 'host') hosts.push(rawHeaders[index + 1]!)
  }
  return hosts
}

/** The app of the standalone server: the chat, and what a host would add. */
export async function buildServer (config: Config, options: ServerOptions = {}): Promise<FastifyInstance> {
  const app = bareServer(config, options)
  if (config.corsOrigins.length > 0) {
    // @fastify/cors would answer it in an error shape of its own.
    app.addHook('onRequest', async ({ method, headers }) => {
      const isPreflight = headers.origin !== undefined && headers['access-control-request-method'] !== undefined
      if (method === 'OPTIONS' && !isPreflight) throw chatError('BAD_REQUEST')
    })
    await app.register(cors, {
      origin: config.corsOrigins.includes('*') ? '*' : config.corsOrigins,
      methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
      // React-native-sse sends X-Requested-With
      allowedHeaders: ['Authorization', 'Content-Type', 'Last-Event-ID', 'Cache-Control', 'Range', 'If-Range', 'If-None-Match', 'X-Requested-With'],
      exposedHeaders: ['Retry-After', 'ETag', 'Accept-Ranges', 'Content-Range', 'Content-Disposition',
        'X-RateLimit-Limit', 'X-RateLimit-Remaining', 'X-RateLimit-Reset'],
      maxAge: 86_400
    })
  }
  await app.register(chat, config.chat)
  return app
}

/** Serves the app's metrics on a separate port. It closes with the app, after the last request to the app. */
export async function buildMetricsServer (config: Config, app: FastifyInstance, options: ServerOptions = {}): Promise<FastifyInstance> {
  const server = bareServer(config, options)
  await server.register(metricsRoutes, { metrics: app.chatMetrics })
  app.addHook('onClose', async () => { await server.close() })
  return server
}
