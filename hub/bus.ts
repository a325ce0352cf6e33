/**
 * What carries emissions between nodes. It may lose, repeat or reorder: the hub knows each topic's numbers and puts it
 * right from the log.
 */
export interface Bus {
  /** Sends to every other node that listens on one of the channels. Never throws; what can't be sent is lost. */
  publish(channels: readonly string[], message: () => string): void
  /** Called for each message of another node. */
  onMessage(listener: (message: string) => void): void
  /** Resolves once messages arrive; when the bus is away it resolves too, and listening begins when it is back. */
  listen(channel: string): Promise<void>
  unlisten(channel: string): void
  /** Whether messages pass. */
  readonly connected: boolean
  close(): Promise<void>
}

/** One node: nobody to tell. */
export class LocalBus implements Bus {
  readonly connected = true
  publish (): void {}
  onMessage (): void {}
  async listen (): Promise<void> {}
  unlisten (): void {}
  async close (): Promise<void> {}
}
