import { LRUCache } from 'lru-cache'
import type { Count } from '../store/counters.js'

/**
 * Counts of one process, by its monotonic clock. @fastify/rate-limit's own go by the wall clock: set back an hour, it would
 * refuse calls for an hour.
 */
export class LocalCounters {
  readonly #counts: LRUCache<string, { count: number }>

  /** @param max keys that are remembered; the one that hasn't been counted for longest goes first */
  constructor (max: number) {
    this.#counts = new LRUCache({ max })
  }

  /** One more; the window begins with the first. */
  add (key: string, windowMs: number): Count {
    const open = this.#counts.get(key)
    if (open !== undefined) return { count: ++open.count, leftMs: this.#counts.getRemainingTTL(key) }
    this.#counts.set(key, { count: 1 }, { ttl: windowMs })
    return { count: 1, leftMs: windowMs }
  }
}
