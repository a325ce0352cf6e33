import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { countedAddress } from '../chat/address.js'
import { chatError } from '../errors.js'
import { isUserId } from '../schemas/names.js'
import type { CountCall } from './counting.js'

/** What a list of service keys is, as error messages describe it. */
export const SERVICE_KEYS = 'a comma-separated list of name:key, where key is csk_ and 28 to 124 characters A-Z a-z 0-9 _ -, ' +
  'or sha256: and the hash of one in hex'
/** Wrong keys from one address in a minute; the next one is refused without a look at it. */
export const WRONG_KEYS_MAX = 10
const WINDOW_MS = 60_000

const KEY = /^csk_[\w-]{28,124}$/
const HASH = /^sha256:[0-9a-f]{64}$/i
/** Shown in logs and told to hooks. */
const NAME = /^[\w.-]{1,64}$/
const BEARER_KEY = /^Bearer +(csk_\S*)$/i

interface ServiceKey { name: string, hash: Buffer }

const hashOf = (key: string): Buffer => createHash('sha256').update(key).digest()

/** Reads `name:key` or `name:sha256:<hex>`. Several keys may have one name, so that a key can be replaced by another. */
function keyOf (entry: string): ServiceKey | undefined {
  const at = entry.indexOf(':')
  const [name, key] = [entry.slice(0, at), entry.slice(at + 1)]
  if (at === -1 || !NAME.test(name)) return undefined
  if (KEY.test(key)) return { name, hash: hashOf(key) }
  return HASH.test(key) ? { name, hash: Buffer.from(key.slice('sha256:'.length), 'hex') } : undefined
}

/** @returns undefined if one of them is none */
export function readServiceKeys (list: string | readonly string[]): ServiceKey[] | undefined {
  const entries = typeof list === 'string' ? list.split(',') : list
  const keys = entries.map(entry => typeof entry === 'string' ? keyOf(entry.trim()) : undefined)
  return keys.length > 0 && keys.every(key => key !== undefined) ? keys : undefined
}

/** Returns the service key that the request carries, right or wrong. */
export const bearerKey = ({ headers: { authorization } }: FastifyRequest): string | undefined =>
  authorization === undefined ? undefined : BEARER_KEY.exec(authorization)?.[1]

/** The keys of services that act for users. Only their hashes are kept. */
export class ServiceKeys {
  readonly #keys: ServiceKey[]
  readonly #count: CountCall

  /** `count` counts wrong keys. */
  constructor (keys: ServiceKey[], count: CountCall) {
    this.#keys = keys
    this.#count = count
  }

  /** Returns the name of a key. Compares it with all keys, so that the time does not tell which it resembles. */
  nameOf (key: string): string | undefined {
    const hash = hashOf(key)
    let name: string | undefined
    for (const candidate of this.#keys) if (timingSafeEqual(candidate.hash, hash)) name ??= candidate.name
    return name
  }

  /** Returns the name of a key. @throws UNAUTHORIZED, TOO_MANY_FAILURES: wrong ones are counted by address */
  async verify (key: string, address: string): Promise<string> {
    const name = this.nameOf(key)
    if (name !== undefined) return name
    const counted = await this.#count(`wrong keys:${countedAddress(address)}`, WINDOW_MS).catch(() => undefined)
    if (counted === undefined || counted.count <= WRONG_KEYS_MAX) throw chatError('UNAUTHORIZED')
    throw chatError('TOO_MANY_FAILURES', { retryAfter: Math.max(1, Math.ceil(counted.leftMs / 1000)) })
  }
}

/** Returns whom a service acts for: the percent-encoded id in `X-Chat-User`. @throws BAD_REQUEST if there is none, or it is malformed */
export function actingFor ({ headers }: FastifyRequest): string {
  const encoded = headers['x-chat-user']
  if (typeof encoded !== 'string' || !/^[\x21-\x7e]+$/.test(encoded)) throw chatError('BAD_REQUEST')
  let userId: string
  try {
    userId = decodeURIComponent(encoded)
  } catch (cause) {
    throw chatError('BAD_REQUEST', { cause })
  }
  if (!isUserId(userId)) throw chatError('BAD_REQUEST')
  return userId
}
