import { elapsedMs, wallClockMs } from '../time.js'

/**
 * The clock that all nodes of an installation share, so that it doesn't matter what their wall clocks say. Two readings:
 * `now` is what people are shown, `ticks` is what deadlines are set and judged by.
 */
export interface SharedClock {
  /** Epoch milliseconds, for instants that are shown. May step when somebody sets the clock. */
  now(): number
  /**
   * Milliseconds, for deadlines (`…_until`, `expires_at`): the same on every node, and about epoch milliseconds. Doesn't
   * step while any node runs, unless a database server's clock does.
   */
  ticks(): number
  /** Columns to select from `chat_meta`, so that a query that is made anyway also sets the clock. */
  readonly columns: string
  /** Takes what those columns held in an answer, and when it was asked for, by `elapsedMs`. */
  observe(row: ClockColumns, askedAt: number): void
  /** How often `ticks` had to step: deadlines may be further ahead than they were set. */
  readonly steps: number
}

export interface ClockColumns { clock: unknown }

/** How fast two clocks may drift apart: twice what NTP slews at most (500 ppm). */
const DRIFT = 0.001

/**
 * PostgreSQL: the server's clock, read with queries that are made anyway, and carried on by this process's monotonic clock
 * in between. Each answer bounds the difference of the two by the moments before and after it; the bounds are narrowed from
 * answer to answer, as long as they agree. Where they don't, the server's clock has stepped (or this machine was suspended),
 * and all nodes follow it.
 */
export class PostgresClock implements SharedClock {
  readonly columns = 'CAST(extract(epoch FROM clock_timestamp()) * 1000 AS float8) AS clock'
  steps = 0
  /** Server's clock less `elapsedMs`, at the time of the last answer. */
  #bounds: { low: number, high: number, at: number } | undefined

  now (): number {
    if (this.#bounds === undefined) throw new Error('The clock has not been set')
    return Math.floor(elapsedMs() + (this.#bounds.low + this.#bounds.high) / 2)
  }

  ticks (): number {
    return this.now()
  }

  observe ({ clock }: ClockColumns, askedAt: number): void {
    const at = elapsedMs()
    const seen = { low: Number(clock) - at, high: Number(clock) - askedAt }
    if (this.#bounds === undefined) {
      this.#bounds = { ...seen, at }
      return
    }
    const drift = (at - this.#bounds.at) * DRIFT
    const low = Math.max(seen.low, this.#bounds.low - drift)
    const high = Math.min(seen.high, this.#bounds.high + drift)
    if (low <= high) {
      this.#bounds = { low, high, at }
    } else {
      this.#bounds = { ...seen, at }
      this.steps++
    }
  }
}

/** What leads from `elapsedMs` to the machine's own monotonic clock, which all of its processes share. */
const MACHINE = Number(process.hrtime.bigint()) / 1e6 - performance.now()

/** Milliseconds by the machine's monotonic clock: the same in all of its processes, until it is started again. */
export const machineMs = (): number => elapsedMs() + MACHINE

/**
 * SQLite: all processes on one file run on one machine. Deadlines are set by its monotonic clock, moved to where the wall
 * clock was when the file was first opened since the machine's start; the offset stands in the file. What is shown follows
 * the wall clock, as it has to where that is set right at last, or the machine was suspended.
 */
export class SqliteClock implements SharedClock {
  readonly columns = 'clock_offset AS clock'
  steps = 0
  #offset: number

  constructor (offset: number) {
    this.#offset = offset
  }

  now (): number {
    return wallClockMs()
  }

  ticks (): number {
    return Math.floor(machineMs()) + this.#offset
  }

  observe ({ clock }: ClockColumns): void {
    if (Number(clock) === this.#offset) return
    this.#offset = Number(clock)
    this.steps++
  }
}
