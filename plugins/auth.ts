import fastifyJwt, { type FastifyJWTOptions } from '@fastify/jwt'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { JWTHeaderParameters } from 'jose'
import { LRUCache } from 'lru-cache'
import { chatError, isChatError } from '../errors.js'
import { isUserId, isWebUrl, shownName } from '../schemas/names.js'
import type { SharedClock } from '../store/shared-clock.js'
import { wallClockMs } from '../time.js'
import type { KeyProvider } from './key-provider.js'
import { checkJwt, pemOf, type JwtOptions } from './options.js'
import type { UserCaller } from './request-caller.js'

export type { JwtOptions } from './options.js'

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

/** A single decorator with a specific name: names such as `authenticate` are left to the host. */
export interface ChatAuth {
  /** Returns the caller of a request. @throws UNAUTHORIZED, TOKEN_EXPIRED, UNAVAILABLE (the keys can't be fetched) */
  authenticate(request: FastifyRequest): Promise<UserCaller>
  /** Returns the user that a token is for. @throws as `authenticate` */
  verify(token: string): Promise<UserCaller>
  /** The state of the keys of `jwksUrl`. */
  readonly keys?: Pick<KeyProvider, 'ageMs' | 'isUsable' | 'isAway' | 'errors'>
  /** Whether it can issue tokens: those that are verified with a `secret`. */
  readonly canIssue: boolean
  /** Issues a token. `lifeS` is its lifetime in seconds. Default: a day. @throws Error if tokens are not verified with a `secret` */
  issue(user: { userId: string, displayName: string, avatar: string | null }, lifeS?: number): { token: string, expiresAt: number }
}

const ASYMMETRIC = ['RS256', 'ES256', 'EdDSA'] as const
/** The claim of operators. */
const ADMIN_CLAIM = 'chat_admin'
/** Lifetime of the tokens that this server issues, in seconds. */
const TOKEN_TTL_S = 86_400
/** Maximum number, and total length in characters, of the verified tokens that are cached. */
export const VERIFIED_MAX = 20_000
const VERIFIED_CHARS = 16 * 1024 * 1024
/** Leeway for `nbf` and `iat`, in milliseconds, in case the issuer's clock is ahead. `exp` has none. */
const LEEWAY_MS = 5000
/** The last instant that a Date can represent (ECMA-262, 21.4.1.1), in epoch milliseconds. */
export const LAST_INSTANT_MS = 8.64e15

export interface AuthOptions extends JwtOptions {
  /** The claim of users who may use `/api/admin`: it must be true. Default: `chat_admin`. */
  adminClaim?: string
}

