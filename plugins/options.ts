import { isSecret } from '../chat/webhooks/signature.js'
import { isTypeRange } from '../files/types.js'
import { isGoodPem, PUBLIC_KEYS } from './public-key.js'
import { readServiceKeys, SERVICE_KEYS } from './service-keys.js'

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

export const HOOK_URL = 'an http(s) URL without a user and password'
export const HOOK_SECRET = 'whsec_ and 24 to 64 bytes in base64'

export interface Bounds {
  minimum: number
  /** Default: the longest delay of a timer, in milliseconds. */
  maximum?: number
  /** Fractions are allowed, and the value must be above the minimum. */
  isFraction?: boolean
}

/** The longest delay of a timer, in milliseconds. */
const MAXIMUM = 2 ** 31 - 1

/** @throws {OptionError} unless each of these options is absent or within its bounds */
export function checkNumbers (options: object, bounds: Record<string, Bounds>): void {
  for (const [name, { minimum, maximum = MAXIMUM, isFraction = false }] of Object.entries(bounds)) {
    const value: unknown = Reflect.get(options, name)
    if (value === undefined) continue
    const fits = typeof value === 'number' && value <= maximum && (isFraction ? value > minimum : Number.isInteger(value) && value >= minimum)
    if (!fits) throw new OptionError(name, isFraction ? `a number above ${minimum}` : `an integer from ${minimum} to ${maximum}`)
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

/** @throws {OptionError} unless a hook can be asked by these, or none is */
export function checkBeforeHook (
  { hooks, beforeHookUrl: url, beforeHookSecret: secret }: { hooks?: { before?: unknown }, beforeHookUrl?: unknown, beforeHookSecret?: unknown }
): void {
  if (url !== undefined && !(typeof url === 'string' && isProviderUrl(url))) throw new OptionError('beforeHookUrl', HOOK_URL)
  if (secret !== undefined && !(typeof secret === 'string' && isSecret(secret))) throw new OptionError('beforeHookSecret', HOOK_SECRET)
  if ((url === undefined) !== (secret === undefined)) throw new OptionError('beforeHookUrl', 'given together with beforeHookSecret')
  if (url !== undefined && hooks?.before !== undefined) throw new OptionError('beforeHookUrl', 'absent if hooks.before is given')
}

/** @throws {OptionError} unless these are service keys */
export function checkServiceKeys (serviceKeys: unknown): void {
  const isList = typeof serviceKeys === 'string' || Array.isArray(serviceKeys)
  if (serviceKeys !== undefined && !(isList && readServiceKeys(serviceKeys) !== undefined)) {
    throw new OptionError('serviceKeys', `${SERVICE_KEYS}, or an array of name:key`)
  }
}

/** @throws {OptionError} unless files can be kept there, and these are types */
export function checkFiles (files: unknown, fileTypes: unknown): void {
  if (files !== undefined && files !== false) {
    const { dir, thumbnails } = (files ?? {}) as Record<string, unknown>
    if (typeof dir !== 'string' || dir === '') throw new OptionError('files', 'false or an object: { dir }')
    if (thumbnails !== undefined && typeof thumbnails !== 'boolean') throw new OptionError('files.thumbnails', 'a boolean')
  }
  const isList = fileTypes === undefined || (Array.isArray(fileTypes) && fileTypes.every(type => typeof type === 'string' && isTypeRange(type)))
  if (!isList) throw new OptionError('fileTypes', 'a list of types such as image/* and application/pdf')
}

/** What may hold a page in a frame: `self`, or an origin, whose first label may be `*` (CSP3, 2.3.1). */
export const isFrameAncestor = (source: unknown): source is string => typeof source === 'string' && /^(self|https?:\/\/(\*\.)?[\w.-]+(:\d{1,5})?)$/.test(source)

/** @throws {OptionError} unless these are sources for `frame-ancestors` */
export function checkFrameAncestors (sources: unknown): void {
  const isList = sources === undefined || (Array.isArray(sources) && sources.every(isFrameAncestor))
  if (!isList) throw new OptionError('frameAncestors', "a list of origins such as https://www.example.com, or 'self'")
}

/** Environment variables often have `\n` for the line ends of a PEM. */
export const pemOf = (text: string): string => text.replaceAll('\\n', '\n')

/** Whether keys can be fetched from the URL. `fetch` does not accept a user and password in it. */
export function isProviderUrl (url: string): boolean {
  if (!URL.canParse(url)) return false
  const { protocol, username, password } = new URL(url)
  return ['http:', 'https:'].includes(protocol) && username === '' && password === ''
}
