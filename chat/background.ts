import type { Clock } from '../hub/clock.js'

/** When old rows are deleted first, and how long after each end of it they are deleted again, in milliseconds. */
const FIRST_PRUNING_MS = 5000
const PRUNING_MS = 60_000

/** Work that nobody waits for. What fails is reported, and the next round of housekeeping finds it again. */
export class Background {
  readonly #clock: Clock
  readonly #onError: (error: unknown) => void
  readonly #running = new Set<Promise<unknown>>()
  #stopped = false

  constructor (clock: Clock, onError: (error: unknown) => void) {
    this.#clock = clock
    this.#onError = onError
  }

  get stopped (): boolean {
    return this.#stopped
  }

  run (work: () => Promise<void>): void {
    if (this.#stopped) return
    const running = work().catch(this.#onError).finally(() => this.#running.delete(running))
    this.#running.add(running)
  }

  /** Runs the work after `first` milliseconds, and again `ms` milliseconds after each end of it. */
  repeat (ms: number, work: () => Promise<void>, first = 0): void {
    const again = (): void => {
      this.run(async () => {
        try {
          await work()
        } finally {
          this.#clock.after(ms, again)
        }
      })
    }
    this.#clock.after(first, again)
  }

  /** Repeats work that deletes what is old. It does not begin at once: a start has more urgent things to do. */
  prune (work: () => Promise<void>): void {
    this.repeat(PRUNING_MS, work, FIRST_PRUNING_MS)
  }

  /** Begins nothing more, and waits for what is running. */
  async stop (): Promise<void> {
    this.#stopped = true
    await Promise.allSettled(this.#running)
  }
}
