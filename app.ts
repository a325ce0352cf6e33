import type { FastifyInstance, FastifyPluginAsync, RegisterOptions } from 'fastify'
import fp from 'fastify-plugin'
import type { ChatHooks } from './chat/options.js'
import type { Bus } from './hub/bus.js'
import answersPlugin from './plugins/answers.js'
import authPlugin, { type JwtOptions } from './plugins/auth.js'
import busPlugin from './plugins/bus.js'
import callerPlugin from './plugins/caller.js'
import chatPlugin from './plugins/chat.js'
import databasePlugin from './plugins/database.js'
import docsPlugin, { type SecurityScheme } from './plugins/docs.js'
import errorsPlugin from './plugins/errors.js'
import { openFiles, type FilesPlace } from './plugins/files.js'
import type { HostAuthenticate } from './plugins/host-caller.js'
import hubPlugin, { hubBounds } from './plugins/hub.js'
import limitsPlugin from './plugins/limits.js'
import { logSerializers } from './plugins/logging.js'
import type { MetricsRegistry } from './plugins/metrics.js'
import {
  checkBeforeHook, checkFiles, checkFrameAncestors, checkJwt, checkNumbers, checkServiceKeys, checkTypes, OptionError, type Bounds
} from './plugins/options.js'
import validationPlugin from './plugins/validation.js'
import adminUserRoutes from './routes/admin/users.js'
import adminWebhookRoutes from './routes/admin/webhooks.js'
import accountRoutes from './routes/accounts.js'
import blockRoutes from './routes/blocks.js'
import conversationRoutes from './routes/conversations.js'
import fileRoutes, { fileLinkRoutes } from './routes/files.js'
import healthRoutes from './routes/health.js'
import messageRoutes from './routes/messages.js'
import metricsRoutes from './routes/metrics.js'
import pageRoutes from './routes/page.js'
import searchRoutes from './routes/search.js'
import sseRoutes from './routes/sse.js'
import streamRoutes from './routes/streams.js'
import userRoutes from './routes/users.js'
import { TEXT_LENGTH } from './schemas/messages.js'

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
  /** The claim of users who may use `/api/admin`: it must be true. Default: `chat_admin`. */
  adminClaim?: string
  /** Tells who sends a request, instead of tokens. */
  authenticate?: HostAuthenticate
  /**
   * Keys of services, which act for users and may use `/api/admin`: `name:key`, comma-separated or as a list. A key is `csk_` and 28 to 124
   * more characters, or `sha256:` and the hash of one in hex. Default: none.
   */
  serviceKeys?: string | string[]
  /** Register and login. Requires `jwt.secret`. Default: false. */
  accounts?: boolean
  /** The page to chat in, at the prefix. Default: false. */
  page?: boolean
  /** The custom elements `<chat-window>` and `<chat-list>` for other pages, at `/chat.js`. They are there with `page`, too. Default: false. */
  widget?: boolean
  /** Origins whose pages may hold the page in a frame, such as `https://www.example.com`, or `self`. Default: none. */
  frameAncestors?: string[]
  /** `/health/live` and `/health/ready`. Default: false. */
  health?: boolean
  /**
   * `/metrics` in the Prometheus text format. `'apart'`: only `app.chatMetrics`, to be served on another port. `{ registry }`: in a registry
   * of prom-client that the host serves, without the metrics of the process, which are the host's. Default: false.
   */
  metrics?: boolean | 'apart' | { registry: MetricsRegistry }
  /**
   * `/api/openapi.json`, `/api/asyncapi.json`, `/api/llms.txt`, and the page `/docs`. Default: true.
   * With `authenticate`, `securitySchemes` says how callers authenticate, by names of your own, for
   * example `{ session: { type: 'apiKey', in: 'cookie', name: 'sessionId' } }`.
   */
  docs?: boolean | { securitySchemes: Record<string, SecurityScheme> }
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
  /** Where the files of messages are kept. Default: false, there are none. */
  files?: FilesPlace | false
  /** Maximum size of a file, in bytes. Default: 25 MiB. */
  maxFileBytes?: number
  /** Types of files that are accepted, such as `image/*` and `application/pdf`. Default: all. */
  fileTypes?: string[]
  /** Days for which events are kept in the log. Default: as long as the conversation exists. */
  eventRetentionDays?: number
  /** Days for which it is kept when users got and read messages. Default: 90. */
  receiptDays?: number
  /** Whom users find by name: those who share a conversation with them, everybody, or nobody (`'off'`). Default: `'contacts'`. */
  directory?: 'contacts' | 'all' | 'off'
  /** Maximum length of a message's text, in code points, from 1 to 16,000. Default: 4,000. */
  maxTextLength?: number
  /** Whether messages can be searched by what they say. Default: true. */
  search?: boolean
  /** What the host decides in the chat's place. */
  hooks?: ChatHooks
  /** Milliseconds that `hooks.before` and `hooks.resolveUsers` may take. Default: 2000. */
  hookTimeoutMs?: number
  /** What happens if they throw or take longer: the call is answered 503, or goes on. Default: 'refuse'. */
  hookFailure?: 'refuse' | 'allow'
  /** URL that is asked as `hooks.before` is, instead, in a request that is signed with `beforeHookSecret`. */
  beforeHookUrl?: string
  /** `whsec_` and 24 to 64 bytes in base64. */
  beforeHookSecret?: string
  /** Lets webhooks lead into private networks, for development. Default: false. */
  webhookAllowPrivate?: boolean
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
  const { files: place = false, maxFileBytes: maxBytes, fileTypes: types } = options
  const files = place === false ? undefined : { ...await openFiles(place), maxBytes, types }
  const { maxStreamsPerUser, maxConversationsPerUser, maxGroupsPerDay, eventRetentionDays, receiptDays, maxTextLength } = options
  const { directory, search, hooks, accounts } = options
  const { hookTimeoutMs, hookFailure, beforeHookUrl: url, beforeHookSecret: secret } = options
  await app.register(chatPlugin, defined({
    maxStreamsPerUser,
    maxConversationsPerUser,
    maxGroupsPerDay,
    eventRetentionDays,
    receiptDays,
    directory,
    search,
    hooks,
    hookTimeoutMs,
    hookFailure,
    beforeHook: url === undefined || secret === undefined ? undefined : { url, secret },
    accounts,
    files,
    maxTextLength,
    webhooks: { allowPrivate: options.webhookAllowPrivate === true, allowHttp: process.env.NODE_ENV !== 'production' }
  }))

  // Loaded where it is wanted, with prom-client.
  if (countsMetrics(options)) await app.register(import('./plugins/metrics.js'), typeof options.metrics === 'object' ? options.metrics : {})

  const { maxParamLength = 100 } = (app.initialConfig as { routerOptions?: { maxParamLength?: number } }).routerOptions ?? app.initialConfig
  if (maxParamLength < PARAM_LENGTH) {
    app.log.warn(`chat: ids that take more than ${maxParamLength} characters in a URL are not found. Set Fastify's routerOptions.maxParamLength to ${PARAM_LENGTH}`)
  }
  await app.register(async scope => { await scoped(scope, options) }, { prefix, logSerializers: scopedSerializers })
}

