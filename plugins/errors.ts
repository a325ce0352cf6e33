import { STATUS_CODES } from 'node:http'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { chatError, isChatError, type ChatError } from '../errors.js'
import type { ErrorAnswer, ErrorCode } from '../schemas/errors.js'
import { logSerializers, maskTokens } from './logging.js'

export interface ErrorsOptions {
  /** Whether the chat also answers unknown routes below this scope. */
  notFound: boolean
}

/** Fastify's own error codes, and their equivalents in the catalogue. */
const frameworkCodes: Record<string, ErrorCode> = {
  FST_ERR_VALIDATION: 'VALIDATION_FAILED',
  FST_ERR_CTP_INVALID_JSON_BODY: 'INVALID_JSON',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'INVALID_JSON',
  FST_ERR_CTP_BODY_TOO_LARGE: 'BODY_TOO_LARGE',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'UNSUPPORTED_MEDIA_TYPE',
  FST_ERR_BAD_URL: 'NOT_FOUND',
  FST_ERR_MAX_PARAM_LENGTH: 'NOT_FOUND'
}

/** Codes for errors that others throw, such as a host's `authenticate`. They keep their status. */
export const statusCodes: Record<number, ErrorCode> = {
  401: 'UNAUTHORIZED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  413: 'BODY_TOO_LARGE',
  415: 'UNSUPPORTED_MEDIA_TYPE',
  429: 'TOO_MANY_REQUESTS',
  503: 'UNAVAILABLE'
}

/** Gives every error of its scope the shape and a code of the catalogue. The host's error handler is not affected. */
async function errorsPlugin (app: FastifyInstance, options: ErrorsOptions): Promise<void> {
  app.setErrorHandler(answerError)
  if (options.notFound) await app.register(notFoundPlugin)
}

/** In a scope of its own. A scope's log serializers do not apply to requests without a route, so the child logger gets them. */
async function notFoundPlugin (app: FastifyInstance): Promise<void> {
  const { childLoggerFactory } = app
  app.setChildLoggerFactory((logger, bindings, options, request) =>
    childLoggerFactory.call(app, logger, bindings, { ...options, serializers: { ...options.serializers, ...logSerializers } }, request))
  app.setNotFoundHandler(notFound)
}

export function notFound (_request: FastifyRequest, reply: FastifyReply): void {
  answer(reply, chatError('NOT_FOUND'))
}

export function answerError (error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  const refusal = isMalformedEmoji(error, request) ? chatError('BAD_REQUEST', { cause: error }) : refusalOf(error)
  logFailure(error, refusal, request)
  answer(reply, refusal)
}

/** An id that cannot be decoded is answered like one that does not exist. An emoji is no id. */
const isMalformedEmoji = ({ code }: FastifyError, { url }: FastifyRequest): boolean => code === 'FST_ERR_BAD_URL' && url.includes('/reactions/')

/** Logs errors that are not the caller's fault. */
export function logFailure (error: FastifyError, refusal: ChatError, request: FastifyRequest): void {
  if (refusal.statusCode >= 500) request.log[refusal.code === 'UNAVAILABLE' ? 'warn' : 'error']({ err: refusal.cause ?? error }, refusal.message)
}

/** Converts an error to one of the catalogue. */
export function refusalOf (error: FastifyError): ChatError {
  if (isChatError(error)) return error
  // An id that cannot exist is answered like one that does not.
  if (error.validationContext === 'params') return chatError('NOT_FOUND')
  const refusal = chatError(codeOf(error), { cause: error })
  if (refusal.code === 'BAD_REQUEST') refusal.statusCode = error.statusCode ?? 400
  // What a host's hook refuses keeps the host's words
  const isOfHost = refusal.statusCode < 500 && frameworkCodes[error.code] === undefined && typeof error.message === 'string' && error.message !== ''
  if (isOfHost || refusal.code === 'VALIDATION_FAILED' || refusal.code === 'INVALID_JSON') refusal.message = maskTokens(error.message)
  return refusal
}

function codeOf ({ code, statusCode = 500, message }: FastifyError): ErrorCode {
  const known = frameworkCodes[code]
  if (known !== undefined) return known
  if (statusCode >= 500) return statusCode === 503 ? 'UNAVAILABLE' : 'INTERNAL_ERROR'
  const byStatus = statusCodes[statusCode]
  if (byStatus !== undefined) return byStatus
  // Errors of secure-json-parse have no code.
  if (/prototype/i.test(message)) return 'VALIDATION_FAILED'
  return /JSON/i.test(message) ? 'INVALID_JSON' : 'BAD_REQUEST'
}

export const answerOf = ({ statusCode, code, message, length, hookCode }: ChatError): ErrorAnswer => ({
  statusCode,
  code,
  error: STATUS_CODES[statusCode] ?? 'Error',
  message,
  ...(code === 'OFFSET_MISMATCH' ? { length } : {}),
  ...(hookCode === undefined ? {} : { hookCode })
})

function answer (reply: FastifyReply, refusal: ChatError): void {
  const { statusCode, retryAfter } = refusal
  if (retryAfter !== undefined) reply.header('Retry-After', retryAfter)
  if (statusCode === 401) reply.header('WWW-Authenticate', 'Bearer')
  // As text, so that no preSerialization hook of a host changes it
  reply.code(statusCode).type('application/json; charset=utf-8').send(JSON.stringify(answerOf(refusal)))
}

export default fp(errorsPlugin, { name: 'fastify-sse-chat-errors', fastify: '5.x' })
