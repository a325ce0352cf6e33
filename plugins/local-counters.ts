import { BoundedCache } from '../bounded-cache.js'
import type { Count } from '../store/counters.js'

/**
 * Counters of one process, with windows on its monotonic clock. Those of @fastify/rate-limit use the wall clock: if that is set back an
 * hour, they refuse requests for an hour.
 */
export class LocalCounters {
  readonly #counts: BoundedCache<{ count: number }>

  /** @param max maximum number of keys; the least recently counted is dropped first */
  constructor (max: number) {
    this.#counts = new BoundedCache(max)
  }

  /** Counts one more. A key's window starts with its first count. */
  add (key: string, windowMs: number): Count {
    const open = this.#counts.get(key)
    if (open !== undefined) return { count: ++open.count, leftMs: this.#counts.getRemainingTTL(key) }
    this.#counts.set(key, { count: 1 }, { ttl: windowMs })
    return { count: 1, leftMs: windowMs }
  }
}
