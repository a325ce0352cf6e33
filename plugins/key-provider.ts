import { KeyObject } from 'node:crypto'
import { createLocalJWKSet, type JSONWebKeySet, type JWTHeaderParameters } from 'jose'
import { LRUCache } from 'lru-cache'
import { chatError } from '../errors.js'
import { elapsedMs } from '../time.js'
import { isGoodKey } from './public-key.js'

/** How often the keys are fetched anew, in milliseconds. A key that was withdrawn is refused from then on. */
const REFRESH_MS = 300_000
/** Keys older than this are fetched anew before they are used: after a time in which no timer ran. */
const STALE_MS = 600_000
/** How long keys are good while the provider is away. */
const GOOD_FOR_MS = 86_400_000
/** The provider is asked for keys that nobody knows, or again after a failure, no more often than this. */
const COOLDOWN_MS = 5000
/** After failures in a row, the waits between attempts grow up to this. */
const RETRY_MAX_MS = 60_000
const TIMEOUT_MS = 5000
/** Unknown key ids that are remembered. */
export const UNKNOWN_KEYS_MAX = 1000

export interface KeyProviderOptions {
  url: string
  /** Told when other keys are there than before. */
  onChange: () => void
  /** Told when the provider goes away (why) and when it is back (undefined). */
  onTrouble: (reason: string | undefined) => void
}

/** A key of the header's `kid` and `alg` as PEM; undefined when there is none. */
type Lookup = (header: JWTHeaderParameters) => Promise<string | undefined>

/**
 * The keys that an identity provider publishes (RFC 7517, a JWK Set). They are fetched at the start and every five minutes.
 * While the provider is away, the keys that it gave stay good for a day. jose's own remote set drops them after ten minutes.
 */
export class KeyProvider {
  readonly #options: KeyProviderOptions
  /** Key ids that the provider didn't have a moment ago. */
  readonly #unknown = new LRUCache<string, true>({ max: UNKNOWN_KEYS_MAX, ttl: COOLDOWN_MS })
  #text = ''
  #lookup: Lookup | undefined
  // instants of the monotonic clock, in milliseconds
  #fetchedAt = -Infinity
  #failedAt = -Infinity
  #searchedAt = -Infinity
  #fetching: Promise<void> | undefined
  #searching: Promise<void> | undefined
  #failuresInARow = 0
  #timer: NodeJS.Timeout | undefined
  #stopped = false
  /** Fetches that failed. */
  errors = 0

  constructor (options: KeyProviderOptions) {
    this.#options = options
  }

  /** Fetches the keys, and goes on doing so, in the background. */
  start (): void {
    void this.#fetch().catch(() => { /* told by onTrouble */ })
  }

  stop (): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  /** Milliseconds since the keys were fetched; Infinity before. */
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

  /** Fetches keys that are too old to be used unasked. Keys that can't be fetched stay good, up to their end. @throws UNAVAILABLE */
  async freshen (): Promise<void> {
    if (this.ageMs <= STALE_MS) return
    // while the provider is away it is asked in the background
    if (this.isUsable && this.isAway) return
    if (!this.#failedJustNow()) await this.#fetch().catch(() => {})
    if (!this.isUsable) throw unavailable()
  }

  /**
   * The key for a token with this header, as PEM; undefined when the provider has none.
   * @throws UNAVAILABLE when that can't be said now
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

/** The address may hold a secret, so it is in no message. */
async function load (url: string): Promise<string> {
  const answer = await fetch(url, {
    headers: { accept: 'application/json, application/jwk-set+json' },
    redirect: 'manual',
    signal: AbortSignal.timeout(TIMEOUT_MS)
  })
  const text = await answer.text()
  if (answer.status !== 200) throw new ProviderError(`it answered ${answer.status}`)
  return text
}

class ProviderError extends Error {
  override name = 'ProviderError'
}

function lookupIn (keySet: JSONWebKeySet): Lookup {
  const find = createLocalJWKSet(keySet)
  const pems = new WeakMap<object, string | undefined>()
  return async header => {
    let key: Awaited<ReturnType<typeof find>>
    try {
      key = await find(header)
    } catch {
      // none, several, or one that is malformed
      return undefined
    }
    if (!pems.has(key)) {
      const keyObject = KeyObject.from(key)
      pems.set(key, isGoodKey(keyObject) ? keyObject.export({ type: 'spki', format: 'pem' }).toString() : undefined)
    }
    return pems.get(key)
  }
}

function reasonOf (error: unknown): string {
  if (error instanceof ProviderError) return error.message
  if (error instanceof Error && error.name === 'TimeoutError') return 'it gave no answer in time'
  const { code } = ((error as { cause?: unknown }).cause ?? error) as { code?: unknown }
  if (typeof code === 'string') return code.startsWith('ERR_JWKS') ? 'its answer is no JWK Set' : code
  return error instanceof SyntaxError ? 'its answer is no JSON' : 'it can\'t be reached'
}

function unavailable (reason?: string): Error {
  return chatError('UNAVAILABLE', {
    retryAfter: COOLDOWN_MS / 1000,
    ...(reason === undefined ? {} : { cause: new Error(`The key provider is away: ${reason}`) })
  })
}
