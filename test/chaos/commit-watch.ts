import { setTimeout as sleep } from 'node:timers/promises'
import type { HarnessDatabase } from './database.js'

const EVERY_MS = 50

/**
 * Records when transactions were committed, by the clock of the harness: the servers' clocks may be wrong, and so may
 * the times that they write. It queries the newest position again and again, so an instant is known as the interval
 * between two answers.
 */
export class CommitWatch {
  readonly #database: Pick<HarnessDatabase, 'position'>
  /** Positions only increase. */
  readonly #samples: Array<{ asked: number, answered: number, position: number }> = []
  readonly #stop = new AbortController()
  #watching: Promise<void> | undefined

  constructor (database: Pick<HarnessDatabase, 'position'>) {
    this.#database = database
  }

  start (): void {
    this.#watching = this.#watch()
  }

  async stop (): Promise<void> {
    this.#stop.abort()
    await this.#watching
  }

  /** A transaction with this position was not committed before this instant, in epoch milliseconds. */
  notBefore (position: number): number {
    return this.#samples.findLast(sample => sample.position < position)?.asked ?? -Infinity
  }

  /** A transaction with this position was committed by this instant, in epoch milliseconds. */
  notAfter (position: number): number {
    return this.#samples.find(sample => sample.position >= position)?.answered ?? Infinity
  }

  async #watch (): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      const asked = Date.now()
      const position = await this.#database.position().catch(() => undefined)
      const last = this.#samples.at(-1)
      const sample = { asked, answered: Date.now(), position: position ?? last?.position ?? 0 }
      // Of several samples with one position, only the first and the last are needed.
      if (position !== undefined && last?.position === position && this.#samples.at(-2)?.position === position) {
        this.#samples[this.#samples.length - 1] = sample
      } else if (position !== undefined) this.#samples.push(sample)
      await sleep(EVERY_MS, undefined, { signal }).catch(() => {})
    }
  }
}
