import { BoundedCache } from '../bounded-cache.js'
import { chatError } from '../errors.js'
import type { Counters } from '../store/counters.js'
import { elapsedMs } from '../time.js'

/** Failed logins in one window after which more are refused until it ends: for an id and address, for an id, from an address. */
const PER_ID_AND_ADDRESS = 10
const PER_ID = 50
const PER_ADDRESS = 50
const WINDOW_MS = 60_000
/** Locks that this process remembers. Others are looked up in the database. */
export const LOCKS_MAX = 10_000

interface Limit { key: string, max: number }

/** Counts failed logins over all nodes, and refuses further attempts. */
export class Guesses {
  readonly #counters: Counters
  /** Key → when its lock ends, by the monotonic clock. Refusing by these needs no query. */
  readonly #locks = new BoundedCache<number>(LOCKS_MAX)

  constructor (counters: Counters) {
    this.#counters = counters
  }

  /** Refuses what is locked as far as this process knows. @throws TOO_MANY_FAILURES, with `retryAfter` */
  refuseLocked (userId: string, address: string): void {
    for (const { key } of limitsOf(userId, address)) {
      const until = this.#locks.get(key)
      if (until === undefined) continue
      const left = until - elapsedMs()
      if (left > 0) throw tooMany(left)
      this.#locks.delete(key)
    }
  }

  /** Refuses what has failed too often. @throws TOO_MANY_FAILURES, with `retryAfter` */
  async refuse (userId: string, address: string): Promise<void> {
    await Promise.all(limitsOf(userId, address).map(async ({ key, max }) => {
      const failures = await this.#counters.get(key, WINDOW_MS)
      if (failures === undefined || failures.count < max) return
      const left = Math.max(failures.leftMs, 1)
      this.#locks.set(key, elapsedMs() + left)
      throw tooMany(left)
    }))
  }

  async count (userId: string, address: string): Promise<void> {
    await Promise.all(limitsOf(userId, address).map(async ({ key }) => await this.#counters.add(key, WINDOW_MS)))
  }
}

function limitsOf (userId: string, address: string): Limit[] {
  return [
    { key: `logins:${JSON.stringify([userId, address])}`, max: PER_ID_AND_ADDRESS },
    { key: `logins of an id:${userId}`, max: PER_ID },
    { key: `logins from an address:${address}`, max: PER_ADDRESS }
  ]
}

const tooMany = (left: number): Error => chatError('TOO_MANY_FAILURES', { retryAfter: Math.max(1, Math.ceil(left / 1000)) })
