import { Type, type Static, type TSchema } from 'typebox'
import { ConversationId, MessageId, Nullable, OneOf, Timestamp, UserId } from './common.js'
import { ConversationType, Role } from './conversations.js'
import { Message, MessageStatus } from './messages.js'

/**
 * The event catalogue: every event of a stream with the shape of its data, once. The server's emits, the client's
 * callbacks, the documents and the tests follow from it.
 */

const eventSeq = Type.Integer({ description: 'Number in the conversation\'s event log: 1, 2, 3 …; tells a repeated event' })
const MessageEvent = Type.Object({ ...Message.properties, eventSeq })
const ParticipantEvent = Type.Object({
  conversationId: ConversationId,
  userId: UserId,
  displayName: Type.String(),
  role: Role,
  timestamp: Timestamp,
  eventSeq
})

/** Events with an `id`: they stand in the conversation's log and are replayed on resume. */
export const durableEvents = {
  conversationCreated: Type.Object({
    conversationId: ConversationId,
    type: ConversationType,
    title: Nullable(Type.String()),
    createdBy: UserId,
    timestamp: Timestamp,
    eventSeq
  }),
  message: MessageEvent,
  statusUpdate: Type.Object({
    messageId: MessageId,
    status: MessageStatus,
    conversationId: ConversationId,
    userId: UserId,
    timestamp: Timestamp,
    eventSeq
  }),
  messageUpdated: MessageEvent,
  messageDeleted: MessageEvent,
  participantJoined: ParticipantEvent,
  participantLeft: ParticipantEvent,
  participantUpdated: ParticipantEvent
}

/** Events without an `id`: told to who is there, and never repeated. */
export const ephemeralEvents = {
  typing: Type.Object({
    userId: UserId,
    displayName: Type.String(),
    isTyping: Type.Boolean(),
    conversationId: ConversationId,
    timestamp: Timestamp
  }),
  onlineStatus: Type.Object({
    userId: UserId,
    isOnline: Type.Boolean(),
    lastSeen: Nullable(Timestamp),
    timestamp: Timestamp
  })
}

export const ResetReason = OneOf(['unreadable', 'foreign', 'ahead', 'pruned', 'diverged'],
  'Why the position can\'t be resumed: no id of ours; of another conversation or database; ahead of the log; older than what is kept; ' +
  'of an event that the log no longer has (the database lost its newest events, as after a failover)')
export type ResetReason = Static<typeof ResetReason>

export const DisconnectReason = OneOf(['token_expired', 'removed', 'shutdown', 'too_slow', 'unavailable'])
export type DisconnectReason = Static<typeof DisconnectReason>

/** Events about the stream itself. */
export const streamEvents = {
  connected: Type.Object({
    message: Type.String(),
    conversationId: Nullable(ConversationId),
    timestamp: Timestamp,
    streamId: Type.String({ description: 'For renewing the stream\'s token' }),
    userId: UserId,
    heartbeatMs: Type.Integer(),
    typingLapseMs: Type.Integer(),
    resumed: Type.Boolean({ description: 'False: this stream starts now, and what came before is in the history' }),
    expiresAt: Nullable(Timestamp)
  }),
  reset: Type.Object({ conversationId: Nullable(ConversationId), reason: ResetReason }),
  disconnect: Type.Object({
    reason: DisconnectReason,
    retryAfterMs: Nullable(Type.Integer({ description: 'When to come back; null: don\'t' }))
  })
}

export const eventCatalogue = { ...durableEvents, ...ephemeralEvents, ...streamEvents }

type Shapes<C extends Record<string, TSchema>> = { [K in keyof C]: Static<C[K]> }

export type DurableEvents = Shapes<typeof durableEvents>
export type EphemeralEvents = Shapes<typeof ephemeralEvents>
export type StreamEvents = Shapes<typeof streamEvents>
/** Name of event → shape of its data. */
export type ChatEvents = DurableEvents & EphemeralEvents & StreamEvents

export type DurableEventType = keyof DurableEvents
export type EventType = keyof ChatEvents
