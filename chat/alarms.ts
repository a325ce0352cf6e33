import type { Alarm, Clock } from '../hub/clock.js'

/** Alarms kept at a time. What has none is found by the next round of keeping house, two seconds later at most. */
export const ALARMS_MAX = 100_000

/** Alarms of the process, one for each thing that they are about: a new one takes the place of the one before. */
export class Alarms {
  readonly #clock: Clock
  readonly #alarms = new Map<string, Alarm>()

  constructor (clock: Clock) {
    this.#clock = clock
  }

  /** Calls `ring` once, `ms` milliseconds from now or a little later. @returns false where there are too many alarms already */
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
