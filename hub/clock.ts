/** How exact the clock is, in milliseconds. */
const TICK_MS = 50

/** What `Clock.after` returns; `Clock.cancel` takes it. */
export interface Alarm { tick: number, ring: () => void }

/**
 * One timer for everything that waits: heartbeats, expiries, lapses. A timer each would cost half of what an idle stream
 * costs. Alarms of the same twentieth of a second ring together, never early.
 */
export class Clock {
  readonly #alarms = new Map<number, Set<Alarm>>()
  #timer: NodeJS.Timeout | undefined
  #last = 0

  /** Calls `ring` once, `ms` milliseconds from now or a little later. */
  after (ms: number, ring: () => void): Alarm {
    const tick = Math.floor((performance.now() + Math.max(0, ms)) / TICK_MS) + 1
    const alarm = { tick, ring }
    let set = this.#alarms.get(tick)
    if (set === undefined) this.#alarms.set(tick, set = new Set())
    set.add(alarm)
    if (this.#timer === undefined) {
      this.#last = Math.floor(performance.now() / TICK_MS)
      this.#timer = setInterval(() => { this.#ring() }, TICK_MS)
      this.#timer.unref()
    }
    return alarm
  }

  cancel (alarm: Alarm | undefined): void {
    if (alarm === undefined) return
    const set = this.#alarms.get(alarm.tick)
    if (set?.delete(alarm) === true && set.size === 0) this.#alarms.delete(alarm.tick)
  }

  /** Forgets all alarms. */
  stop (): void {
    this.#alarms.clear()
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #ring (): void {
    const now = Math.floor(performance.now() / TICK_MS)
    for (let tick = this.#last + 1; tick <= now; tick++) {
      const set = this.#alarms.get(tick)
      if (set === undefined) continue
      // one alarm may cancel another of the same moment
      for (const alarm of set) alarm.ring()
      this.#alarms.delete(tick)
    }
    this.#last = now
    if (this.#alarms.size === 0) {
      clearInterval(this.#timer)
      this.#timer = undefined
    }
  }
}
