import fastifyJwt, { type FastifyJWTOptions } from '@fastify/jwt'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { JWTHeaderParameters } from 'jose'
import { LRUCache } from 'lru-cache'
import type { Caller } from '../chat/users.js'
import { chatError, isChatError } from '../errors.js'
import { isUserId, shownName } from '../schemas/names.js'
import type { SharedClock } from '../store/shared-clock.js'
import { wallClockMs } from '../time.js'
import type { KeyProvider } from './key-provider.js'
import { checkJwt, pemOf } from './options.js'

/** One of `secret`, `publicKey` and `jwksUrl` says how tokens are verified; what is configured pins the algorithms. */
export interface JwtOptions {
  /** HS256; 32 bytes or more. The only one that can also issue tokens. */
  secret?: string
  /** PEM (SPKI): RS256 (2,048 bits or more), ES256 or EdDSA, by the kind of key. `\n` may stand for line ends. */
  publicKey?: string
  /** Where an identity provider publishes its keys (RFC 7517). */
  jwksUrl?: string
  issuer?: string
  audience?: string
}

declare module 'fastify' {
  interface FastifyInstance {
    chatAuth: ChatAuth
  }
}

declare module '@fastify/jwt' {
  interface JWT {
    chat: import('@fastify/jwt').JWT
  }
}

/** One decorator with a name of its own: `authenticate` and its like are the host's. */
export interface ChatAuth {
  /** Who sends the request. @throws UNAUTHORIZED, TOKEN_EXPIRED, UNAVAILABLE (the keys can't be fetched) */
  authenticate(request: FastifyRequest): Promise<Caller>
  /** Who holds the token. @throws as `authenticate` */
  verify(token: string): Promise<Caller>
  /** The keys of `jwksUrl`, as far as they are known. */
  readonly keys?: Pick<KeyProvider, 'ageMs' | 'isUsable' | 'isAway' | 'errors'>
  /** Issues a token. @throws Error unless it is a `secret` that verifies */
  issue(user: { userId: string, displayName: string, avatar: string | null }): { token: string, expiresAt: number }
}

const ASYMMETRIC = ['RS256', 'ES256', 'EdDSA'] as const
/** How long a token of ours is good for, in seconds. */
const TOKEN_TTL_S = 86_400
/** Verified tokens that are remembered: so many, of so many characters in all. */
export const VERIFIED_MAX = 20_000
const VERIFIED_CHARS = 16 * 1024 * 1024
/** How far the clock of whoever issues tokens may be ahead, in milliseconds: leeway for `nbf` and `iat`. `exp` has none. */
const LEEWAY_MS = 5000
/** The last instant that a Date can tell (ECMA-262, 21.4.1.1), in epoch milliseconds. */
export const LAST_INSTANT_MS = 8.64e15

async function authPlugin (app: FastifyInstance, options: JwtOptions): Promise<void> {
  checkJwt(options)
  const { secret, publicKey, jwksUrl, issuer, audience } = options
  const asymmetric = publicKey !== undefined || jwksUrl !== undefined

  // fast-jwt's own cache would hash the token for each call
  const verified = new LRUCache<string, Caller>({
    max: VERIFIED_MAX,
    maxSize: VERIFIED_CHARS,
    sizeCalculation: (_caller, token) => token.length
  })
  let generation = 0
  const keys = jwksUrl === undefined
    ? undefined
    : await keyProvider(app, jwksUrl, () => {
      generation++
      verified.clear()
    })

  // a namespace, so that a host's own @fastify/jwt isn't in the way
  await app.register(fastifyJwt, {
    namespace: 'chat',
    secret: (publicKey !== undefined
      ? { public: pemOf(publicKey) }
      : keys !== undefined
        ? { public: keyFetcher(keys) }
        : secret!) as FastifyJWTOptions['secret'],
    verify: {
      algorithms: asymmetric ? [...ASYMMETRIC] : ['HS256'],
      // these go by the shared clock: see callerOf
      ignoreExpiration: true,
      ignoreNotBefore: true,
      // a claim that isn't there is not checked otherwise
      requiredClaims: ['sub', 'exp', ...(issuer === undefined ? [] : ['iss']), ...(audience === undefined ? [] : ['aud'])],
      ...(issuer === undefined ? {} : { allowedIss: issuer }),
      ...(audience === undefined ? {} : { allowedAud: audience })
    }
  } as FastifyJWTOptions)
  const jwt = app.jwt.chat
  const clock = app.hasDecorator('chatDatabase') ? app.chatDatabase.clock : { now: wallClockMs, ticks: wallClockMs }

  const verify = async (token: string): Promise<Caller> => {
    await keys?.freshen()
    const known = verified.get(token)
    if (known !== undefined && known.expiresAt! > clock.now()) return known
    const verifiedBy = generation
    let claims: Record<string, unknown>
    try {
      claims = await jwt.verify<Record<string, unknown>>(token)
    } catch (error) {
      throw refusal(error)
    }
    const caller = callerOf(claims, clock)
    // a key that was withdrawn in the meantime
    if (verifiedBy === generation) verified.set(token, caller)
    return caller
  }

  app.decorate('chatAuth', {
    ...(keys === undefined ? {} : { keys }),
    verify,

    async authenticate ({ headers }) {
      const token = bearerToken(headers.authorization)
      if (token === undefined) throw chatError('UNAUTHORIZED')
      return await verify(token)
    },

    issue ({ userId, displayName, avatar }) {
      if (asymmetric) throw new Error('tokens are issued by whoever holds the private key')
      const issuedAt = Math.floor(Math.min(clock.now(), clock.ticks()) / 1000)
      const expiresAt = Math.floor(clock.now() / 1000) + TOKEN_TTL_S
      const claims = { sub: userId, name: displayName, iat: issuedAt, ...(avatar === null ? {} : { picture: avatar }), exp: expiresAt, ...(issuer === undefined ? {} : { iss: issuer }), ...(audience === undefined ? {} : { aud: audience }) }
      return { token: jwt.sign(claims), expiresAt: expiresAt * 1000 }
    }
  })
}

