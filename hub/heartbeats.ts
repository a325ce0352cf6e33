import { elapsedMs } from '../time.js'
import type { Alarm, Clock } from './clock.js'

/** Groups of streams that beat one after the other: few enough to wake an idle process rarely, enough to block it only briefly. */
const SLOTS = 30
const SLOT_MIN_MS = 50

interface Beating { beat(): void }

/**
 * The heartbeats of all streams. Each beats every `intervalMs` milliseconds, together with those that were opened at about the
 * same time, and the first time a little early. An alarm for each stream would take 150 bytes, and a wake-up for each beat.
 */
export class Heartbeats {
  readonly #clock: Clock
  readonly #slotMs: number
  readonly #slots: Array<Set<Beating>>
  /** The slot that beats next, when it does, and how many of the last slots were empty. */
  #next = 0
  #dueAt = 0
  #empty = 0
  #alarm: Alarm | undefined

  constructor (clock: Clock, intervalMs: number) {
    const slots = Math.max(1, Math.min(SLOTS, Math.floor(intervalMs / SLOT_MIN_MS)))
    this.#clock = clock
    this.#slotMs = intervalMs / slots
    this.#slots = Array.from({ length: slots }, () => new Set())
  }

  /** @returns the set to delete the stream from */
  add (stream: Beating): Set<Beating> {
    if (this.#alarm === undefined) {
      this.#dueAt = elapsedMs()
      this.#wait()
    }
    // The slot that has just beaten: its next turn is a whole round away
    const slot = this.#slots.at(this.#next - 1)!
    this.#empty = 0
    return slot.add(stream)
  }

  #wait (): void {
    this.#dueAt += this.#slotMs
    this.#alarm = this.#clock.after(this.#dueAt - elapsedMs(), () => { this.#ring() })
  }

  #ring (): void {
    const now = elapsedMs()
    // After a pause of the process, all slots whose turn has passed beat
    const passed = Math.floor((now - this.#dueAt) / this.#slotMs)
    for (let slots = Math.min(passed + 1, this.#slots.length); slots > 0; slots--) this.#ringOne()
    this.#dueAt += passed * this.#slotMs
    if (this.#empty < this.#slots.length) this.#wait()
    else this.#alarm = undefined
  }

  #ringOne (): void {
    const slot = this.#slots[this.#next]!
    this.#next = (this.#next + 1) % this.#slots.length
    this.#empty = slot.size === 0 ? this.#empty + 1 : 0
    for (const stream of slot) stream.beat()
  }
}
