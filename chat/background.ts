import type { Clock } from '../hub/clock.js'

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

  /** Runs the work now, and again `ms` milliseconds after each end of it. */
  repeat (ms: number, work: () => Promise<void>): void {
    const again = (): void => {
      this.run(async () => {
        try {
          await work()
        } finally {
          this.#clock.after(ms, again)
        }
      })
    }
    this.#clock.after(0, again)
  }

  /** Begins nothing more, and waits for what is running. */
  async stop (): Promise<void> {
    this.#stopped = true
    await Promise.allSettled(this.#running)
  }
}
