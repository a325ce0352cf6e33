import { Type, type Static } from 'typebox'

/**
 * Every refusal: its stable code, its HTTP status and what it says. Clients switch over the code; the documents list this
 * table.
 */
export const errorCatalogue = {
  // what was asked
  VALIDATION_FAILED: [400, 'The request does not fit its schema'],
  INVALID_JSON: [400, 'The body is not valid JSON'],
  INVALID_CURSOR: [400, 'The cursor is not one of this list'],
  BAD_REQUEST: [400, 'The request can\'t be understood'],
  SELF_CONVERSATION: [400, 'A direct conversation needs somebody else'],
  GROUP_TOO_LARGE: [400, 'A group holds at most 1,000 participants'],
  UNKNOWN_USER: [422, 'There is no such user'],
  REQUEST_TIMEOUT: [408, 'The request did not come in time'],
  HEADERS_TOO_LARGE: [431, 'The URL and headers are larger than 16 KiB'],
  BODY_TOO_LARGE: [413, 'The body is larger than 64 KiB'],
  UNSUPPORTED_MEDIA_TYPE: [415, 'The body must be application/json'],
  // who asks
  UNAUTHORIZED: [401, 'A valid token is needed'],
  TOKEN_EXPIRED: [401, 'The token has expired'],
  INVALID_CREDENTIALS: [401, 'User id or password is wrong'],
  INVALID_TICKET: [401, 'The ticket is unknown, used or expired'],
  FORBIDDEN: [403, 'Your role does not allow this'],
  OWN_MESSAGE: [403, 'One\'s own message can\'t be marked'],
  // what there is
  NOT_FOUND: [404, 'Not found'],
  USER_EXISTS: [409, 'This user id is taken'],
  NOT_A_GROUP: [409, 'The participants of a direct conversation are fixed'],
  CLIENT_ID_REUSED: [409, 'This clientId was used for another text'],
  MESSAGE_DELETED: [409, 'The message was deleted'],
  // how much
  TOO_MANY_CONVERSATIONS: [409, 'Somebody who would join takes part in as many conversations as one user may'],
  TOO_MANY_GROUPS: [429, 'Too many groups made in a day'],
  TOO_MANY_STREAMS: [429, 'Too many open streams'],
  TOO_MANY_REQUESTS: [429, 'Too many requests'],
  TOO_MANY_FAILURES: [429, 'Too many failed logins'],
  // not now
  UNAVAILABLE: [503, 'The service can\'t do this now; try again'],
  INTERNAL_ERROR: [500, 'Something went wrong']
} as const satisfies Record<string, readonly [status: number, message: string]>

export type ErrorCode = keyof typeof errorCatalogue

export const ErrorAnswer = Type.Object({
  statusCode: Type.Integer(),
  code: Type.String({ description: 'Stable, upper case' }),
  error: Type.String({ description: 'The status in words' }),
  message: Type.String()
}, { $id: 'Error' })
export type ErrorAnswer = Static<typeof ErrorAnswer>
