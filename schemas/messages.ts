import { Type, type Static } from 'typebox'
import { ConversationId, Cursor, LongCursor, MessageId, Nullable, OneOf, PageLimit, Timestamp, UserId, WellFormed } from './common.js'
import { Attachment, ATTACHMENTS_MAX, AttachmentInput } from './files.js'
import { Metadata } from './metadata.js'
import { Profile } from './users.js'

export const MessageStatus = OneOf(['sent', 'delivered', 'read'])
/** Sent < delivered < read. A status never goes back. */
export type MessageStatus = Static<typeof MessageStatus>

export const ReceiptStatus = OneOf(['delivered', 'read'])
export type ReceiptStatus = Static<typeof ReceiptStatus>

const ClientId = WellFormed({
  minLength: 1,
  maxLength: 64,
  description: 'An id that the sender chooses for the message, so that sending it again is safe'
})
/** Maximum length of a message's text, in code points: what it is unless the service is set up otherwise, and the most that it can be. */
export const TEXT_LENGTH = { standard: 4000, most: 16_000 } as const

/** The service refuses what is longer than its own maximum, and shows that in its document (`plugins/docs.ts`). */
export const MessageText = WellFormed({
  maxLength: TEXT_LENGTH.most,
  description: 'Stored unchanged. Empty only if the message has attachments, or grows'
})

/** A user whom a message mentions. */
export const Mention = Type.Object({
  userId: UserId,
  displayName: Type.String(),
  start: Nullable(Type.Integer({ description: 'Where in the text, in UTF-16 code units' })),
  length: Nullable(Type.Integer())
})
export type Mention = Static<typeof Mention>

/** How many users reacted to a message with an emoji. */
export const ReactionCount = Type.Object({ emoji: Type.String(), count: Type.Integer() })
export type ReactionCount = Static<typeof ReactionCount>

/** Maximum length of the text of a quote, in code points. */
export const QUOTE_MAX = 200

/** The message that another one replies to, as it is now. */
export const Quote = Type.Object({
  id: MessageId,
  seq: Type.Integer(),
  senderId: UserId,
  sender: Profile,
  text: Type.String({ description: 'At most 200 code points' }),
  truncated: Type.Boolean({ description: 'The text is longer' }),
  type: Type.String(),
  attachmentCount: Type.Integer(),
  replyCount: Type.Integer(),
  deletedAt: Nullable(Timestamp)
})
export type Quote = Static<typeof Quote>

/** A message as everybody sees it, and as events carry it. */
export const Message = Type.Object({
  id: MessageId,
  messageId: MessageId,
  conversationId: ConversationId,
  seq: Type.Integer({ description: 'Number of the message in the conversation: 1, 2, 3 … without gaps, in commit order' }),
  clientId: Nullable(Type.String()),
  senderId: UserId,
  text: Type.String({ description: 'Empty if the message has been deleted, consists of files, or has yet to grow' }),
  type: Type.String(),
  status: MessageStatus,
  createdAt: Timestamp,
  editedAt: Nullable(Timestamp),
  deletedAt: Nullable(Timestamp),
  deletedBy: Nullable(UserId),
  sender: Profile,
  metadata: Nullable(Metadata),
  replyTo: Nullable(Quote),
  replyCount: Type.Integer({ description: 'Direct replies that have not been deleted' }),
  mentions: Type.Array(Mention),
  mentionsAll: Type.Boolean(),
  attachments: Type.Array(Attachment),
  reactions: Type.Array(ReactionCount, { description: 'One entry for each emoji, in the order in which the emoji came to be there' }),
  growing: Type.Boolean({ description: 'The sender is still writing it: `messageAppended` tells the rest, `messageUpdated` the end' })
})
export type Message = Static<typeof Message>

/** A message as the caller sees it. Only answers have what differs by caller; events are the same for all. */
export const OwnMessage = Type.Object({
  ...Message.properties,
  myReactions: Type.Array(Type.String(), { description: 'The emoji that the caller reacted with' })
})
export type OwnMessage = Static<typeof OwnMessage>

/** Maximum number of entries in `mentions`. */
export const MENTIONS_MAX = 50

/** `start` and `length` count UTF-16 code units of the text, as `String.prototype.slice` does. Both are given, or neither. */
export const MentionInput = Type.Object({
  userId: UserId,
  start: Type.Optional(Nullable(Type.Integer({ minimum: 0 }))),
  length: Type.Optional(Nullable(Type.Integer({ minimum: 1 })))
})
export type MentionInput = Static<typeof MentionInput>

const mentioning = {
  mentions: Type.Optional(Nullable(Type.Array(MentionInput, {
    maxItems: MENTIONS_MAX,
    description: 'Who is mentioned. Users who do not take part are left out. The text is never parsed'
  }))),
  mentionsAll: Type.Optional(Nullable(Type.Boolean({ description: 'Mentions everybody who takes part' })))
}