async function authPlugin (app: FastifyInstance, options: AuthOptions): Promise<void> {
  checkJwt(options)
  const { secret, publicKey, jwksUrl, issuer, audience, adminClaim = ADMIN_CLAIM } = options
  const asymmetric = publicKey !== undefined || jwksUrl !== undefined

  // The cache of fast-jwt would hash the token on each call.
  const verified = new LRUCache<string, UserCaller>({
    maxSize: VERIFIED_CHARS,
    // Each takes its share at least: so there are no more than VERIFIED_MAX, without memory for all of them from the start.
    sizeCalculation: (_caller, token) => Math.max(token.length, Math.ceil(VERIFIED_CHARS / VERIFIED_MAX))
  })
  let generation = 0
  const keys = jwksUrl === undefined
    ? undefined
    : await keyProvider(app, jwksUrl, () => {
      generation++
      verified.clear()
    })

  // A namespace, so that it does not clash with a host's own @fastify/jwt.
  await app.register(fastifyJwt, {
    namespace: 'chat',
    secret: (publicKey !== undefined
      ? { public: pemOf(publicKey) }
      : keys !== undefined
        ? { public: keyFetcher(keys) }
        : secret!) as FastifyJWTOptions['secret'],
    verify: {
      algorithms: asymmetric ? [...ASYMMETRIC] : ['HS256'],
      // Checked with the shared clock instead: see callerOf.
      ignoreExpiration: true,
      ignoreNotBefore: true,
      // Otherwise an absent claim would not be checked.
      requiredClaims: ['sub', 'exp', ...(issuer === undefined ? [] : ['iss']), ...(audience === undefined ? [] : ['aud'])],
      ...(issuer === undefined ? {} : { allowedIss: issuer }),
      ...(audience === undefined ? {} : { allowedAud: audience })
    }
  } as FastifyJWTOptions)
  const jwt = app.jwt.chat
  const clock = app.hasDecorator('chatDatabase') ? app.chatDatabase.clock : { now: wallClockMs, ticks: wallClockMs }

  const verify = async (token: string): Promise<UserCaller> => {
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
    const caller = callerOf(claims, adminClaim, clock)
    // Not if keys have changed in the meantime: the token's key may have been withdrawn.
    if (verifiedBy === generation) verified.set(token, caller)
    return caller
  }

  app.decorate('chatAuth', {
    ...(keys === undefined ? {} : { keys }),
    verify,
    canIssue: !asymmetric,

    async authenticate ({ headers }) {
      const token = bearerToken(headers.authorization)
      if (token === undefined) throw chatError('UNAUTHORIZED')
      return await verify(token)
    },

    issue ({ userId, displayName, avatar }, lifeS = TOKEN_TTL_S) {
      if (asymmetric) throw new Error('Tokens can only be issued with a secret')
      const issuedAt = Math.floor(Math.min(clock.now(), clock.ticks()) / 1000)
      const expiresAt = Math.floor(clock.now() / 1000) + lifeS
      const claims = {
        sub: userId,
        name: displayName,
        iat: issuedAt,
        ...(avatar === null ? {} : { picture: avatar }),
        exp: expiresAt,
        ...(issuer === undefined ? {} : { iss: issuer }),
        ...(audience === undefined ? {} : { aud: audience })
      }
      return { token: jwt.sign(claims), expiresAt: expiresAt * 1000 }
    }
  })
}

/** Returns the token of an Authorization header (RFC 6750, 2.1). */
export function bearerToken (authorization: string | undefined): string | undefined {
  return authorization === undefined ? undefined : /^Bearer +([^\s]+)$/i.exec(authorization)?.[1]
}

/** Creates the provider of the keys of `jwksUrl`. Logs once when they can't be fetched, and once when they can again. */
async function keyProvider (app: FastifyInstance, url: string, onChange: () => void): Promise<KeyProvider> {
  // Loaded only when a key provider is configured.
  const { KeyProvider } = await import('./key-provider.js')
  const keys = new KeyProvider({
    url,
    onChange,
    onTrouble: reason => {
      if (reason === undefined) app.log.info('chat: the key provider is back')
      else app.log.warn(`chat: the key provider is away: ${reason}. Its last keys stay valid for 24 hours`)
    }
  })
  app.addHook('onReady', async () => { keys.start() })
  app.addHook('onClose', async () => { keys.stop() })
  return keys
}

function keyFetcher (keys: KeyProvider): (token: { header: JWTHeaderParameters }) => Promise<string> {
  return async ({ header }) => {
    // Don't look up a key, or ask the provider, for an algorithm that is never accepted.
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
 * Returns the caller that the claims describe. On SQLite, `now` is the wall clock. If that has been set back, `ticks` still shows
 * that a token is not from the future.
 * @throws UNAUTHORIZED if the claims are invalid; TOKEN_EXPIRED, without leeway
 */
function callerOf (claims: Record<string, unknown>, adminClaim: string, clock: Pick<SharedClock, 'now' | 'ticks'>): UserCaller {
  const { sub, name, picture, exp, iat, nbf } = claims
  if (typeof sub !== 'string' || !isUserId(sub)) throw chatError('UNAUTHORIZED')
  if (typeof exp !== 'number' || !Number.isFinite(exp)) throw chatError('UNAUTHORIZED')
  for (const instant of [iat, nbf]) {
    if (instant !== undefined && (typeof instant !== 'number' || !Number.isFinite(instant))) throw chatError('UNAUTHORIZED')
  }
  const now = clock.now()
  const latest = Math.max(now, clock.ticks())
  // A NumericDate may have a fraction, and may be beyond the range of a Date.
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
    expiresAt,
    via: 'http',
    isOperator: Object.hasOwn(claims, adminClaim) && claims[adminClaim] === true
  }
}

export default fp(authPlugin, { name: 'fastify-sse-chat-auth', fastify: '5.x' })
