import { Type, type Static } from 'typebox'

/**
 * Every error that a client can get: its stable code, its HTTP status and its message. Clients switch on the code. The
 * reference is generated from this table.
 */
export const errorCatalogue = {
  // The request itself
  VALIDATION_FAILED: [400, 'The request does not match its schema'],
  INVALID_JSON: [400, 'The body is not valid JSON'],
  INVALID_CURSOR: [400, 'The cursor does not belong to this list'],
  BAD_REQUEST: [400, 'The request is malformed'],
  SELF_CONVERSATION: [400, 'A direct conversation needs another user'],
  GROUP_TOO_LARGE: [400, 'A group holds at most 1,000 participants'],
  METADATA_TOO_LARGE: [400, 'The metadata is larger than 4,096 bytes or deeper than 8 levels'],
  UNKNOWN_EMOJI: [400, 'That is not one emoji'],
  UNKNOWN_MESSAGE: [422, 'The conversation has no such message'],
  UNKNOWN_USER: [422, 'The user does not exist'],
  REQUEST_TIMEOUT: [408, 'The request was not received in time'],
  HEADERS_TOO_LARGE: [431, 'The URL and headers are larger than 16 KiB'],
  BODY_TOO_LARGE: [413, 'The body is larger than 64 KiB'],
  UNSUPPORTED_MEDIA_TYPE: [415, 'The body must be application/json'],
  // The caller
  UNAUTHORIZED: [401, 'A valid token is required'],
  TOKEN_EXPIRED: [401, 'The token has expired'],
  INVALID_CREDENTIALS: [401, 'The user id or the password is wrong'],
  INVALID_TICKET: [401, 'The ticket is unknown, already used, or expired'],
  FORBIDDEN: [403, 'Your role does not allow this'],
  POSTING_RESTRICTED: [403, 'The conversation does not let you post'],
  OWN_MESSAGE: [403, 'You cannot mark your own message'],
  // The state of what is asked for
  NOT_FOUND: [404, 'Not found'],
  FEATURE_OFF: [404, 'This feature is off'],
  USER_EXISTS: [409, 'The user id is already taken'],
  NOT_A_GROUP: [409, 'A direct conversation does not allow this'],
  CLIENT_ID_REUSED: [409, 'The clientId was already used with different content'],
  MESSAGE_DELETED: [409, 'The message has been deleted'],
  // Limits
  TOO_MANY_REACTIONS: [409, 'A message holds at most 20 different emoji'],
  TOO_MANY_CONVERSATIONS: [409, 'A user who would join has reached the maximum number of conversations'],
  TOO_MANY_GROUPS: [429, 'Too many groups created in one day'],
  SLOW_MODE: [429, 'Members of this group wait between two messages'],
  TOO_MANY_STREAMS: [429, 'Too many open streams'],
  TOO_MANY_REQUESTS: [429, 'Too many requests'],
  TOO_MANY_FAILURES: [429, 'Too many failed logins'],
  // Trouble on the server
  UNAVAILABLE: [503, 'The service is temporarily unavailable; try again'],
  INTERNAL_ERROR: [500, 'Something went wrong']
} as const satisfies Record<string, readonly [status: number, message: string]>

export type ErrorCode = keyof typeof errorCatalogue

export const ErrorAnswer = Type.Object({
  statusCode: Type.Integer(),
  code: Type.String({ description: 'Stable, in upper case' }),
  error: Type.String({ description: 'The reason phrase of the status' }),
  message: Type.String()
}, { $id: 'Error' })
export type ErrorAnswer = Static<typeof ErrorAnswer>
