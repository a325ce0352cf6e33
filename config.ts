import { randomBytes } from 'node:crypto'
import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { dirname, join } from 'node:path'
import { parse } from 'pg-connection-string'
import type { ChatAppOptions } from './app.js'
import { isTypeRange } from './files/types.js'
import type { JwtOptions } from './plugins/auth.js'
import { isSecret } from './chat/webhooks/signature.js'
import { HOOK_SECRET, HOOK_URL, isFrameAncestor, isProviderUrl, pemOf } from './plugins/options.js'
import { isGoodPem, PUBLIC_KEYS } from './plugins/public-key.js'
import { readServiceKeys, SERVICE_KEYS } from './plugins/service-keys.js'
import { TEXT_LENGTH } from './schemas/messages.js'
import { makeFolderOf, tighten } from './store/private-file.js'

/** The configuration of the standalone server. Each environment variable is read here, once, with its default. */
export interface Config {
  host: string
  port: number
  /** A separate port for `/metrics`, on the same host. If undefined, `/metrics` is on `port`. */
  metricsPort?: number
  logLevel: string
  /** Fastify's `trustProxy`: whose X-Forwarded-… headers are trusted. */
  trustProxy: boolean | string
  corsOrigins: string[]
  chat: ChatAppOptions
}

/** A variable has an invalid value. `message` is one line that names the variable and what it must be, and shows no secret. */
export class ConfigError extends Error {
  override name = 'ConfigError'
}

type Env = Record<string, string | undefined>

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']

/** @throws {ConfigError} for the first invalid value */
export function readConfig (env: Env): Config {
  const production = env.NODE_ENV === 'production'
  const databaseUrl = text(env, 'DATABASE_URL') ?? 'file:./data/chat.db'
  if (!databaseUrl.startsWith('file:') && !isPostgresUrl(databaseUrl)) {
    throw new ConfigError('DATABASE_URL must be file:<path> or a postgres:// URL')
  }
  if (/^file:(\?|$)/.test(databaseUrl) || databaseUrl.includes(':memory:')) throw new ConfigError('DATABASE_URL must name a file: file:<path>')
  const redisUrl = text(env, 'REDIS_URL')
  if (redisUrl !== undefined && !isUrl(redisUrl, ['redis:', 'rediss:'])) throw new ConfigError('REDIS_URL must be a redis:// URL')

  const jwt = readJwt(env, production, databaseUrl)
  const signs = jwt.secret !== undefined
  const accounts = flag(env, 'ACCOUNTS', signs)
  if (accounts && !signs) {
    throw new ConfigError('ACCOUNTS must be off with JWT_PUBLIC_KEY or JWT_JWKS_URL: an identity provider issues the tokens')
  }
  const port = integer(env, 'PORT', { minimum: 0, maximum: 65_535 }) ?? 3000
  const metricsPort = integer(env, 'METRICS_PORT', { minimum: 0, maximum: 65_535 })
  if (metricsPort === port && port !== 0) throw new ConfigError('METRICS_PORT must differ from PORT')
  return {
    host: text(env, 'HOST') ?? '127.0.0.1',
    port,
    ...(metricsPort === undefined ? {} : { metricsPort }),
    logLevel: choice(env, 'LOG_LEVEL', LOG_LEVELS) ?? 'info',
    trustProxy: trustProxy(env),
    corsOrigins: origins(env),
    chat: defined({
      databaseUrl,
      redisUrl,
      jwt,
      adminClaim: text(env, 'ADMIN_CLAIM'),
      serviceKeys: serviceKeys(env),
      accounts,
      page: flag(env, 'PAGE', true),
      widget: flag(env, 'WIDGET', false),
      frameAncestors: frameAncestors(env),
      health: true,
      metrics: metricsPort === undefined ? true : 'apart',
      heartbeatMs: integer(env, 'HEARTBEAT_MS', { minimum: 100 }),
      staleAfterMs: integer(env, 'STALE_AFTER_MS', { minimum: 100 }),
      maxStreamsPerUser: integer(env, 'MAX_STREAMS_PER_USER', { minimum: 1 }),
      maxConversationsPerUser: integer(env, 'MAX_CONVERSATIONS_PER_USER', { minimum: 1 }),
      maxGroupsPerDay: integer(env, 'MAX_GROUPS_PER_DAY', { minimum: 1 }),
      maxStreams: integer(env, 'MAX_STREAMS', { minimum: 1 }),
      files: files(env),
      maxFileBytes: integer(env, 'MAX_FILE_BYTES', { minimum: 1 }),
      fileTypes: fileTypes(env),
      streamBufferBytes: integer(env, 'STREAM_BUFFER_BYTES', { minimum: 1024 }),
      eventRetentionDays: days(env, 'EVENT_RETENTION_DAYS'),
      receiptDays: days(env, 'RECEIPT_DAYS'),
      maxTextLength: integer(env, 'MAX_TEXT_LENGTH', { minimum: 1, maximum: TEXT_LENGTH.most }),
      webhookAllowPrivate: flag(env, 'WEBHOOK_ALLOW_PRIVATE', false),
      directory: choice(env, 'DIRECTORY', ['contacts', 'all', 'off']),
      search: flag(env, 'SEARCH', true),
      ...beforeHook(env),
      rateLimitPerMinute: integer(env, 'RATE_LIMIT_PER_MINUTE', { minimum: 1 })
    }) as ChatAppOptions
  }
}

