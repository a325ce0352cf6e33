import { Type, type Static, type TSchema } from 'typebox'
import { ConversationId, MessageId, Nullable, OneOf, Timestamp, UserId } from './common.js'
import { Conversation, ConversationType, Role } from './conversations.js'
import { Message, MessageStatus } from './messages.js'
import { UserProfile } from './users.js'

/**
 * The event catalogue defines every event of a stream and the shape of its data. What the server emits, the client's callbacks,
 * the documents and the tests are all typed by it or generated from it.
 */

const eventSeq = Type.Integer({ description: 'Number of the event in the conversation\'s event log: 1, 2, 3 … Identifies a repeated event' })
const MessageEvent = Type.Object({ ...Message.properties, eventSeq })
const ParticipantEvent = Type.Object({
  conversationId: ConversationId,
  userId: UserId,
  displayName: Type.String(),
  role: Role,
  byUserId: Nullable(Type.String({
    description: 'Who did it. The same as `userId` if the user left. For the heir of a group: the owner who left. ' +
      'Null: an earlier version wrote the event'
  })),
  timestamp: Timestamp,
  eventSeq
})

/** Events with an `id`. They are stored in the conversation's event log and replayed when a stream resumes. */
export const durableEvents = {
  conversationCreated: Type.Object({
    conversationId: ConversationId,
    type: ConversationType,
    title: Nullable(Type.String()),
    createdBy: UserId,
    timestamp: Timestamp,
    eventSeq
  }),
  conversationUpdated: Type.Object({
    conversationId: ConversationId,
    title: Conversation.properties.title,
    avatar: Conversation.properties.avatar,
    description: Conversation.properties.description,
    metadata: Conversation.properties.metadata,
    settings: Conversation.properties.settings,
    changed: Type.Array(OneOf(['title', 'avatar', 'description', 'metadata', 'settings'])),
    userId: UserId,
    displayName: Type.String(),
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
  reaction: Type.Object({
    conversationId: ConversationId,
    messageId: MessageId,
    messageSeq: Type.Integer(),
    userId: UserId,
    displayName: Type.String(),
    emoji: Type.String(),
    reacted: Type.Boolean({ description: 'Whether the user has this reaction now' }),
    count: Type.Integer({ description: 'How many users have it now' }),
    reactions: Message.properties.reactions,
    timestamp: Timestamp,
    eventSeq
  }),
  participantJoined: ParticipantEvent,
  participantLeft: ParticipantEvent,
  participantUpdated: ParticipantEvent
}

/** Events without an `id`. They are sent to the streams that are open, and never replayed. */
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
  }),
  conversationDeleted: Type.Object({ conversationId: ConversationId, timestamp: Timestamp }),
  userUpdated: Type.Object({
    userId: UserId,
    displayName: Type.String(),
    avatar: UserProfile.properties.avatar,
    metadata: UserProfile.properties.metadata,
    timestamp: Timestamp
  })
}

export const ResetReason = OneOf(['unreadable', 'foreign', 'ahead', 'pruned', 'diverged'],
  'Why the stream cannot resume: the id cannot be read; belongs to another conversation or database; is ahead of the event log; is older than ' +
  'the events that are kept; names an event that the log no longer has (the database lost its newest events, for example in a failover)')
export type ResetReason = Static<typeof ResetReason>

export const DisconnectReason = OneOf(['token_expired', 'removed', 'shutdown', 'too_slow', 'unavailable'])
export type DisconnectReason = Static<typeof DisconnectReason>

/** Events about the stream itself. */
export const streamEvents = {
  connected: Type.Object({
    message: Type.String(),
    conversationId: Nullable(ConversationId),
    timestamp: Timestamp,
    streamId: Type.String({ description: 'Used to renew the stream\'s token' }),
    userId: UserId,
    userVersion: Type.Integer({ description: 'Number of changes of the caller\'s private state. If you know another, fetch that state again' }),
    heartbeatMs: Type.Integer(),
    typingLapseMs: Type.Integer(),
    resumed: Type.Boolean({ description: 'False if the stream starts now; earlier events are in the history' }),
    expiresAt: Nullable(Timestamp)
  }),
  reset: Type.Object({ conversationId: Nullable(ConversationId), reason: ResetReason }),
  disconnect: Type.Object({
    reason: DisconnectReason,
    retryAfterMs: Nullable(Type.Integer({ description: 'Milliseconds to wait before reconnecting; null: do not reconnect' }))
  })
}

export const eventCatalogue = { ...durableEvents, ...ephemeralEvents, ...streamEvents }

type Shapes<C extends Record<string, TSchema>> = { [K in keyof C]: Static<C[K]> }

export type DurableEvents = Shapes<typeof durableEvents>
export type EphemeralEvents = Shapes<typeof ephemeralEvents>
export type StreamEvents = Shapes<typeof streamEvents>
/** The shape of each event's data, by the event's name. */
export type ChatEvents = DurableEvents & EphemeralEvents & StreamEvents

export type DurableEventType = keyof DurableEvents
export type EventType = keyof ChatEvents

/** What each event tells, in a line: for the documents. */
export const eventMeanings: Record<EventType, string> = {
  conversationCreated: 'The first event of each conversation',
  conversationUpdated: 'The conversation has another title, picture, description, metadata or other settings',
  message: 'Somebody sent a message',
  statusUpdate: 'Somebody got a message, or read it',
  messageUpdated: 'The text, the metadata or the mentions of a message changed',
  messageDeleted: 'The sender deleted the message: same place, no text',
  reaction: 'Somebody reacted to a message, or took that back',
  participantJoined: 'Somebody joined the group',
  participantLeft: 'Somebody left, or was removed',
  participantUpdated: 'Somebody has another role',
  typing: 'Somebody types, or no longer does',
  onlineStatus: 'Somebody came online, or went offline',
  conversationDeleted: 'The conversation was deleted, with all that belonged to it',
  userUpdated: 'Somebody has another name, picture or metadata',
  connected: 'The stream began',
  reset: 'What was asked for cannot be resumed: fetch the history again, then go on',
  disconnect: 'The server ends the stream, and says when to come back'
}
