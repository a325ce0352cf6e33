import { KeyObject } from 'node:crypto'
import { createLocalJWKSet, type JSONWebKeySet, type JWTHeaderParameters } from 'jose'
import { BoundedCache } from '../bounded-cache.js'
import { chatError } from '../errors.js'
import { elapsedMs } from '../time.js'
import { isGoodKey } from './public-key.js'

/** How often the keys are fetched, in milliseconds. A withdrawn key is refused after the next fetch. */
const REFRESH_MS = 300_000
/** Keys older than this are fetched again before they are used, in milliseconds. Happens if no timer could run, such as during suspension. */
const STALE_MS = 600_000
/** How long keys stay valid while the provider is away, in milliseconds. */
const GOOD_FOR_MS = 86_400_000
/** Minimum time between requests for unknown keys, and after a failure, in milliseconds. */
const COOLDOWN_MS = 5000
/** Maximum time between attempts after repeated failures, in milliseconds. */
const RETRY_MAX_MS = 60_000
const TIMEOUT_MS = 5000
/** Maximum size of a key set, in bytes. */
const SIZE_MAX = 1024 * 1024
/** Maximum number of unknown key ids that are cached. */
export const UNKNOWN_KEYS_MAX = 1000

export interface KeyProviderOptions {
  url: string
  /** Called when the set of keys has changed. */
  onChange: () => void
  /** Called with the reason when the provider goes away, and with undefined when it is back. */
  onTrouble: (reason: string | undefined) => void
}

/** Returns the key with the header's `kid` and `alg` as PEM, or undefined if there is none. */
type Lookup = (header: JWTHeaderParameters) => Promise<string | undefined>

/**
 * The keys that an identity provider publishes as a JWK Set (RFC 7517). They are fetched at start and every five minutes. While
 * the provider is away, its last keys stay valid for 24 hours. The remote set of jose would drop them after ten minutes.
 */
export class KeyProvider {
  readonly #options: KeyProviderOptions
  /** Key ids that the provider recently did not have. */
  readonly #unknown = new BoundedCache<true>(UNKNOWN_KEYS_MAX, { ttl: COOLDOWN_MS })
  #text: string | undefined
  #lookup: Lookup | undefined
  // Instants on the monotonic clock, in milliseconds.
  #fetchedAt = -Infinity
  #failedAt = -Infinity
  #searchedAt = -Infinity
  #fetching: Promise<void> | undefined
  #searching: Promise<void> | undefined
  #failuresInARow = 0
  #timer: NodeJS.Timeout | undefined
  #stopped = false
  /** Number of failed fetches. */
  errors = 0

  constructor (options: KeyProviderOptions) {
    this.#options = options
  }

  /** Starts fetching the keys, in the background. */
  start (): void {
    void this.#fetch().catch(() => { /* Reported by onTrouble. */ })
  }

  stop (): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  /** Milliseconds since the keys were fetched, or Infinity if they never were. */
  get ageMs (): number {
    return elapsedMs() - this.#fetchedAt
  }

  /** Whether tokens can be verified. */
  get isUsable (): boolean {
    return this.ageMs <= GOOD_FOR_MS
  }

  /** Whether the last attempt to fetch the keys failed. */
  get isAway (): boolean {
    return this.#failuresInARow > 0
  }

  /** Fetches the keys again if they are stale. If that fails, the old ones are used as long as they are valid. @throws UNAVAILABLE */
  async freshen (): Promise<void> {
    if (this.ageMs <= STALE_MS) return
    // While the provider is away, attempts are made in the background.
    if (this.isUsable && this.isAway) return
    if (!this.#failedJustNow()) await this.#fetch().catch(() => {})
    if (!this.isUsable) throw unavailable()
  }

  /**
   * Returns the key for a token with this header as PEM, or undefined if the provider has none.
   * @throws UNAVAILABLE if that cannot be determined now
   */
  async pemFor (header: JWTHeaderParameters): Promise<string | undefined> {
    await this.freshen()
    const known = await this.#lookup?.(header)
    if (known !== undefined) return known
    const id = JSON.stringify([header.kid, header.alg])
    if (this.#searching === undefined && this.#maySearch(id)) {
      this.#searchedAt = elapsedMs()
      this.#searching = this.#search(header, id).finally(() => { this.#searching = undefined })
    }
    await this.#searching
    const found = await this.#lookup?.(header)
    if (found === undefined && !this.#unknown.has(id)) throw unavailable()
    return found
  }

  #maySearch (id: string): boolean {
    return !this.#unknown.has(id) && !this.#failedJustNow() && elapsedMs() - this.#searchedAt >= COOLDOWN_MS
  }

  async #search (header: JWTHeaderParameters, id: string): Promise<void> {
    await this.#fetch()
    if (await this.#lookup?.(header) === undefined) this.#unknown.set(id, true)
  }

  #failedJustNow (): boolean {
    return elapsedMs() - this.#failedAt < COOLDOWN_MS
  }