function readJwt (env: Env, production: boolean, databaseUrl: string): JwtOptions {
  const publicKey = text(env, 'JWT_PUBLIC_KEY')
  const jwksUrl = text(env, 'JWT_JWKS_URL')
  const secret = text(env, 'JWT_SECRET')
  const common = { issuer: text(env, 'JWT_ISSUER'), audience: text(env, 'JWT_AUDIENCE') }
  if (publicKey !== undefined && jwksUrl !== undefined) throw new ConfigError('JWT_PUBLIC_KEY must be unset when JWT_JWKS_URL is set')
  if (secret !== undefined && Buffer.byteLength(secret) < 32) throw new ConfigError('JWT_SECRET must be 32 bytes or more')
  if (publicKey !== undefined) {
    const pem = pemOf(publicKey)
    if (!isGoodPem(pem)) throw new ConfigError(`JWT_PUBLIC_KEY must be ${PUBLIC_KEYS}`)
    return defined({ publicKey: pem, ...common })
  }
  if (jwksUrl !== undefined) {
    if (!isProviderUrl(jwksUrl)) throw new ConfigError('JWT_JWKS_URL must be an http(s) URL without a user and password')
    return defined({ jwksUrl, ...common })
  }
  if (secret !== undefined) return defined({ secret, ...common })
  if (production) throw new ConfigError('JWT_SECRET must be set in production: 32 bytes or more (or JWT_PUBLIC_KEY, or JWT_JWKS_URL)')
  return defined({ secret: developmentSecret(databaseUrl), ...common })
}

/** Created at the first start and stored next to the database, so that tokens outlive a restart. Two processes that start at once share it. */
function developmentSecret (databaseUrl: string): string {
  const file = databaseUrl.startsWith('file:') ? databaseUrl.slice('file:'.length).split('?')[0]!.replace(/^\/\/(?=\/)/, '') : 'data/chat.db'
  const path = join(dirname(file), 'jwt-secret')
  const fresh = `${path}.${process.pid}`
  try {
    makeFolderOf(path)
    try {
      return readSecret(path)
    } catch {
      // Linking is atomic, and never replaces an existing file.
      writeFileSync(fresh, randomBytes(32).toString('base64url'), { mode: 0o600 })
      try {
        linkSync(fresh, path)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      } finally {
        rmSync(fresh, { force: true })
      }
      return readSecret(path)
    }
  } catch (error) {
    throw new ConfigError(`JWT_SECRET must be set, 32 bytes or more: none can be stored in ${path} (${(error as NodeJS.ErrnoException).code ?? 'invalid content'})`)
  }
}

function readSecret (path: string): string {
  tighten(path)
  const secret = readFileSync(path, 'utf8').trim()
  if (Buffer.byteLength(secret) < 32) throw new Error('too short')
  return secret
}

/** An empty variable counts as unset. */
function text (env: Env, name: string): string | undefined {
  const value = env[name]?.trim()
  return value === '' ? undefined : value
}

function flag (env: Env, name: string, standard: boolean): boolean {
  const value = text(env, name)?.toLowerCase()
  if (value === undefined) return standard
  if (['on', 'true', '1'].includes(value)) return true
  if (['off', 'false', '0'].includes(value)) return false
  throw new ConfigError(`${name} must be on or off`)
}

function choice (env: Env, name: string, choices: string[]): string | undefined {
  const value = text(env, name)
  if (value !== undefined && !choices.includes(value)) throw new ConfigError(`${name} must be one of ${choices.join(', ')}`)
  return value
}

function integer (env: Env, name: string, { minimum, maximum = 2 ** 31 - 1 }: { minimum: number, maximum?: number }): number | undefined {
  const value = text(env, name)
  if (value === undefined) return undefined
  const number = /^\d{1,10}$/.test(value) ? Number(value) : NaN
  if (!(number >= minimum && number <= maximum)) throw new ConfigError(`${name} must be an integer from ${minimum} to ${maximum}`)
  return number
}

