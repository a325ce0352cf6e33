import type { ChatError } from '../base/errors.js'
import type { DisconnectCause, StreamOptions } from '../options.js'
import type { FetchLike } from '../base/platform.js'

/** What a connection to the stream needs. */
export interface ConnectionRequest {
  options: StreamOptions
  baseUrl: string
  fetch: FetchLike | undefined
  token: string
  lastEventId: string | null
}

export interface ConnectionHandlers {
  /** Something arrived, even if only a heartbeat. */
  onActivity (): void
  /** The server sent a `retry:` field. */
  onRetry (ms: number): void
  onEvent (type: string, data: string, id: string | null): void
  /** Called once, as the last call. Not called if the client itself closed the connection. */
  onEnd (cause: DisconnectCause, error: ChatError): void
}

/**
 * Opens one connection to the stream, which is never reopened.
 *
 * @returns a function that closes it; no handler is called afterwards
 */
export type OpenConnection = (request: ConnectionRequest, handlers: ConnectionHandlers) => () => void