  /** @throws UNAVAILABLE */
  async #fetch (): Promise<void> {
    this.#fetching ??= this.#fetchOnce().finally(() => { this.#fetching = undefined })
    await this.#fetching
  }

  async #fetchOnce (): Promise<void> {
    clearTimeout(this.#timer)
    try {
      const text = await load(this.#options.url)
      if (text !== this.#text) {
        this.#lookup = lookupIn(JSON.parse(text) as JSONWebKeySet)
        this.#text = text
        this.#unknown.clear()
        this.#options.onChange()
      }
      this.#fetchedAt = elapsedMs()
      this.#failedAt = -Infinity
      if (this.#failuresInARow > 0) this.#options.onTrouble(undefined)
      this.#failuresInARow = 0
    } catch (error) {
      this.errors++
      this.#failedAt = elapsedMs()
      if (this.#failuresInARow++ === 0) this.#options.onTrouble(reasonOf(error))
      throw unavailable(reasonOf(error))
    } finally {
      if (!this.#stopped) this.#timer = setTimeout(() => { this.start() }, this.#waitMs()).unref()
    }
  }

  #waitMs (): number {
    return this.#failuresInARow === 0 ? REFRESH_MS : Math.min(COOLDOWN_MS * 2 ** (this.#failuresInARow - 1), RETRY_MAX_MS)
  }
}

/** The URL may contain a secret, so no message shows it. */
async function load (url: string): Promise<string> {
  const answer = await fetch(url, {
    headers: { accept: 'application/json, application/jwk-set+json' },
    redirect: 'manual',
    signal: AbortSignal.timeout(TIMEOUT_MS)
  })
  if (answer.status !== 200) {
    await answer.body?.cancel()
    throw new ProviderError(`it answered ${answer.status}`)
  }
  const parts: Uint8Array[] = []
  let size = 0
  for await (const part of answer.body ?? []) {
    size += part.length
    // Leaving the loop cancels the rest.
    if (size > SIZE_MAX) throw new ProviderError('its answer is too long')
    parts.push(part)
  }
  return Buffer.concat(parts).toString()
}

class ProviderError extends Error {
  override name = 'ProviderError'
}

function lookupIn (keySet: JSONWebKeySet): Lookup {
  const find = createLocalJWKSet(withoutUnreadable(keySet))
  const pems = new WeakMap<object, string | undefined>()
  return async header => {
    let key: Awaited<ReturnType<typeof find>>
    try {
      key = await find(header)
    } catch {
      // No key, several keys, or a malformed one.
      return undefined
    }
    if (!pems.has(key)) {
      const keyObject = KeyObject.from(key)
      pems.set(key, isGoodKey(keyObject) ? keyObject.export({ type: 'spki', format: 'pem' }).toString() : undefined)
    }
    return pems.get(key)
  }
}

/** One entry that is no key does not spoil the others (RFC 7517, 5). */
function withoutUnreadable (keySet: JSONWebKeySet): JSONWebKeySet {
  if (!Array.isArray(keySet?.keys)) return keySet
  const keys = keySet.keys.filter(key => typeof key === 'object' && key !== null && !Array.isArray(key))
  return keys.length === 0 ? keySet : { ...keySet, keys }
}

function reasonOf (error: unknown): string {
  if (error instanceof ProviderError) return error.message
  if (error instanceof Error && error.name === 'TimeoutError') return 'it did not answer in time'
  const { code } = ((error as { cause?: unknown }).cause ?? error) as { code?: unknown }
  if (typeof code === 'string') return code.startsWith('ERR_JWKS') ? 'its answer is not a JWK Set' : code
  return error instanceof SyntaxError ? 'its answer is not JSON' : 'it can\'t be reached'
}

function unavailable (reason?: string): Error {
  return chatError('UNAVAILABLE', {
    retryAfter: COOLDOWN_MS / 1000,
    ...(reason === undefined ? {} : { cause: new Error(`The key provider is away: ${reason}`) })
  })
}
