import type { FastifyInstance, FastifyPluginAsync, RegisterOptions } from 'fastify'
import fp from 'fastify-plugin'
import type { Bus } from './hub/bus.js'
import authPlugin, { type JwtOptions } from './plugins/auth.js'
import busPlugin from './plugins/bus.js'
import callerPlugin from './plugins/caller.js'
import chatPlugin from './plugins/chat.js'
import databasePlugin from './plugins/database.js'
import docsPlugin from './plugins/docs.js'
import errorsPlugin from './plugins/errors.js'
import type { HostAuthenticate } from './plugins/host-caller.js'
import hubPlugin, { hubBounds } from './plugins/hub.js'
import limitsPlugin from './plugins/limits.js'
import { logSerializers } from './plugins/logging.js'
import metricsPlugin from './plugins/metrics.js'
import { checkJwt, checkNumbers, checkTypes, OptionError, type Bounds } from './plugins/options.js'
import validationPlugin from './plugins/validation.js'
import accountRoutes from './routes/accounts.js'
import conversationRoutes from './routes/conversations.js'
import healthRoutes from './routes/health.js'
import messageRoutes from './routes/messages.js'
import metricsRoutes from './routes/metrics.js'
import pageRoutes from './routes/page.js'
import sseRoutes from './routes/sse.js'
import streamRoutes from './routes/streams.js'
import userRoutes from './routes/users.js'

/** Options of the chat inside another app. Exactly one of `jwt` and `authenticate` is required. */
export interface ChatAppOptions {
  /** Put before every path: `/chat` gives `/chat/api/chat/messages`. Default: none. */
  prefix?: string
  /** `file:…` (SQLite) or `postgres://…`. Default: `file:./data/chat.db`. */
  databaseUrl?: string
  /** PostgreSQL: the schema that holds the tables. Default: `?schema=` in the URL, else `fastify_sse_chat`. */
  databaseSchema?: string
  /** Redis or Valkey, to carry events between nodes. Default: PostgreSQL carries them; with SQLite there is one node. */
  redisUrl?: string
  /** The host's own bus, instead of Redis or PostgreSQL. The host closes it, after the app. */
  bus?: Bus
  jwt?: JwtOptions
  /** Tells who sends a request, instead of tokens. */
  authenticate?: HostAuthenticate
  /** Register and login. Requires `jwt.secret`. Default: false. */
  accounts?: boolean
  /** The page to chat in, at the prefix. Default: false. */
  page?: boolean
  /** `/health/live` and `/health/ready`. Default: false. */
  health?: boolean
  /** `/metrics` in the Prometheus text format. `'apart'`: only `app.chatMetrics`, to be served on another port. Default: false. */
  metrics?: boolean | 'apart'
  /** `/api/openapi.json`. Default: true. */
  docs?: boolean
  /** Milliseconds between the heartbeats of a stream. Default: 30,000. */
  heartbeatMs?: number
  /** Milliseconds after which a stream is closed if its peer has read nothing. Default: 300,000. */
  staleAfterMs?: number
  /** Maximum number of open streams of one user. Default: 20. */
  maxStreamsPerUser?: number
  /** Maximum number of conversations of one user, direct ones included. Default: 10,000. */
  maxConversationsPerUser?: number
  /** Maximum number of groups that one user may create in a day. Default: 1,000. */
  maxGroupsPerDay?: number
  /** Maximum number of open streams in this process. Default: no limit. */
  maxStreams?: number
  /** Maximum number of unsent bytes in one stream. Default: 1 MiB. */
  streamBufferBytes?: number
  /** Days for which events are kept in the log. Default: as long as the conversation exists. */
  eventRetentionDays?: number
  /** Maximum number of requests per minute of one user, or of one address if there is no user. Default: no limit. */
  rateLimitPerMinute?: number
}

/** Conversation ids have up to 300 characters, and each may take twelve in a URL. The host's router has to allow that. */
export const PARAM_LENGTH = 3600
/** Maximum size of a request body, in bytes. */
export const BODY_LIMIT = 64 * 1024

/**
 * The chat as a Fastify plugin. Decorates `app.chat` and `app.hub`. Its routes, error handler and validation stay in a scope of
 * their own.
 */
const chat: FastifyPluginAsync<ChatAppOptions> = async (app, options) => {
  checkOptions(options)
  const { prefix = '', databaseUrl = 'file:./data/chat.db', databaseSchema, heartbeatMs, staleAfterMs, streamBufferBytes } = options

  await app.register(databasePlugin, defined({ url: databaseUrl, schema: databaseSchema }))
  await app.register(busPlugin, defined({ databaseUrl, redisUrl: options.redisUrl, bus: options.bus }))
  await app.register(hubPlugin, defined({
    bus: app.chatBus, now: () => app.chatDatabase.clock.now(), heartbeatMs, staleAfterMs, bufferBytes: streamBufferBytes
  }))
  const { maxStreamsPerUser, maxConversationsPerUser, maxGroupsPerDay, eventRetentionDays, accounts } = options
  await app.register(chatPlugin, defined({ maxStreamsPerUser, maxConversationsPerUser, maxGroupsPerDay, eventRetentionDays, accounts }))

  if (countsMetrics(options)) await app.register(metricsPlugin)

  const { maxParamLength = 100 } = (app.initialConfig as { routerOptions?: { maxParamLength?: number } }).routerOptions ?? app.initialConfig
  if (maxParamLength < PARAM_LENGTH) {
    app.log.warn(`chat: ids that take more than ${maxParamLength} characters in a URL are not found. Set Fastify's routerOptions.maxParamLength to ${PARAM_LENGTH}`)
  }
  await app.register(async scope => { await scoped(scope, options) }, { prefix, logSerializers: scopedSerializers })
}

