/**
 * What carries messages between nodes. It may lose, repeat or reorder: the hub knows each topic's numbers and puts it
 * right from the log.
 */
export interface Bus {
  /**
   * Sends a message (one line of text) to every other node that listens on the channel. Never throws; what can't be sent
   * is lost. Where the message is too long for the bus, `short` goes in its place, if there is one.
   */
  publish(channel: string, message: () => string, short?: () => string): void
  /** Called for each message of another node on a channel that this one listens on. */
  onMessage(listener: (message: string) => void): void
  /** Called when messages pass again after they did not: some may have been lost. */
  onReconnect(listener: () => void): void
  /**
   * Resolves once messages on the channel arrive; at once while the bus is away, which `onReconnect` ends. Undefined
   * where there is nothing to wait for.
   */
  listen(channel: string): Promise<void> | undefined
  unlisten(channel: string): void
  /** Whether messages pass. */
  readonly connected: boolean
  /** The longest message that it carries for sure, in bytes. Default: 64 KiB. */
  readonly maxMessageBytes?: number
  /** Sends what waits, and takes no more. */
  close(): Promise<void>
}

/** One node: nobody to tell. */
export class LocalBus implements Bus {
  readonly connected = true
  publish (): void {}
  onMessage (): void {}
  onReconnect (): void {}
  listen (): undefined {}
  unlisten (): void {}
  async open (): Promise<void> {}
  async close (): Promise<void> {}
}
