import type { ErrorCode } from '../../schemas/errors.js'
import { jsonOf } from './exchange.js'
import type { FetchResponse } from './platform.js'

/** The errors that the client itself reports, in addition to the error codes of the service. */
export type ClientErrorCode =
  | 'NETWORK' // No response: the server is unreachable, or the connection broke
  | 'TIMEOUT' // No response in time, or a stream that has gone silent
  | 'TOKEN_FAILED' // The token function threw; its error is the `cause`
  | 'HTTP_ERROR' // An error response that the service did not write, such as a proxy's
  | 'NOT_A_STREAM' // Status 200, but not `text/event-stream`
  | 'NO_STREAMING' // This platform's `fetch` cannot stream: pass another one, or an `EventSource`
  | 'BAD_EVENT' // An event whose data is not a JSON object
  | 'STREAM_ENDED' // The server closed the stream
  | 'REMOVED' // The user is no longer a participant
  | 'STOPPED' // Somebody wants no more of a growing message
  | 'GAVE_UP' // `maxAttempts` reconnects in a row failed; the last error is the `cause`

export interface ChatErrorOptions {
  statusCode?: number
  retryAfterMs?: number | null
  length?: number | null
  cause?: unknown
}

/** Every failure that the client reports, including those that the service answers with. Switch on `code`. */
export class ChatError extends Error {
  override readonly name = 'ChatError'
  /** A stable name in upper case: a code of the service's error catalogue, or a `ClientErrorCode`. */
  readonly code: ErrorCode | ClientErrorCode | (string & Record<never, never>)
  /** The HTTP status, or 0 if there was no response. */
  readonly statusCode: number
  /** How long the server asks the client to wait, in milliseconds. Null if it does not say. */
  readonly retryAfterMs: number | null
  /** With `OFFSET_MISMATCH`, how long the text of the growing message is. Otherwise null. */
  readonly length: number | null

  constructor (code: ChatError['code'], message: string, options: ChatErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.statusCode = options.statusCode ?? 0
    this.retryAfterMs = options.retryAfterMs ?? null
    this.length = options.length ?? null
  }
}

/**
 * Reads `Retry-After` (RFC 9110, 10.2.3): seconds, or a date. A date is compared with the clock that wrote it, which is in
 * the response's `Date` header. Without that header, a date is ignored.
 */
function retryAfterOf ({ headers }: FetchResponse): number | null {
  const value = headers.get('retry-after') || ''
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.parse(headers.get('date') || '')
  return Number.isNaN(ms) ? null : Math.max(0, ms)
}

/** Makes an error of a response other than 2xx. Reads the body. */
export async function errorOf (response: FetchResponse, signal?: AbortSignal): Promise<ChatError> {
  const { status: statusCode } = response
  const body = await jsonOf(response, signal).catch(() => null) as { code?: unknown, message?: unknown, length?: unknown } | null
  const code = typeof body?.code === 'string' ? body.code : 'HTTP_ERROR'
  const message = typeof body?.message === 'string' ? body.message : `The server answered ${statusCode}`
  const length = typeof body?.length === 'number' ? body.length : null
  return new ChatError(code, message, { statusCode, retryAfterMs: retryAfterOf(response), length })
}

/** Wraps anything that was thrown before there was a response in a `ChatError`. */
export const networkError = (cause?: unknown): ChatError =>
  cause instanceof ChatError ? cause : new ChatError('NETWORK', 'The server was not reached, or the connection broke', { cause })

/**
 * Whether something between the client and the service wrote this error: a proxy that has lost its backend may answer
 * 404, 421 or 403. A 401 counts as an answer, whoever wrote it, because it is about the credentials.
 */
export const isForeign = ({ code, statusCode }: ChatError): boolean => code === 'HTTP_ERROR' && statusCode >= 400 && statusCode !== 401

/** Whether another try may succeed. Status 204 tells the client of an event stream not to reconnect. */
export const isTransient = (error: ChatError): boolean => {
  const { code, statusCode } = error
  return code !== 'NO_STREAMING' && statusCode !== 204 &&
    (statusCode < 400 || statusCode >= 500 || statusCode === 408 || statusCode === 425 || statusCode === 429 || isForeign(error))
}
