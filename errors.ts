import createError from '@fastify/error'
import { errorCatalogue, type ErrorCode } from './schemas/errors.js'

/** A refusal out of the catalogue: `code`, `statusCode` and `message` are the catalogue's. */
export interface ChatError extends Error {
  code: ErrorCode
  statusCode: number
  /** Seconds after which trying again makes sense; sent as `Retry-After`. */
  retryAfter?: number
}

const constructors = Object.fromEntries(Object.entries(errorCatalogue).map(([code, [status, message]]) =>
  [code, createError(code, message, status)])) as Record<ErrorCode, ReturnType<typeof createError>>

export interface ChatErrorOptions {
  cause?: unknown
  retryAfter?: number
}

/** Makes the refusal with this code. */
export function chatError (code: ErrorCode, options: ChatErrorOptions = {}): ChatError {
  const error = new constructors[code]() as unknown as ChatError
  if (options.cause !== undefined) error.cause = options.cause
  if (options.retryAfter !== undefined) error.retryAfter = options.retryAfter
  return error
}

/** Whether the error is a refusal out of the catalogue, with this code if one is given. */
export function isChatError (error: unknown, code?: ErrorCode): error is ChatError {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' &&
    'statusCode' in error && typeof error.statusCode === 'number' &&
    (code === undefined ? Object.hasOwn(errorCatalogue, error.code) : error.code === code)
}
