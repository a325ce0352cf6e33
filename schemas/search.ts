import { Type, type Static } from 'typebox'
import { ConversationId, Cursor, Nullable, OneOf, UserId, WellFormed } from './common.js'
import { OwnMessage } from './messages.js'

const Instant = Type.String({ maxLength: 40, examples: ['2026-01-15T10:30:00.000Z'] })

export const SearchQuery = Type.Object({
  q: WellFormed({
    minLength: 1,
    maxLength: 200,
    description: 'Up to 10 terms, all of which must be there: each the beginning of a word, or in quotes words one after the other. In scripts ' +
      'without spaces, each must occur. Compared without case and accents'
  }),
  conversationId: Type.Optional(ConversationId),
  senderId: Type.Optional(UserId),
  after: Type.Optional({ ...Instant, description: 'Sent after this instant' }),
  before: Type.Optional({ ...Instant, description: 'Sent before this instant' }),
  has: Type.Optional(OneOf(['file', 'link', 'mention'], '`mention`: of the caller')),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 50, default: 20 })),
  cursor: Type.Optional(Cursor)
})
export type SearchQuery = Static<typeof SearchQuery>

const SearchResult = Type.Object({
  message: OwnMessage,
  highlights: Type.Array(Type.Array(Type.Integer(), { minItems: 2, maxItems: 2 }), {
    description: 'What of `text` matched: start and length in UTF-16 units. Empty where only the name of a file did'
  })
})
export type SearchResult = Static<typeof SearchResult>

export const SearchPage = Type.Object({
  results: Type.Array(SearchResult, { description: 'Newest first. There may be fewer than `limit`, even if there are more' }),
  nextCursor: Nullable(Cursor)
})
export type SearchPage = Static<typeof SearchPage>
