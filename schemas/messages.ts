import { Type, type Static } from 'typebox'
import { ConversationId, MessageId, Nullable, OneOf, PageLimit, Timestamp, UserId, WellFormed } from './common.js'
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
const Text = WellFormed({ minLength: 1, maxLength: 4000, description: 'Stored unchanged' })

export const Message = Type.Object({
  id: MessageId,
  messageId: MessageId,
  conversationId: ConversationId,
  seq: Type.Integer({ description: 'Number of the message in the conversation: 1, 2, 3 … without gaps, in commit order' }),
  clientId: Nullable(Type.String()),
  senderId: UserId,
  text: Type.String({ description: 'Empty if the message has been deleted' }),
  type: Type.String(),
  status: MessageStatus,
  createdAt: Timestamp,
  editedAt: Nullable(Timestamp),
  deletedAt: Nullable(Timestamp),
  sender: Profile
}, { $id: 'Message' })
export type Message = Static<typeof Message>

export const SendMessageBody = Type.Object({
  conversationId: ConversationId,
  text: Text,
  type: Type.Optional(Type.String({ pattern: '^[a-z][a-z0-9_-]{0,31}$', default: 'text' })),
  clientId: Type.Optional(Nullable(ClientId))
})
export type SendMessageBody = Static<typeof SendMessageBody>

export const EditMessageBody = Type.Object({ text: Text })
export const ReceiptBody = Type.Object({ status: ReceiptStatus })
export const ReceiptAnswer = Type.Object({
  messageId: MessageId,
  conversationId: ConversationId,
  status: ReceiptStatus,
  changed: Type.Boolean()
})
export type ReceiptAnswer = Static<typeof ReceiptAnswer>

export const TypingBody = Type.Object({ conversationId: ConversationId, isTyping: Type.Boolean() })
export type TypingBody = Static<typeof TypingBody>

const Bound = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
export const HistoryQuery = Type.Object({
  before: Type.Optional(Bound),
  after: Type.Optional(Bound),
  limit: Type.Optional(PageLimit)
}, { not: { required: ['before', 'after'] } })
export type HistoryQuery = Static<typeof HistoryQuery>

export const MessagePage = Type.Object({ messages: Type.Array(Message), hasMore: Type.Boolean() })
export type MessagePage = Static<typeof MessagePage>