/** Fastify's type requires serializers to return a string; pino also takes an object. */
const scopedSerializers = logSerializers as unknown as NonNullable<RegisterOptions['logSerializers']>

async function scoped (app: FastifyInstance, options: ChatAppOptions): Promise<void> {
  const { jwt, adminClaim, authenticate, serviceKeys, rateLimitPerMinute } = options
  await app.register(errorsPlugin, { notFound: options.prefix !== undefined && options.prefix !== '/' && options.prefix !== '' })
  await app.register(validationPlugin)
  if (jwt !== undefined) {
    await app.register(authPlugin, { ...jwt, ...defined({ adminClaim }) })
    const { keys } = app.chatAuth
    if (countsMetrics(options) && keys !== undefined) app.chatMetrics.watchKeys(keys)
  }
  await app.register(callerPlugin, defined({ authenticate, serviceKeys }))
  if (rateLimitPerMinute !== undefined) await app.register(limitsPlugin, { perMinute: rateLimitPerMinute })
  if (options.docs !== false) {
    const { prefix = '', docs, maxTextLength = TEXT_LENGTH.standard } = options
    const authentication = {
      hostAuthenticates: authenticate !== undefined, hasServiceKeys: serviceKeys !== undefined, hasAccounts: options.accounts === true
    }
    await app.register(docsPlugin, { prefix, maxTextLength, ...authentication, ...(typeof docs === 'object' ? docs : {}) })
  }
  if (countsMetrics(options)) {
    app.addHook('onResponse', async (request, reply) => {
      app.chatMetrics.observe(request.method, request.routeOptions.url ?? 'unknown', reply.statusCode, reply.elapsedTime / 1000)
    })
  }
  if (options.metrics === true) await app.register(metricsRoutes, { metrics: app.chatMetrics })
  app.addHook('onRoute', route => { route.bodyLimit ??= BODY_LIMIT })
  await app.register(answersPlugin)

  await app.register(async api => {
    // After the rate limit, which also counts requests without a user.
    api.addHook('onRoute', route => { route.onRequest = [route.onRequest ?? [], api.chatCallers.identify].flat() })
    const all = [userRoutes, blockRoutes, conversationRoutes, messageRoutes, searchRoutes, fileRoutes]
    for (const routes of all) await api.register(routes, { prefix: '/chat' })
    await api.register(streamRoutes, { prefix: '/sse' })
  }, { prefix: '/api' })
  await app.register(async admin => {
    admin.addHook('onRoute', route => { route.onRequest = [route.onRequest ?? [], admin.chatCallers.admitOperator].flat() })
    for (const routes of [adminUserRoutes, adminWebhookRoutes]) await admin.register(routes)
  }, { prefix: '/api/admin' })
  await app.register(fileLinkRoutes, { prefix: '/api/chat' })
  await app.register(sseRoutes, { prefix: '/api', maxStreams: options.maxStreams, hostAuthenticates: authenticate !== undefined })
  if (options.accounts === true) await app.register(accountRoutes, { prefix: '/api/auth' })
  if (options.health === true) await app.register(healthRoutes, { prefix: '/health' })
  const { page = false, widget = false, frameAncestors } = options
  if (page || widget) {
    const signIn = options.accounts === true ? 'accounts' : authenticate !== undefined ? 'host' : 'token'
    await app.register(pageRoutes, {
      signIn,
      docs: options.docs !== false,
      files: options.files !== undefined && options.files !== false,
      page,
      frameAncestors,
      isEmpty: async () => await app.chatDatabase.prisma.user.findFirst({ select: { id: true } }) === null
    })
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
  maxFileBytes: { minimum: 1 },
  eventRetentionDays: { minimum: 0, isFraction: true },
  receiptDays: { minimum: 0, isFraction: true },
  maxTextLength: { minimum: 1, maximum: TEXT_LENGTH.most },
  hookTimeoutMs: { minimum: 1 },
  rateLimitPerMinute: { minimum: 1 }
}

/** Runs before anything is opened. @throws {OptionError} */
function checkOptions (options: ChatAppOptions): void {
  const { jwt, authenticate, accounts, databaseUrl, redisUrl, bus } = options
  if ((jwt === undefined) === (authenticate === undefined)) {
    throw new Error('fastify-sse-chat: exactly one of the options jwt and authenticate is required')
  }
  checkTypes(options, 'function', ['authenticate'])
  if (options.directory !== undefined && !['contacts', 'all', 'off'].includes(options.directory)) {
    throw new OptionError('directory', 'contacts, all or off')
  }
  checkTypes(options.hooks ?? {}, 'function', ['before', 'resolveUsers', 'searchUsers', 'onEvent', 'onRefused'])
  checkBeforeHook(options)
  if (options.hookFailure !== undefined && !['refuse', 'allow'].includes(options.hookFailure)) throw new OptionError('hookFailure', 'refuse or allow')
  checkTypes(options, 'boolean', ['accounts', 'page', 'widget', 'health', 'search', 'webhookAllowPrivate'])
  if (typeof options.docs !== 'object' || options.docs === null) checkTypes(options, 'boolean', ['docs'])
  if (typeof options.metrics === 'object') {
    if (typeof options.metrics?.registry?.registerMetric !== 'function') throw new OptionError('metrics.registry', 'a Registry of prom-client')
  } else if (options.metrics !== 'apart') {
    checkTypes(options, 'boolean', ['metrics'])
  }
  checkServiceKeys(options.serviceKeys)
  if (options.adminClaim === '') throw new OptionError('adminClaim', 'a string that is not empty')
  checkTypes(options, 'string', ['adminClaim', 'prefix', 'databaseUrl', 'databaseSchema', 'redisUrl'])
  checkNumbers(options, bounds)
  if (accounts === true && (jwt?.secret === undefined || jwt.publicKey !== undefined || jwt.jwksUrl !== undefined)) {
    throw new Error('fastify-sse-chat: the option accounts requires jwt.secret, without publicKey or jwksUrl')
  }
  if (jwt !== undefined) checkJwt(jwt)
  checkFrameAncestors(options.frameAncestors)
  checkFiles(options.files, options.fileTypes)
  if (databaseUrl !== undefined && !/^(file:(?!$)|postgres(ql)?:\/\/)/.test(databaseUrl)) throw new OptionError('databaseUrl', 'a URL that starts with file: or postgres://')
  if (redisUrl !== undefined && !/^rediss?:\/\//.test(redisUrl)) throw new OptionError('redisUrl', 'a redis:// URL')
  if (bus !== undefined && typeof bus?.publish !== 'function') throw new OptionError('bus', 'a Bus')
}

/** Removes undefined properties, as `exactOptionalPropertyTypes` requires. */
function defined<T extends object> (options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never
}

export default fp(chat, { name: 'fastify-sse-chat', fastify: '5.x' })
