import type { Bus } from '../bus.js'

/** Connects hubs of one process, each with its own bus. For tests and experiments. */
export class MemoryNetwork {
  readonly #buses = new Set<MemoryBus>()

  /** A new node's bus. */
  join (): MemoryBus {
    const bus = new MemoryBus(this.#buses)
    this.#buses.add(bus)
    return bus
  }
}

export class MemoryBus implements Bus {
  connected = true
  readonly #buses: Set<MemoryBus>
  readonly #channels = new Set<string>()
  #deliver: (message: string) => void = () => {}
  #reconnected: () => void = () => {}

  constructor (buses: Set<MemoryBus>) {
    this.#buses = buses
  }

  publish (channel: string, message: () => string): void {
    if (!this.connected) return
    for (const bus of this.#buses) {
      if (bus === this || !bus.#channels.has(channel)) continue
      const text = message()
      setImmediate(() => { if (bus.connected && bus.#channels.has(channel)) bus.#deliver(text) })
    }
  }

  onMessage (listener: (message: string) => void): void {
    this.#deliver = listener
  }

  onReconnect (listener: () => void): void {
    this.#reconnected = listener
  }

  async listen (channel: string): Promise<void> {
    this.#channels.add(channel)
  }

  unlisten (channel: string): void {
    this.#channels.delete(channel)
  }

  /** Acts like a broken connection. */
  disconnect (): void {
    this.connected = false
  }

  reconnect (): void {
    this.connected = true
    this.#reconnected()
  }

  async close (): Promise<void> {
    this.connected = false
    this.#buses.delete(this)
  }
}
