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

/** Options of the chat inside another app. One of `jwt` and `authenticate` says who calls. */
export interface ChatAppOptions {
  /** Goes before every path: `/chat` makes `/chat/api/chat/messages`. Default: none. */
  prefix?: string
  /** `file:…` (SQLite) or `postgres://…`. Default `file:./data/chat.db`. */
  databaseUrl?: string
  /** PostgreSQL: the schema that holds the tables. Default: `?schema=` in the URL, else `fastify_sse_chat`. */
  databaseSchema?: string
  /** Redis or Valkey, which carries events between nodes. Default: PostgreSQL does; with SQLite there is one node. */
  redisUrl?: string
  /** A bus of the host's own in its place; the host closes it, after the app. */
  bus?: Bus
  jwt?: JwtOptions
  /** The host's own way to say who calls; takes the place of tokens. */
  authenticate?: HostAuthenticate
  /** Register and login; needs `jwt.secret`. Default false. */
  accounts?: boolean
  /** The page where a person can chat, at the prefix. Default false. */
  page?: boolean
  /** `/health/live` and `/health/ready`. Default false. */
  health?: boolean
  /** `/metrics`, Prometheus text; `'apart'`: only `app.chatMetrics`, to be shown on another port. Default false. */
  metrics?: boolean | 'apart'
  /** `/api/openapi.json`. Default true. */
  docs?: boolean
  /** Milliseconds between heartbeats on a stream. Default 30,000. */
  heartbeatMs?: number
  /** Milliseconds after which a peer that takes nothing is gone. Default 300,000. */
  staleAfterMs?: number
  /** Open streams of one user. Default 20. */
  maxStreamsPerUser?: number
  /** Conversations that a user may take part in, direct ones included. Default 10,000. */
  maxConversationsPerUser?: number
  /** Groups that a user may make in a day. Default 1,000. */
  maxGroupsPerDay?: number
  /** Open streams of this process. Default: no limit. */
  maxStreams?: number
  /** Unsent bytes that one stream may hold. Default 1 MiB. */
  streamBufferBytes?: number
  /** Days that the event log is kept. Default: as long as the conversation. */
  eventRetentionDays?: number
  /** Calls a minute of one user, or of one address without a user. Default: no limit. */
  rateLimitPerMinute?: number
}

/** Conversation ids run to 300 characters, each of which may take twelve in a URL; a host's router has to allow it. */
export const PARAM_LENGTH = 3600
/** A body holds at most so many bytes. */
export const BODY_LIMIT = 64 * 1024

/**
 * The chat for a Fastify app. Decorates `app.chat` and `app.hub`; its routes, their errors and validation stay in a
 * scope of their own.
 */
const chat: FastifyPluginAsync<ChatAppOptions> = async (app, options) => {
  checkOptions(options)
  const { prefix = '', databaseUrl = 'file:./data/chat.db', databaseSchema, heartbeatMs, staleAfterMs, streamBufferBytes } = options

  await app.register(databasePlugin, defined({ url: databaseUrl, schema: databaseSchema }))
  await app.register(busPlugin, defined({ databaseUrl, redisUrl: options.redisUrl, bus: options.bus }))
  await app.register(hubPlugin, defined({ bus: app.chatBus, now: () => app.chatDatabase.clock.now(), heartbeatMs, staleAfterMs, bufferBytes: streamBufferBytes }))
  const { maxStreamsPerUser, maxConversationsPerUser, maxGroupsPerDay, eventRetentionDays } = options
  await app.register(chatPlugin, defined({ maxStreamsPerUser, maxConversationsPerUser, maxGroupsPerDay, eventRetentionDays }))

  if (countsMetrics(options)) await app.register(metricsPlugin)

  const { maxParamLength = 100 } = (app.initialConfig as { routerOptions?: { maxParamLength?: number } }).routerOptions ?? app.initialConfig
  if (maxParamLength < PARAM_LENGTH) {
    app.log.warn(`chat: ids longer than ${maxParamLength} characters of a URL are not found: give Fastify routerOptions.maxParamLength ${PARAM_LENGTH}`)
  }
  await app.register(async scope => { await scoped(scope, options) }, { prefix, logSerializers: scopedSerializers })
}

/** Fastify's type wants text of a serializer; pino takes an object, too. */
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
    // after the limit of calls, which counts those of nobody, too
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

/** What each option that is a number may be. */
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

/** Before any work, so that nothing is opened for options that can't be. @throws {OptionError} */
function checkOptions (options: ChatAppOptions): void {
  const { jwt, authenticate, accounts, databaseUrl, redisUrl, bus } = options
  if ((jwt === undefined) === (authenticate === undefined)) throw new Error('fastify-sse-chat: give one of the options jwt and authenticate')
  checkTypes(options, 'function', ['authenticate'])
  checkTypes(options, 'boolean', ['accounts', 'page', 'health', 'docs'])
  if (options.metrics !== 'apart') checkTypes(options, 'boolean', ['metrics'])
  checkTypes(options, 'string', ['prefix', 'databaseUrl', 'databaseSchema', 'redisUrl'])
  checkNumbers(options, bounds)
  if (accounts === true && (jwt?.secret === undefined || jwt.publicKey !== undefined || jwt.jwksUrl !== undefined)) {
    throw new Error('fastify-sse-chat: accounts need jwt.secret, and no other key')
  }
  if (jwt !== undefined) checkJwt(jwt)
  if (databaseUrl !== undefined && !/^(file:(?!$)|postgres(ql)?:\/\/)/.test(databaseUrl)) throw new OptionError('databaseUrl', 'a URL that begins with file: or postgres://')
  if (redisUrl !== undefined && !/^rediss?:\/\//.test(redisUrl)) throw new OptionError('redisUrl', 'a redis:// URL')
  if (bus !== undefined && typeof bus?.publish !== 'function') throw new OptionError('bus', 'a Bus')
}

/** Without what is undefined, as exact optional properties want it. */
function defined<T extends object> (options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never
}

export default fp(chat, { name: 'fastify-sse-chat', fastify: '5.x' })