/** RFC 6750, 2.1. */
export function bearerToken (authorization: string | undefined): string | undefined {
  return authorization === undefined ? undefined : /^Bearer +([^\s]+)$/i.exec(authorization)?.[1]
}

/** The keys of `jwksUrl`. While they can't be fetched, the log says so once. */
async function keyProvider (app: FastifyInstance, url: string, onChange: () => void): Promise<KeyProvider> {
  // who has no key provider doesn't load what it takes
  const { KeyProvider } = await import('./key-provider.js')
  const keys = new KeyProvider({
    url,
    onChange,
    onTrouble: reason => {
      if (reason === undefined) app.log.info('chat: the key provider is back')
      else app.log.warn(`chat: the key provider is away: ${reason}. The keys that it gave stay good for 24 hours`)
    }
  })
  app.addHook('onReady', async () => { keys.start() })
  app.addHook('onClose', async () => { keys.stop() })
  return keys
}

function keyFetcher (keys: KeyProvider): (token: { header: JWTHeaderParameters }) => Promise<string> {
  return async ({ header }) => {
    // no key is looked for, and no provider asked, for what is never accepted
    if (!ASYMMETRIC.some(alg => alg === header.alg)) throw chatError('UNAUTHORIZED')
    const pem = await keys.pemFor(header)
    if (pem === undefined) throw chatError('UNAUTHORIZED')
    return pem
  }
}

function refusal (error: unknown): Error {
  const chain = [error, (error as { originalError?: unknown }).originalError, (error as { cause?: unknown }).cause]
  const ours = chain.find(link => isChatError(link, 'UNAVAILABLE'))
  if (ours !== undefined) return ours as Error
  return chatError('UNAUTHORIZED')
}

/**
 * Who the claims tell of. On SQLite, `now` is the wall clock: where it was set back, the other clock knows that a token isn't
 * of the future.
 * @throws UNAUTHORIZED when the claims make no caller; TOKEN_EXPIRED without leeway
 */
function callerOf (claims: Record<string, unknown>, clock: Pick<SharedClock, 'now' | 'ticks'>): Caller {
  const { sub, name, picture, exp, iat, nbf } = claims
  if (typeof sub !== 'string' || !isUserId(sub)) throw chatError('UNAUTHORIZED')
  if (typeof exp !== 'number' || !Number.isFinite(exp)) throw chatError('UNAUTHORIZED')
  for (const instant of [iat, nbf]) {
    if (instant !== undefined && (typeof instant !== 'number' || !Number.isFinite(instant))) throw chatError('UNAUTHORIZED')
  }
  const now = clock.now()
  const latest = Math.max(now, clock.ticks())
  // NumericDate may have a fraction, and be further than a Date goes
  const expiresAt = Math.min(Math.floor(exp * 1000), LAST_INSTANT_MS)
  if (expiresAt <= now) throw chatError('TOKEN_EXPIRED')
  const issuedAt = typeof iat === 'number' ? Math.floor(iat * 1000) : null
  const validFrom = typeof nbf === 'number' ? nbf * 1000 : 0
  if (Math.max(issuedAt ?? 0, validFrom) > latest + LEEWAY_MS) throw chatError('UNAUTHORIZED')
  return {
    userId: sub,
    displayName: typeof name === 'string' ? shownName(name) : null,
    avatar: typeof picture === 'string' && isWebUrl(picture) ? picture : null,
    issuedAt: issuedAt === null ? null : Math.max(issuedAt, 0),
    expiresAt
  }
}

export function isWebUrl (url: string): boolean {
  return url.length <= 2048 && !/[\u0000-\u001f\u007f\ud800-\udfff]/u.test(url) && /^https?:\/\//i.test(url) && URL.canParse(url)
}

export default fp(authPlugin, { name: 'fastify-sse-chat-auth', fastify: '5.x' })
