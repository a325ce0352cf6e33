import createError from '@fastify/error'
import { errorCatalogue, type ErrorCode } from './schemas/errors.js'

/** An error of the catalogue, which defines its `code`, `statusCode` and `message`. */
export interface ChatError extends Error {
  code: ErrorCode
  statusCode: number
  /** Seconds to wait before trying again, sent as `Retry-After`. */
  retryAfter?: number
  /** With `OFFSET_MISMATCH`: the length of the text, which the answer names. */
  length?: number
  /** With `REFUSED`: the host's own code. */
  hookCode?: string
}

const constructors = Object.fromEntries(Object.entries(errorCatalogue).map(([code, [status, message]]) =>
  [code, createError(code, message, status)])) as Record<ErrorCode, ReturnType<typeof createError>>

export interface ChatErrorOptions {
  cause?: unknown
  retryAfter?: number
  length?: number
}

/** Creates the error with this code. */
export function chatError (code: ErrorCode, options: ChatErrorOptions = {}): ChatError {
  const error = new constructors[code]() as unknown as ChatError
  if (options.cause !== undefined) error.cause = options.cause
  if (options.retryAfter !== undefined) error.retryAfter = options.retryAfter
  if (options.length !== undefined) error.length = options.length
  return error
}

/** Whether the error belongs to the catalogue and, if `code` is given, has that code. Others may use the same codes in another sense. */
export function isChatError (error: unknown, code?: ErrorCode): error is ChatError {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' &&
    'statusCode' in error && typeof error.statusCode === 'number' && error.statusCode >= 400 &&
    (code === undefined ? Object.hasOwn(errorCatalogue, error.code) : error.code === code)
}
