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
  SELF_CONVERSATION: [400, 'This needs another user than yourself'],
  GROUP_TOO_LARGE: [400, 'A group holds at most 1,000 participants'],
  METADATA_TOO_LARGE: [400, 'The metadata is larger than 4,096 bytes or deeper than 8 levels'],
  UNKNOWN_EMOJI: [400, 'That is not one emoji'],
  UNKNOWN_FILE: [422, 'There is no such file that you can attach'],
  FILE_INVALID: [422, 'The file is empty, or an image that cannot be decoded or has more than 50 megapixels'],
  FILE_TOO_LARGE: [413, 'The file is too large'],
  FILE_TYPE_NOT_ALLOWED: [415, 'Files of this type are not allowed'],
  RANGE_NOT_SATISFIABLE: [416, 'The file has no such range'],
  UNKNOWN_MESSAGE: [422, 'The conversation has no such message'],
  UNKNOWN_USER: [422, 'The user does not exist'],
  REQUEST_TIMEOUT: [408, 'The request was not received in time'],
  HEADERS_TOO_LARGE: [431, 'The URL and headers are larger than 16 KiB'],
  BODY_TOO_LARGE: [413, 'The body is larger than 64 KiB'],
  UNSUPPORTED_MEDIA_TYPE: [415, 'The body has a media type that this call does not take'],
  // The caller
  UNAUTHORIZED: [401, 'A valid token is required'],
  TOKEN_EXPIRED: [401, 'The token has expired'],
  INVALID_CREDENTIALS: [401, 'The user id or the password is wrong'],
  INVALID_TICKET: [401, 'The ticket is unknown, already used, or expired'],
  FORBIDDEN: [403, 'Your role does not allow this'],
  POSTING_RESTRICTED: [403, 'The conversation does not let you post'],
  BLOCKED: [403, 'One of you has blocked the other'],
  REFUSED: [403, 'The host does not allow this'],
  OWN_MESSAGE: [403, 'You cannot mark your own message'],
  // The state of what is asked for
  NOT_FOUND: [404, 'Not found'],
  FEATURE_OFF: [404, 'This feature is off'],
  USER_EXISTS: [409, 'The user id is already taken'],
  NOT_A_GROUP: [409, 'A direct conversation does not allow this'],
  CLIENT_ID_REUSED: [409, 'The clientId was already used with different content'],
  FILE_USED: [409, 'The file is attached to a message'],
  MESSAGE_DELETED: [409, 'The message has been deleted'],
  NOT_GROWING: [409, 'The message does not grow'],
  STILL_GROWING: [409, 'The message still grows'],
  OFFSET_MISMATCH: [409, 'The text has another length, which the answer names'],
  // Limits
  TOO_MANY_REACTIONS: [409, 'A message holds at most 20 different emoji'],
  TOO_MANY_BLOCKS: [409, 'A user blocks at most 1,000 others'],
  TOO_MANY_CONVERSATIONS: [409, 'A user who would join has reached the maximum number of conversations'],
  TOO_MANY_GROUPS: [429, 'Too many groups created in one day'],
  TOO_MANY_FILES: [429, 'Too many files that are not attached to a message'],
  SLOW_MODE: [429, 'Members of this group wait between two messages'],
  TOO_MANY_STREAMS: [429, 'Too many open streams'],
  TOO_MANY_REQUESTS: [429, 'Too many requests'],
  TOO_MANY_FAILURES: [429, 'Too many failed logins or wrong service keys'],
  // Trouble on the server
  UNAVAILABLE: [503, 'The service is temporarily unavailable; try again'],
  INTERNAL_ERROR: [500, 'Something went wrong']
} as const satisfies Record<string, readonly [status: number, message: string]>

export type ErrorCode = keyof typeof errorCatalogue

export const ErrorAnswer = Type.Object({
  statusCode: Type.Integer(),
  code: Type.String({ description: 'Stable, in upper case' }),
  error: Type.String({ description: 'The reason phrase of the status' }),
  message: Type.String(),
  length: Type.Optional(Type.Integer({ description: 'With `OFFSET_MISMATCH`: length of the text, in UTF-16 code units' })),
  hookCode: Type.Optional(Type.String({ description: 'With `REFUSED`: the host\'s own code' }))
})
export type ErrorAnswer = Static<typeof ErrorAnswer>
