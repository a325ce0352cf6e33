import { Type, type Static } from 'typebox'
import { ConversationId, Nullable, Timestamp } from './common.js'

const Credential = Type.String({ maxLength: 8192 })

export const StreamQuery = Type.Object({
  conversationId: Type.Optional(Type.String({ description: 'If omitted, the stream follows all conversations of the caller' })),
  token: Type.Optional(Credential),
  ticket: Type.Optional(Credential),
  lastEventId: Type.Optional(Type.String({ description: 'The event id to resume after. The Last-Event-ID header takes precedence' })),
  echo: Type.Optional(Type.String({ description: '`true`: also send the caller\'s own `message` and `typing` events' }))
})
export const StreamHeaders = Type.Object({
  'Last-Event-ID': Type.Optional(Type.String({ description: 'The id of the last event that the client got: the stream goes on after it' }))
})
export type StreamQuery = Static<typeof StreamQuery>

export const TicketBody = Type.Union([Type.Object({ conversationId: Type.Optional(Nullable(ConversationId)) }), Type.Null()], {
  examples: [{ conversationId: 'conv_alice_bob' }]
})
export type TicketBody = Static<typeof TicketBody>
export const Ticket = Type.Object({ ticket: Type.String(), expiresAt: Timestamp })
export type Ticket = Static<typeof Ticket>

export const RenewalParams = Type.Object({ streamId: Type.String({ maxLength: 64 }) })
export const Renewal = Type.Object({ streamId: Type.String(), expiresAt: Nullable(Timestamp) })
export type Renewal = Static<typeof Renewal>
