import type { ErrorCode } from '../../schemas/errors.js'
import { jsonOf } from './exchange.js'
import type { FetchResponse } from './platform.js'

/** What can go wrong before or beside an answer of the service. */
export type ClientErrorCode =
  | 'NETWORK' // no answer: unreachable, or cut
  | 'TIMEOUT' // no answer in time, or a stream gone silent
  | 'TOKEN_FAILED' // the token function threw; its error is the cause
  | 'HTTP_ERROR' // an answer that is not the service's own, such as a proxy's
  | 'NOT_A_STREAM' // 200, but no text/event-stream
  | 'NO_STREAMING' // this platform's fetch can't stream: hand in another, or an EventSource
  | 'BAD_EVENT' // an event whose data is no JSON object
  | 'STREAM_ENDED' // the server closed the stream
  | 'REMOVED' // the user is no longer a participant
  | 'GAVE_UP' // as many reconnects in a row as allowed came to nothing; the last one's error is the cause

export interface ChatErrorOptions {
  statusCode?: number
  retryAfterMs?: number | null
  cause?: unknown
}

/** Every failure of the client, the service's refusals included. Switch over `code`. */
export class ChatError extends Error {
  override readonly name = 'ChatError'
  /** Stable, upper case: the service's own (see its error catalogue) or one of the client's. */
  readonly code: ErrorCode | ClientErrorCode | (string & Record<never, never>)
  /** The HTTP status; 0 where there was no answer. */
  readonly statusCode: number
  /** How long the server asked to wait, in milliseconds; null where it didn't. */
  readonly retryAfterMs: number | null

  constructor (code: ChatError['code'], message: string, options: ChatErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.statusCode = options.statusCode ?? 0
    this.retryAfterMs = options.retryAfterMs ?? null
  }
}

/**
 * RFC 9110, 10.2.3: seconds, or a date. A date is read by the clock that wrote it, which the answer's own `Date` header
 * tells; without that header it says nothing.
 */
function retryAfterOf ({ headers }: FetchResponse): number | null {
  const value = headers.get('retry-after') || ''
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.parse(headers.get('date') || '')
  return Number.isNaN(ms) ? null : Math.max(0, ms)
}

/** The error that an answer other than 2xx stands for. Reads the body. */
export async function errorOf (response: FetchResponse, signal?: AbortSignal): Promise<ChatError> {
  const { status: statusCode } = response
  const body = await jsonOf(response, signal).catch(() => null) as { code?: unknown, message?: unknown } | null
  const code = typeof body?.code === 'string' ? body.code : 'HTTP_ERROR'
  const message = typeof body?.message === 'string' ? body.message : `The server answered ${statusCode}`
  return new ChatError(code, message, { statusCode, retryAfterMs: retryAfterOf(response) })
}

/** Anything thrown on the way to an answer, as a ChatError. */
export const networkError = (cause?: unknown): ChatError =>
  cause instanceof ChatError ? cause : new ChatError('NETWORK', 'The server was not reached, or the connection broke', { cause })

/**
 * A refusal by something between here and the service: a proxy that has lost its backend answers 404, 421 or 403, as it
 * likes. Only credentials are judged by whoever asks for them.
 */
export const isForeign = ({ code, statusCode }: ChatError): boolean => code === 'HTTP_ERROR' && statusCode >= 400 && statusCode !== 401

/** Another try may succeed: no answer, too early or too often, or not the service's own word. 204 tells event streams to stay away. */
export const isTransient = (error: ChatError): boolean => {
  const { code, statusCode } = error
  return code !== 'NO_STREAMING' && statusCode !== 204 &&
    (statusCode < 400 || statusCode >= 500 || statusCode === 408 || statusCode === 425 || statusCode === 429 || isForeign(error))
}
