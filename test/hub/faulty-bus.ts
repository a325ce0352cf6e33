import type { Bus } from '../../hub/bus.js'

export interface Faults {
  /** Probabilities for each message. */
  lose: number
  repeat: number
  /** Messages are delayed by a random time up to this, in milliseconds, so that they overtake each other. */
  delayMs: number
}

/** A bus that does everything that a bus is allowed to do. */
export class FaultyBus implements Bus {
  readonly #inner: Bus
  readonly #faults: Faults

  constructor (inner: Bus, faults: Faults) {
    this.#inner = inner
    this.#faults = faults
  }

  get maxMessageBytes (): number {
    return this.#inner.maxMessageBytes ?? 65_536
  }

  get connected (): boolean {
    return this.#inner.connected
  }

  publish (channel: string, message: () => string, short?: () => string): void {
    const { lose, repeat, delayMs } = this.#faults
    for (let copies = 1 + Number(Math.random() < repeat); copies > 0; copies--) {
      if (Math.random() < lose) continue
      setTimeout(() => { this.#inner.publish(channel, message, short) }, Math.random() * delayMs)
    }
  }

  onMessage (listener: (message: string) => void): void {
    this.#inner.onMessage(listener)
  }

  onReconnect (listener: () => void): void {
    this.#inner.onReconnect(listener)
  }

  listen (channel: string): Promise<void> | undefined {
    return this.#inner.listen(channel)
  }

  unlisten (channel: string): void {
    this.#inner.unlisten(channel)
  }

  async close (): Promise<void> {
    await this.#inner.close()
  }
}
