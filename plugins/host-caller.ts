import type { FastifyRequest } from 'fastify'
import { chatError, isChatError } from '../errors.js'
import { isUserId, isWebUrl, shownName } from '../schemas/names.js'
import { wallClockMs } from '../time.js'
import { LAST_INSTANT_MS } from './auth.js'
import { statusCodes } from './errors.js'
import type { UserCaller } from './request-caller.js'

/** A caller, as the host's `authenticate` returns it. */
export interface HostCaller {
  userId: string
  displayName?: string | null | undefined
  /** Http(s) URL. */
  avatar?: string | null | undefined
  /** Epoch milliseconds after which calls are refused and streams end. Default: never. */
  expiresAt?: number | null | undefined
  /** Whether the user may use `/api/admin`. Default: false. */
  isOperator?: boolean | undefined
}

/** Values that mean that nobody is signed in. */
export type HostNobody = null | undefined | false | '' | 0

/**
 * Returns the caller of a request. A falsy value refuses the request with 401. A thrown error whose `statusCode` (or `status`) is
 * from 400 to 499, or 503, keeps that status; any other is a 500. Any other value is a bug of the host: a 500, and the log says why.
 */
export type HostAuthenticate = (request: FastifyRequest) => HostCaller | HostNobody | Promise<HostCaller | HostNobody>

/** Calls the host's `authenticate`. @throws UNAUTHORIZED, TOKEN_EXPIRED; an error that names the option `authenticate` */
export async function askHost (authenticate: HostAuthenticate, request: FastifyRequest): Promise<UserCaller> {
  let answer: unknown
  try {
    answer = await authenticate(request)
  } catch (error) {
    throw refusalOf(error)
  }
  if (answer === undefined || answer === null || answer === false || answer === '' || answer === 0) throw chatError('UNAUTHORIZED')
  const { userId, displayName, avatar, expiresAt, isOperator } = hostCallerOf(answer)
  if (!isUserId(userId)) {
    request.log.warn('chat: the option authenticate returned an invalid userId: 1 to 128 characters, no control characters, not "." or ".."')
    throw chatError('UNAUTHORIZED')
  }
  if (expiresAt != null && expiresAt <= wallClockMs()) throw chatError('TOKEN_EXPIRED')
  return {
    userId,
    displayName: displayName == null ? null : shownName(displayName),
    avatar: avatar != null && isWebUrl(avatar) ? avatar : null,
    issuedAt: null,
    expiresAt: expiresAt == null || expiresAt > LAST_INSTANT_MS ? null : Math.floor(expiresAt),
    via: 'http',
    isOperator: isOperator === true
  }
}

/** @throws Error that says what is wrong, without the value, which may be secret */
function hostCallerOf (answer: unknown): HostCaller {
  if (typeof answer !== 'object' || answer === null) throw new AnswerError(`it returned a ${typeof answer}`)
  const { userId, displayName, avatar, expiresAt, isOperator } = propertiesOf(answer)
  if (typeof userId !== 'string') throw new AnswerError(`its userId is ${kindOf(userId)}`)
  if (displayName != null && typeof displayName !== 'string') throw new AnswerError(`its displayName is ${kindOf(displayName)}`)
  if (avatar != null && typeof avatar !== 'string') throw new AnswerError(`its avatar is ${kindOf(avatar)}`)
  if (expiresAt != null && (typeof expiresAt !== 'number' || Number.isNaN(expiresAt))) throw new AnswerError(`its expiresAt is ${kindOf(expiresAt)}`)
  if (isOperator !== undefined && typeof isOperator !== 'boolean') throw new AnswerError(`its isOperator is ${kindOf(isOperator)}`)
  return { userId, displayName, avatar, expiresAt, isOperator }
}

/** Reading them may throw: a host may return anything. */
function propertiesOf (answer: object): Record<keyof HostCaller, unknown> {
  try {
    const { userId, displayName, avatar, expiresAt, isOperator } = answer as Record<keyof HostCaller, unknown>
    return { userId, displayName, avatar, expiresAt, isOperator }
  } catch (error) {
    throw new AnswerError('reading it threw', { cause: error })
  }
}

class AnswerError extends Error {
  override name = 'AnswerError'

  constructor (what: string, options?: ErrorOptions) {
    super(`fastify-sse-chat: the option authenticate must give { userId: string, displayName?: string, avatar?: string (URL), expiresAt?: number (epoch milliseconds), isOperator?: boolean }, or null if nobody is signed in; ${what}`, options)
  }
}

function kindOf (value: unknown): string {
  if (value === undefined || value === null) return String(value)
  return Number.isNaN(value) ? 'NaN' : `of type ${typeof value}`
}

/** A host may throw anything, with a `code` that has another meaning to it. */
function refusalOf (error: unknown): Error {
  let refused: number | undefined
  try {
    if (isChatError(error)) return error
    const { statusCode, status } = (error ?? {}) as { statusCode?: unknown, status?: unknown }
    refused = [statusCode, status].find(isRefusal)
  } catch { /* a property that throws when it is read says nothing */ }
  if (refused === undefined) return new Error('fastify-sse-chat: the option authenticate threw', { cause: error })
  const refusal = chatError(statusCodes[refused] ?? 'BAD_REQUEST', { cause: error })
  refusal.statusCode = refused
  return refusal
}

const isRefusal = (status: unknown): status is number =>
  typeof status === 'number' && Number.isInteger(status) && ((status >= 400 && status < 500) || status === 503)
