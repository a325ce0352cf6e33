import { Type } from 'typebox'
import type { TSchema } from 'typebox'
import { ACCOUNT_ID_PATTERN, NAME_MAX, USER_ID_MAX, USER_ID_PATTERN } from './names.js'

/**
 * Lengths are counted in Unicode code points, as JSON Schema does (draft 2020-12 validation, 6.3.1). Patterns are matched with
 * the `u` flag, so a class with \ud800-\udfff matches lone surrogates only.
 */
const wellFormed = '^[^\\u0000\\ud800-\\udfff]*$'
const withoutControls = '^[^\\u0000-\\u001f\\u007f-\\u009f\\ud800-\\udfff]*$'

/** Text that both databases can store and JSON can carry: no U+0000, no lone surrogate. */
export const WellFormed = (options: { minLength?: number, maxLength: number, description?: string }) =>
  Type.String({ ...options, pattern: wellFormed })

export const UserId = Type.String({
  minLength: 1,
  maxLength: USER_ID_MAX,
  pattern: USER_ID_PATTERN,
  description: 'User id: the `sub` claim of the user\'s token'
})
/** The id of a new account. Ids that come from tokens are less restricted. */
export const AccountId = Type.String({
  minLength: 1,
  maxLength: USER_ID_MAX,
  pattern: ACCOUNT_ID_PATTERN,
  description: 'No white space at either end; no control, bidirectional or zero-width characters; not `.` or `..`'
})
export const ConversationId = Type.String({ minLength: 1, maxLength: 300, pattern: withoutControls })
export const MessageId = Type.String({ minLength: 1, maxLength: 64, pattern: withoutControls })
/** Stored as `shownName` returns it. */
export const DisplayName = WellFormed({ maxLength: NAME_MAX, description: 'Trimmed. If nothing visible remains, the user id is used instead' })

/** ISO 8601, UTC, with milliseconds: `2026-01-15T10:30:00.000Z`. */
export const Timestamp = Type.String({ examples: ['2026-01-15T10:30:00.000Z'], description: 'ISO 8601, UTC, with milliseconds' })

export const Nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()])

/** `enum` instead of `anyOf` with constants: shorter in documents, faster to validate and to serialise. */
export const OneOf = <const T extends string[]>(values: T, description?: string) =>
  Type.Unsafe<T[number]>({ type: 'string', enum: values, ...(description === undefined ? {} : { description }) })

/** A place in a list that is read in pages: the `nextCursor` of the page before. */
export const Cursor = Type.String({ maxLength: 256 })
/** A cursor that holds an id. */
export const LongCursor = Type.String({ maxLength: 1024 })

export const PageLimit = Type.Integer({ minimum: 1, maximum: 100, default: 50 })

let last = { ms: NaN, text: '' }

/** Converts epoch milliseconds to a timestamp. What happens together has the same one, which is made once. */
export function isoTime (ms: number): string {
  if (ms !== last.ms) last = { ms, text: new Date(ms).toISOString() }
  return last.text
}