export const SendMessageBody = Type.Object({
  conversationId: ConversationId,
  text: Type.Optional(MessageText),
  type: Type.Optional(Type.String({ pattern: '^[a-z][a-z0-9_-]{0,31}$', description: 'Default: `text`' })),
  clientId: Type.Optional(Nullable(ClientId)),
  metadata: Type.Optional(Nullable(Metadata)),
  replyToId: Type.Optional(Nullable(MessageId)),
  attachments: Type.Optional(Nullable(Type.Array(AttachmentInput, {
    maxItems: ATTACHMENTS_MAX,
    description: 'Files that the caller has uploaded and not attached yet, each once'
  }))),
  growing: Type.Optional(Nullable(Type.Boolean({ description: 'The text is what there is so far. More is appended until it is finished' }))),
  ...mentioning
}, {
  anyOf: [
    { required: ['text'], properties: { text: { minLength: 1 } } },
    { required: ['attachments'], properties: { attachments: { type: 'array', items: {}, minItems: 1 } } },
    { required: ['growing'], properties: { growing: { const: true } } }
  ],
  examples: [
    { conversationId: 'conv_alice_bob', text: 'Hello!', clientId: '0b9f7a1e' },
    { conversationId: 'conv_alice_bob', text: 'Hi @bob', metadata: { order: 4711 }, mentions: [{ userId: 'bob', start: 3, length: 4 }] },
    { conversationId: 'conv_alice_bob', text: '', growing: true, clientId: '0b9f7a1f' }
  ]
})
export type SendMessageBody = Static<typeof SendMessageBody>

export const EditMessageBody = Type.Object({
  text: Type.Optional(MessageText),
  metadata: Type.Optional(Nullable(Metadata)),
  ...mentioning
}, {
  anyOf: [{ required: ['text'] }, { required: ['metadata'] }],
  // The validators know draft 7. In the document, it is dependentRequired.
  dependencies: { mentions: ['text'], mentionsAll: ['text'] },
  description: 'Without `mentions`, a new text keeps who is mentioned, but not where',
  examples: [{ text: 'Hello, Bob!' }, { metadata: { order: 4712 } }]
})
export type EditMessageBody = Static<typeof EditMessageBody>

export const ReceiptBody = Type.Object({ status: ReceiptStatus }, { examples: [{ status: 'read' }] })
export const ReceiptAnswer = Type.Object({
  messageId: MessageId,
  conversationId: ConversationId,
  status: ReceiptStatus,
  changed: Type.Boolean()
})
export type ReceiptAnswer = Static<typeof ReceiptAnswer>

export const ReceiptListQuery = Type.Object({
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 100, description: 'Of the three lists together' })),
  cursor: Type.Optional(LongCursor)
})
export type ReceiptListQuery = Static<typeof ReceiptListQuery>

const Receipt = Type.Object({
  user: Profile,
  at: Nullable({ ...Timestamp, description: 'When, at most 5 s late; null if that is not known (any more)' })
})

/** Of the others, those who were there when the message was sent and still are. Each is in one list, and pages go on from list to list. */
export const ReceiptPage = Type.Object({
  messageId: MessageId,
  counts: Type.Object({ read: Type.Integer(), delivered: Type.Integer(), pending: Type.Integer() }, { description: 'Of all pages' }),
  read: Type.Array(Receipt),
  delivered: Type.Array(Receipt, { description: 'Who has got it and has not read it' }),
  pending: Type.Array(Profile),
  nextCursor: Nullable(Type.String())
})
export type ReceiptPage = Static<typeof ReceiptPage>

export const TypingBody = Type.Object({ conversationId: ConversationId, isTyping: Type.Boolean() }, {
  examples: [{ conversationId: 'conv_alice_bob', isTyping: true }]
})
export type TypingBody = Static<typeof TypingBody>

const Bound = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const bounds = { before: Type.Optional(Bound), after: Type.Optional(Bound), limit: Type.Optional(PageLimit) }
const oneOfBoth = { required: ['before', 'after'] }

export const HistoryQuery = Type.Object({
  ...bounds,
  around: Type.Optional(Type.Integer({
    minimum: 1,
    maximum: Number.MAX_SAFE_INTEGER,
    description: 'A message in the middle of the page: half of the rest stands before it, half after it'
  }))
}, { not: { anyOf: [oneOfBoth, { required: ['before', 'around'] }, { required: ['after', 'around'] }] } })
export type HistoryQuery = Static<typeof HistoryQuery>

export const RepliesQuery = Type.Object(bounds, { not: oneOfBoth })
export type RepliesQuery = Static<typeof RepliesQuery>

export const MessagePage = Type.Object({
  messages: Type.Array(OwnMessage),
  hasMore: Type.Boolean({ description: 'There are more in the direction of the page; with `around`: there are older ones' }),
  hasMoreAfter: Type.Optional(Type.Boolean({ description: 'With `around`: there are newer ones' }))
})
export type MessagePage = Static<typeof MessagePage>

export const ReactionAnswer = Type.Object({
  messageId: MessageId,
  conversationId: ConversationId,
  emoji: Type.String({ description: 'In canonical form' }),
  reacted: Type.Boolean(),
  changed: Type.Boolean(),
  reactions: Message.properties.reactions,
  myReactions: OwnMessage.properties.myReactions
})
export type ReactionAnswer = Static<typeof ReactionAnswer>

export const ReactionListQuery = Type.Object({
  emoji: Type.Optional(Type.String({ maxLength: 256 })),
  limit: Type.Optional(PageLimit),
  cursor: Type.Optional(LongCursor)
})
export type ReactionListQuery = Static<typeof ReactionListQuery>

export const ReactionPage = Type.Object({
  reactions: Type.Array(Type.Object({ emoji: Type.String(), user: Profile, createdAt: Timestamp })),
  nextCursor: Nullable(Type.String())
})
export type ReactionPage = Static<typeof ReactionPage>

export const MentionListQuery = Type.Object({ limit: Type.Optional(PageLimit), cursor: Type.Optional(Cursor) })
export type MentionListQuery = Static<typeof MentionListQuery>

export const MentionPage = Type.Object({ messages: Type.Array(OwnMessage), nextCursor: Nullable(Type.String()) })
export type MentionPage = Static<typeof MentionPage>
