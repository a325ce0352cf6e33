import { isGoodPem, PUBLIC_KEYS } from './public-key.js'

/** How tokens are verified: with `secret`, `publicKey` or `jwksUrl`. The choice also pins the accepted algorithms. */
export interface JwtOptions {
  /** HS256 secret, 32 bytes or more. The only choice that can also issue tokens. */
  secret?: string
  /** PEM (SPKI). The type of the key implies RS256 (2,048 bits or more), ES256 or EdDSA. `\n` may stand for line ends. */
  publicKey?: string
  /** URL of an identity provider's JWK Set (RFC 7517). */
  jwksUrl?: string
  issuer?: string
  audience?: string
}

/** An option is invalid. The message is one line that names the option and what it must be. */
export class OptionError extends Error {
  override name = 'OptionError'

  constructor (name: string, mustBe: string) {
    super(`fastify-sse-chat: the option ${name} must be ${mustBe}`)
  }
}

export interface Bounds {
  minimum: number
  /** Fractions are allowed, and the value must be above the minimum. */
  isFraction?: boolean
}

/** The longest delay of a timer. */
const MAXIMUM = 2 ** 31 - 1

/** @throws {OptionError} unless each of these options is absent or within its bounds */
export function checkNumbers (options: object, bounds: Record<string, Bounds>): void {
  for (const [name, { minimum, isFraction = false }] of Object.entries(bounds)) {
    const value: unknown = Reflect.get(options, name)
    if (value === undefined) continue
    const fits = typeof value === 'number' && value <= MAXIMUM && (isFraction ? value > minimum : Number.isInteger(value) && value >= minimum)
    if (!fits) throw new OptionError(name, isFraction ? `a number above ${minimum}` : `an integer from ${minimum} to ${MAXIMUM}`)
  }
}

const types = {
  boolean: (value: unknown) => typeof value === 'boolean',
  function: (value: unknown) => typeof value === 'function',
  string: (value: unknown) => typeof value === 'string'
}

/** @throws {OptionError} unless each of these options is absent or of this type */
export function checkTypes (options: object, type: keyof typeof types, names: string[]): void {
  for (const name of names) {
    const value: unknown = Reflect.get(options, name)
    if (value !== undefined && !types[type](value)) throw new OptionError(name, `a ${type}`)
  }
}

/** @throws {OptionError} unless tokens can be verified with these options */
export function checkJwt (jwt: JwtOptions): void {
  if (typeof jwt !== 'object' || jwt === null) throw new OptionError('jwt', 'an object: { secret | publicKey | jwksUrl, issuer, audience }')
  const { secret, publicKey, jwksUrl } = jwt
  for (const name of ['secret', 'publicKey', 'jwksUrl', 'issuer', 'audience'] as const) {
    const value: unknown = jwt[name]
    if (value !== undefined && (typeof value !== 'string' || value === '')) throw new OptionError(`jwt.${name}`, 'a string that is not empty')
  }
  if (publicKey !== undefined && jwksUrl !== undefined) throw new OptionError('jwt.publicKey', 'absent if jwt.jwksUrl is given')
  if (publicKey !== undefined && !isGoodPem(pemOf(publicKey))) throw new OptionError('jwt.publicKey', PUBLIC_KEYS)
  if (jwksUrl !== undefined && !isProviderUrl(jwksUrl)) throw new OptionError('jwt.jwksUrl', 'an http(s) URL without a user and password')
  if (publicKey !== undefined || jwksUrl !== undefined) return
  if (secret === undefined) throw new OptionError('jwt', 'an object with one of secret, publicKey and jwksUrl')
  if (Buffer.byteLength(secret) < 32) throw new OptionError('jwt.secret', '32 bytes or more')
}

/** Environment variables often have `\n` for the line ends of a PEM. */
export const pemOf = (text: string): string => text.replaceAll('\\n', '\n')

/** Whether keys can be fetched from the URL. `fetch` does not accept a user and password in it. */
export function isProviderUrl (url: string): boolean {
  if (!URL.canParse(url)) return false
  const { protocol, username, password } = new URL(url)
  return ['http:', 'https:'].includes(protocol) && username === '' && password === ''
}
