import type { Alarm, Clock } from '../hub/clock.js'

/** Alarms that one rule may have set. What is over and has none is ended by the next round of housekeeping, two seconds later at most. */
export const ALARMS_MAX = 100_000

/** The alarms of one rule in this process, at most one for each key. Setting another one replaces it. */
export class Alarms {
  readonly #clock: Clock
  readonly #alarms = new Map<string, Alarm>()

  constructor (clock: Clock) {
    this.#clock = clock
  }

  /** Calls `ring` once, `ms` milliseconds from now or a little later. @returns false when too many alarms are set already */
  set (key: string, ms: number, ring: () => void): boolean {
    this.cancel(key)
    if (this.#alarms.size >= ALARMS_MAX) return false
    this.#alarms.set(key, this.#clock.after(ms, () => {
      this.#alarms.delete(key)
      ring()
    }))
    return true
  }

  cancel (key: string): void {
    this.#clock.cancel(this.#alarms.get(key))
    this.#alarms.delete(key)
  }
}
