/**
 * Carries messages between nodes. It may lose, repeat or reorder them: the hub knows each topic's numbers and reads what is
 * missing from the log.
 */
export interface Bus {
  /**
   * Sends a message (one line of text) to every other node that listens on the channel. Never throws; what cannot be sent
   * is lost. If the message is too long for the bus, `short` is sent instead, if given.
   */
  publish(channel: string, message: () => string, short?: () => string): void
  /** Called for each message of another node on a channel that this one listens on. */
  onMessage(listener: (message: string) => void): void
  /** Called when the bus is connected again: messages may have been lost. */
  onReconnect(listener: () => void): void
  /**
   * Resolves once messages on the channel arrive, or at once while the bus is disconnected (`onReconnect` follows). Undefined
   * where there is nothing to wait for.
   */
  listen(channel: string): Promise<void> | undefined
  unlisten(channel: string): void
  /** Calls back after each NOTIFY that a transaction of the database sends on this channel. Only PostgreSQL's bus can. */
  hear?(channel: string, listener: () => void): void
  /** Whether messages pass. */
  readonly connected: boolean
  /** The longest message that the bus is sure to carry, in bytes. Default: 64 KiB. */
  readonly maxMessageBytes?: number
  /** Sends what waits, and accepts no more. */
  close(): Promise<void>
}

/** The bus of a single node. */
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
