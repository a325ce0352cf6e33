import type { ChatError } from '../base/errors.js'
import type { DisconnectCause, StreamOptions } from '../options.js'
import type { FetchLike } from '../base/platform.js'

/** One connection to the stream, from the request to its end. */
export interface ConnectionRequest {
  options: StreamOptions
  baseUrl: string
  fetch: FetchLike | undefined
  token: string
  lastEventId: string | null
}

export interface ConnectionHandlers {
  /** Something came, if only a heartbeat. */
  onActivity (): void
  /** The server's `retry:`. */
  onRetry (ms: number): void
  onEvent (type: string, data: string, id: string | null): void
  /** Called once, last, and not after the connection was closed from this side. */
  onEnd (cause: DisconnectCause, error: ChatError): void
}

/**
 * Opens a connection.
 *
 * @returns a function that closes it; no handler is called any more
 */
export type OpenConnection = (request: ConnectionRequest, handlers: ConnectionHandlers) => () => void
