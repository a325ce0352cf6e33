import type { Renewal } from '../../schemas/streams.js'
import { elapsedMs } from '../base/clock.js'
import { authorized, jsonOf } from '../base/exchange.js'
import { LONGEST_TIMEOUT_MS, type FetchLike, type Timer } from '../base/platform.js'
import { resolveToken, type TokenSource } from '../base/token.js'

/** How long before its expiry a token is renewed: one minute, or a fifth of a shorter lifetime. */
const LEAD_MS = 60_000

export interface RenewalOptions {
  /** The URL that renews the token of the stream. */
  url: string
  fetch: FetchLike
  tokenSource: TokenSource
  expiresAt: string
  /** The server's time when the stream opened. The lifetime is measured from it, so the client's wall clock does not matter. */
  serverTime: string
}

/**
 * Gives a running stream a fresh token shortly before the last one expires. If that fails, the stream ends with its token
 * and is opened again, so failures need no handling here.
 *
 * @returns a function that stops it
 */
export function keepRenewed ({ url, fetch, tokenSource, expiresAt, serverTime }: RenewalOptions): () => void {
  const abort = new AbortController()
  const { signal } = abort
  const start = elapsedMs()
  let expiresMs = Date.parse(expiresAt)
  let timer: Timer | undefined

  async function renew (): Promise<void> {
    const token = await resolveToken(tokenSource, true)
    if (signal.aborted) return
    const response = await authorized(fetch, url, 'POST', token, signal)
    const renewed = await jsonOf(response, signal) as Renewal
    const renewedMs = Date.parse(renewed.expiresAt ?? '')
    if (response.status === 200 && renewedMs > expiresMs) {
      expiresMs = renewedMs
      schedule()
    }
  }

  function schedule (): void {
    const life = expiresMs - Date.parse(serverTime) - (elapsedMs() - start)
    if (signal.aborted || !(life > 0)) return
    timer = setTimeout(() => { renew().catch(() => {}) }, Math.min(life - Math.min(LEAD_MS, life / 5), LONGEST_TIMEOUT_MS))
  }

  schedule()
  return () => {
    abort.abort()
    clearTimeout(timer)
  }
}
