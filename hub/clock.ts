import { elapsedMs } from '../time.js'

/** Resolution of the clock, in milliseconds. */
const TICK_MS = 50
/** Ticks that it looks ahead for the next alarm. */
const AHEAD = 20

/** What `Clock.after` returns; `Clock.cancel` takes it. */
export interface Alarm { tick: number, ring: () => void }

const tickAt = (ms: number): number => Math.floor(ms / TICK_MS)

/**
 * One timer for everything that waits: heartbeats, expiries, lapses. With a timer for each, an idle stream would cost half as much
 * again. Alarms of the same tick ring together, never early.
 */
export class Clock {
  readonly #alarms = new Map<number, Set<Alarm>>()
  #timer: NodeJS.Timeout | undefined
  /** The last tick that has rung, and the one that the timer waits for. */
  #last = 0
  #next = 0

  /** Calls `ring` once, `ms` milliseconds from now or a little later. */
  after (ms: number, ring: () => void): Alarm {
    const now = elapsedMs()
    const tick = tickAt(now + Math.max(0, ms)) + 1
    const alarm = { tick, ring }
    let set = this.#alarms.get(tick)
    if (set === undefined) this.#alarms.set(tick, set = new Set())
    set.add(alarm)
    if (this.#timer === undefined) {
      this.#last = tickAt(now)
      this.#wait(tick)
    } else if (tick < this.#next) {
      this.#wait(tick)
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
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** Waits for a tick, but not for long. Ticks without an alarm do not wake up an idle process. */
  #wait (tick: number): void {
    clearTimeout(this.#timer)
    this.#next = Math.min(tick, this.#last + AHEAD)
    this.#timer = setTimeout(() => { this.#ring() }, Math.max(0, this.#next * TICK_MS - elapsedMs()))
    this.#timer.unref()
  }

  #ring (): void {
    const now = tickAt(elapsedMs())
    while (this.#last < now) {
      const set = this.#alarms.get(++this.#last)
      if (set === undefined) continue
      // An alarm may cancel another one of the same tick
      for (const alarm of set) alarm.ring()
      this.#alarms.delete(this.#last)
    }
    if (this.#alarms.size === 0) {
      this.stop()
      return
    }
    let next = this.#last + 1
    while (next < this.#last + AHEAD && !this.#alarms.has(next)) next++
    this.#wait(next)
  }
}
