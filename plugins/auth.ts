import { KeyObject } from 'node:crypto'
import fastifyJwt, { type FastifyJWTOptions } from '@fastify/jwt'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { LRUCache } from 'lru-cache'
import type { Caller } from '../chat/users.js'
import { chatError } from '../errors.js'
import { isUserId, shownName } from '../schemas/names.js'
import { wallClockMs } from '../time.js'

/** One of `secret`, `publicKey` and `jwksUrl` says how tokens are verified; what is configured pins the algorithms. */
export interface JwtOptions {
  /** HS256; 32 bytes or more. The only one that can also issue tokens. */
  secret?: string
  /** PEM (SPKI): RS256, ES256 or EdDSA, by the kind of key. `\n` may stand for line ends. */
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
  /** Issues a token. @throws Error unless it is a `secret` that verifies */
  issue(user: { userId: string, displayName: string, avatar: string | null }): { token: string, expiresAt: number }
}

const ASYMMETRIC = ['RS256', 'ES256', 'EdDSA'] as const
/** How long a token of ours is good for, in seconds. */
const TOKEN_TTL_S = 86_400
/** Verified tokens that are remembered: so many, of so many characters in all. */
const VERIFIED_MAX = 20_000
const VERIFIED_CHARS = 16 * 1024 * 1024
/** How long a token is good without being looked at again, as far as it lasts: keys may be withdrawn. In milliseconds. */
const VERIFIED_TTL_MS = 600_000
/** The last instant that a Date can tell (ECMA-262, 21.4.1.1), in epoch milliseconds. */
export const LAST_INSTANT_MS = 8.64e15

async function authPlugin (app: FastifyInstance, options: JwtOptions): Promise<void> {
  const { secret, publicKey, jwksUrl, issuer, audience } = options
  const asymmetric = publicKey !== undefined || jwksUrl !== undefined
  if (!asymmetric && secret === undefined) throw new Error('jwt needs one of secret, publicKey and jwksUrl')
  if (!asymmetric && Buffer.byteLength(secret!) < 32) throw new Error('jwt.secret must be 32 bytes or more')

  // a namespace, so that a host's own @fastify/jwt isn't in the way
  await app.register(fastifyJwt, {
    namespace: 'chat',
    secret: (publicKey !== undefined
      ? { public: publicKey.replaceAll('\\n', '\n') }
      : jwksUrl !== undefined
        ? { public: await keyFetcher(jwksUrl) }
        : secret!) as FastifyJWTOptions['secret'],
    verify: {
      algorithms: asymmetric ? [...ASYMMETRIC] : ['HS256'],
      // a claim that isn't there is not checked otherwise
      requiredClaims: ['sub', 'exp', ...(issuer === undefined ? [] : ['iss']), ...(audience === undefined ? [] : ['aud'])],
      ...(issuer === undefined ? {} : { allowedIss: issuer }),
      ...(audience === undefined ? {} : { allowedAud: audience })
    }
  } as FastifyJWTOptions)
  const jwt = app.jwt.chat

  // fast-jwt's own cache would hash the token for each call
  const verified = new LRUCache<string, Caller>({
    max: VERIFIED_MAX,
    maxSize: VERIFIED_CHARS,
    sizeCalculation: (_caller, token) => token.length,
    ttl: VERIFIED_TTL_MS
  })
  const verify = async (token: string): Promise<Caller> => {
    const known = verified.get(token)
    if (known !== undefined && known.expiresAt! > wallClockMs()) return known
    let claims: Record<string, unknown>
    try {
      claims = await jwt.verify<Record<string, unknown>>(token)
    } catch (error) {
      throw refusal(error)
    }
    const caller = callerOf(claims)
    verified.set(token, caller)
    return caller
  }

  app.decorate('chatAuth', {
    verify,

    async authenticate ({ headers }) {
      const token = bearerToken(headers.authorization)
      if (token === undefined) throw chatError('UNAUTHORIZED')
      return await verify(token)
    },

    issue ({ userId, displayName, avatar }) {
      if (asymmetric) throw new Error('tokens are issued by whoever holds the private key')
      const expiresAt = Math.floor(wallClockMs() / 1000) + TOKEN_TTL_S
      const claims = { sub: userId, name: displayName, ...(avatar === null ? {} : { picture: avatar }), exp: expiresAt, ...(issuer === undefined ? {} : { iss: issuer }), ...(audience === undefined ? {} : { aud: audience }) }
      return { token: jwt.sign(claims), expiresAt: expiresAt * 1000 }
    }
  })
}

/** RFC 6750, 2.1. */
export function bearerToken (authorization: string | undefined): string | undefined {
  return authorization === undefined ? undefined : /^Bearer +([^\s]+)$/i.exec(authorization)?.[1]
}

/** Keys by `kid`, fetched when an unknown one comes, and no more often than every five seconds. */
async function keyFetcher (url: string): Promise<(token: { header: Record<string, string> }) => Promise<string>> {
  const { createRemoteJWKSet } = await import('jose')
  const find = createRemoteJWKSet(new URL(url), { cooldownDuration: 5000, timeoutDuration: 5000 })
  const pems = new WeakMap<object, string>()
  return async ({ header }) => {
    const key = await find({ ...header, alg: header.alg ?? '' })
    let pem = pems.get(key)
    if (pem === undefined) {
      pem = KeyObject.from(key).export({ type: 'spki', format: 'pem' }).toString()
      pems.set(key, pem)
    }
    return pem
  }
}

function refusal (error: unknown): Error {
  const chain = [error, (error as { originalError?: unknown }).originalError, (error as { cause?: unknown }).cause]
  const codes = chain.map(link => (link as { code?: unknown } | undefined)?.code)
  if (codes.includes('FAST_JWT_EXPIRED')) return chatError('TOKEN_EXPIRED')
  const keysAway = codes.includes('FAST_JWT_KEY_FETCHING_ERROR') &&
    !codes.some(code => typeof code === 'string' && /^ERR_JWKS_(NO_MATCHING_KEY|MULTIPLE)|^ERR_JOSE_NOT_SUPPORTED/.test(code))
  return keysAway ? chatError('UNAVAILABLE', { cause: error, retryAfter: 2 }) : chatError('UNAUTHORIZED')
}

/** @throws UNAUTHORIZED when the claims make no caller; TOKEN_EXPIRED without leeway */
function callerOf (claims: Record<string, unknown>): Caller {
  const { sub, name, picture, exp, iat } = claims
  if (typeof sub !== 'string' || !isUserId(sub)) throw chatError('UNAUTHORIZED')
  if (typeof exp !== 'number' || !Number.isFinite(exp)) throw chatError('UNAUTHORIZED')
  // NumericDate may have a fraction, and be further than a Date goes
  const expiresAt = Math.min(Math.floor(exp * 1000), LAST_INSTANT_MS)
  if (expiresAt <= wallClockMs()) throw chatError('TOKEN_EXPIRED')
  return {
    userId: sub,
    displayName: typeof name === 'string' ? shownName(name) : null,
    avatar: typeof picture === 'string' && isWebUrl(picture) ? picture : null,
    issuedAt: typeof iat === 'number' && Number.isFinite(iat) ? Math.floor(Math.min(iat * 1000, wallClockMs())) : null,
    expiresAt
  }
}

export function isWebUrl (url: string): boolean {
  return url.length <= 2048 && !/[\u0000-\u001f\u007f\ud800-\udfff]/u.test(url) && /^https?:\/\//i.test(url) && URL.canParse(url)
}

export default fp(authPlugin, { name: 'fastify-sse-chat-auth', fastify: '5.x' })