/** Fastify's type requires serializers to return a string; pino also takes an object. */
const scopedSerializers = logSerializers as unknown as NonNullable<RegisterOptions['logSerializers']>

async function scoped (app: FastifyInstance, options: ChatAppOptions): Promise<void> {
  const { jwt, authenticate, rateLimitPerMinute } = options
  await app.register(errorsPlugin, { notFound: options.prefix !== undefined && options.prefix !== '/' && options.prefix !== '' })
  await app.register(validationPlugin)
  if (jwt !== undefined) {
    await app.register(authPlugin, jwt)
    const { keys } = app.chatAuth
    if (countsMetrics(options) && keys !== undefined) app.chatMetrics.watchKeys(keys)
  }
  await app.register(callerPlugin, defined({ authenticate }))
  if (rateLimitPerMinute !== undefined) await app.register(limitsPlugin, { perMinute: rateLimitPerMinute })
  if (options.docs !== false) await app.register(docsPlugin)
  if (countsMetrics(options)) {
    app.addHook('onResponse', async (request, reply) => {
      app.chatMetrics.observe(request.method, request.routeOptions.url ?? 'unknown', reply.statusCode, reply.elapsedTime / 1000)
    })
  }
  if (options.metrics === true) await app.register(metricsRoutes, { metrics: app.chatMetrics })
  app.addHook('onRoute', route => { route.bodyLimit ??= BODY_LIMIT })

  await app.register(async api => {
    // After the rate limit, which also counts requests without a user.
    api.addHook('onRoute', route => { route.onRequest = [route.onRequest ?? [], api.chatCallers.identify].flat() })
    for (const routes of [userRoutes, conversationRoutes, messageRoutes]) await api.register(routes, { prefix: '/chat' })
    await api.register(streamRoutes, { prefix: '/sse' })
  }, { prefix: '/api' })
  await app.register(sseRoutes, { prefix: '/api', maxStreams: options.maxStreams, hostAuthenticates: authenticate !== undefined })
  if (options.accounts === true) await app.register(accountRoutes, { prefix: '/api/auth' })
  if (options.health === true) await app.register(healthRoutes, { prefix: '/health' })
  if (options.page === true) {
    const signIn = options.accounts === true ? 'accounts' : authenticate !== undefined ? 'host' : 'token'
    await app.register(pageRoutes, { signIn, docs: options.docs !== false })
  }
}

const countsMetrics = ({ metrics = false }: ChatAppOptions): boolean => metrics !== false

type Numbers = { [Name in keyof ChatAppOptions]-?: NonNullable<ChatAppOptions[Name]> extends number ? Name : never }[keyof ChatAppOptions]

/** The bounds of each numeric option. */
const bounds: Record<Numbers, Bounds> = {
  heartbeatMs: hubBounds.heartbeatMs,
  staleAfterMs: hubBounds.staleAfterMs,
  streamBufferBytes: hubBounds.bufferBytes,
  maxStreamsPerUser: { minimum: 1 },
  maxConversationsPerUser: { minimum: 1 },
  maxGroupsPerDay: { minimum: 1 },
  maxStreams: { minimum: 1 },
  eventRetentionDays: { minimum: 0, isFraction: true },
  rateLimitPerMinute: { minimum: 1 }
}

/** Runs before anything is opened. @throws {OptionError} */
function checkOptions (options: ChatAppOptions): void {
  const { jwt, authenticate, accounts, databaseUrl, redisUrl, bus } = options
  if ((jwt === undefined) === (authenticate === undefined)) {
    throw new Error('fastify-sse-chat: exactly one of the options jwt and authenticate is required')
  }
  checkTypes(options, 'function', ['authenticate'])
  checkTypes(options, 'boolean', ['accounts', 'page', 'health', 'docs'])
  if (options.metrics !== 'apart') checkTypes(options, 'boolean', ['metrics'])
  checkTypes(options, 'string', ['prefix', 'databaseUrl', 'databaseSchema', 'redisUrl'])
  checkNumbers(options, bounds)
  if (accounts === true && (jwt?.secret === undefined || jwt.publicKey !== undefined || jwt.jwksUrl !== undefined)) {
    throw new Error('fastify-sse-chat: the option accounts requires jwt.secret, without publicKey or jwksUrl')
  }
  if (jwt !== undefined) checkJwt(jwt)
  if (databaseUrl !== undefined && !/^(file:(?!$)|postgres(ql)?:\/\/)/.test(databaseUrl)) throw new OptionError('databaseUrl', 'a URL that starts with file: or postgres://')
  if (redisUrl !== undefined && !/^rediss?:\/\//.test(redisUrl)) throw new OptionError('redisUrl', 'a redis:// URL')
  if (bus !== undefined && typeof bus?.publish !== 'function') throw new OptionError('bus', 'a Bus')
}

/** Removes undefined properties, as `exactOptionalPropertyTypes` requires. */
function defined<T extends object> (options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never
}

export default fp(chat, { name: 'fastify-sse-chat', fastify: '5.x' })
