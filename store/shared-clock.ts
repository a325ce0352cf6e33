import { elapsedMs, wallClockMs } from '../time.js'
import { columnIn } from './table.js'
import * as tables from './tables.js'

/**
 * The clock that all nodes of an installation share, so that their wall clocks do not matter. It has two readings: `now` is
 * shown to people, `ticks` sets and judges deadlines.
 */
export interface SharedClock {
  /** Epoch milliseconds, for instants that are shown. Steps when somebody sets the clock. */
  now(): number
  /**
   * Milliseconds, for deadlines (`…_until`, `expires_at`): the same on every node, and close to epoch milliseconds. Does not
   * step while any node runs, unless the clock of the database server does.
   */
  ticks(): number
  /** Columns to select from `chat_meta`, so that a query that runs anyway also sets the clock. */
  readonly columns: string
  /** Takes the value of those columns, and when the query was sent, by `elapsedMs`. */
  observe(row: ClockColumns, askedAt: number): void
  /** Number of steps of `ticks`. After one, deadlines may be further ahead than they were set. */
  readonly steps: number
}

export interface ClockColumns { clock: unknown }

/** Maximum drift between two clocks: twice the maximum slew of NTP (500 ppm). */
const DRIFT = 0.001

/**
 * PostgreSQL: the server's clock. It is read with queries that run anyway, and extrapolated by this process's monotonic clock
 * in between. The moments before and after a query bound the difference of the two clocks, and each answer narrows the bounds
 * as long as it agrees with them. If it does not, the server's clock has stepped (or this machine was suspended), and all nodes
 * follow it.
 */
export class PostgresClock implements SharedClock {
  readonly columns = 'CAST(extract(epoch FROM clock_timestamp()) * 1000 AS float8) AS clock'
  steps = 0
  /** Server's clock minus `elapsedMs`, at the time of the last answer. */
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

/** Difference of the machine's monotonic clock, which all of its processes share, and `elapsedMs`. */
const MACHINE = Number(process.hrtime.bigint()) / 1e6 - performance.now()

/** Milliseconds by the machine's monotonic clock: the same in all of its processes, until the machine is restarted. */
export const machineMs = (): number => elapsedMs() + MACHINE

/**
 * SQLite: all processes on one file run on one machine. Deadlines are set by its monotonic clock, plus an offset to what the wall
 * clock was when the file was first opened after the machine's start. The file contains the offset. What is shown follows the
 * wall clock, which may be corrected later, and goes on while the machine is suspended.
 */
export class SqliteClock implements SharedClock {
  readonly columns = `${columnIn(tables.meta, 'clockOffset')} AS clock`
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