function days (env: Env, name: string): number | undefined {
  const value = text(env, name)
  if (value === undefined) return undefined
  const number = /^\d{1,6}(\.\d{1,6})?$/.test(value) ? Number(value) : NaN
  if (!(number > 0)) throw new ConfigError(`${name} must be a number of days above 0`)
  return number
}

function serviceKeys (env: Env): string | undefined {
  const keys = text(env, 'SERVICE_KEYS')
  if (keys !== undefined && readServiceKeys(keys) === undefined) throw new ConfigError(`SERVICE_KEYS must be ${SERVICE_KEYS}`)
  return keys
}

function beforeHook (env: Env): Pick<ChatAppOptions, 'beforeHookUrl' | 'beforeHookSecret' | 'hookTimeoutMs' | 'hookFailure'> {
  const url = text(env, 'BEFORE_HOOK_URL')
  const secret = text(env, 'BEFORE_HOOK_SECRET')
  if (url !== undefined && !isProviderUrl(url)) throw new ConfigError(`BEFORE_HOOK_URL must be ${HOOK_URL}`)
  if (secret !== undefined && !isSecret(secret)) throw new ConfigError(`BEFORE_HOOK_SECRET must be ${HOOK_SECRET}`)
  if (url === undefined && secret !== undefined) throw new ConfigError('BEFORE_HOOK_URL must be set when BEFORE_HOOK_SECRET is set')
  if (url !== undefined && secret === undefined) throw new ConfigError('BEFORE_HOOK_SECRET must be set when BEFORE_HOOK_URL is set')
  return defined({
    beforeHookUrl: url,
    beforeHookSecret: secret,
    hookTimeoutMs: integer(env, 'HOOK_TIMEOUT_MS', { minimum: 1 }),
    hookFailure: choice(env, 'HOOK_FAILURE', ['refuse', 'allow']) as 'refuse' | 'allow' | undefined
  })
}

function files (env: Env): { dir: string } | false {
  const kind = choice(env, 'FILES', ['local', 'off']) ?? 'local'
  const dir = text(env, 'FILES_DIR') ?? './data/files'
  return kind === 'off' ? false : { dir }
}

function fileTypes (env: Env): string[] | undefined {
  const types = text(env, 'FILE_TYPES')?.toLowerCase().split(',').map(type => type.trim())
  if (types?.every(isTypeRange) === false) throw new ConfigError('FILE_TYPES must be a comma-separated list of types such as image/*,application/pdf')
  return types
}

function trustProxy (env: Env): boolean | string {
  const value = text(env, 'TRUST_PROXY')
  if (value === undefined) return false
  if (/^(on|off|true|false)$/i.test(value)) return flag(env, 'TRUST_PROXY', false)
  if (value.split(',').every(proxy => isProxy(proxy.trim()))) return value
  throw new ConfigError('TRUST_PROXY must be off, on, or a comma-separated list of proxies (10.0.0.7, 10.0.0.0/8, loopback, uniquelocal)')
}

/** Whether it is an address, a range of addresses, or a name that Fastify knows for one. */
function isProxy (proxy: string): boolean {
  if (['loopback', 'linklocal', 'uniquelocal'].includes(proxy)) return true
  const [, address = '', bits] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(proxy) ?? []
  const version = isIP(address)
  return version !== 0 && (bits === undefined || (Number(bits) >= 1 && Number(bits) <= (version === 4 ? 32 : 128)))
}

function frameAncestors (env: Env): string[] | undefined {
  const sources = text(env, 'FRAME_ANCESTORS')?.split(',').map(source => source.trim())
  if (sources?.every(isFrameAncestor) === false) throw new ConfigError('FRAME_ANCESTORS must be a comma-separated list of origins such as https://www.example.com, or self')
  return sources
}

function origins (env: Env): string[] {
  const list = text(env, 'CORS_ORIGIN')?.split(',').map(origin => origin.trim()).filter(origin => origin !== '') ?? []
  for (const origin of list) {
    if (origin !== '*' && !(isUrl(origin, ['http:', 'https:']) && new URL(origin).origin === origin)) {
      throw new ConfigError('CORS_ORIGIN must be a comma-separated list of origins such as https://app.example.com')
    }
  }
  return list
}

function isUrl (value: string, protocols: string[]): boolean {
  return URL.canParse(value) && protocols.includes(new URL(value).protocol)
}

/** Whether the driver can parse it. That includes `postgres://user@/db?host=/var/run/postgresql`, which `URL` rejects. */
function isPostgresUrl (value: string): boolean {
  if (!/^postgres(ql)?:\/\//.test(value)) return false
  try {
    parse(value)
    return true
  } catch {
    return false
  }
}

function defined<T extends object> (options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never
}
