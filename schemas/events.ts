import { Type, type Static, type TSchema } from 'typebox'
import { ConversationId, MessageId, Nullable, OneOf, Timestamp, UserId } from './common.js'
import { Conversation, ConversationType, OwnStateAnswer, Role } from './conversations.js'
import { Message, MessageStatus } from './messages.js'
import { UserProfile } from './users.js'

/**
 * The event catalogue defines every event of a stream and the shape of its data. What the server emits, the client's callbacks,
 * the documents and the tests are all typed by it or generated from it.
 */

const eventSeq = Type.Integer({ description: 'Number of the event in the conversation\'s event log: 1, 2, 3 … Identifies a repeated event' })
export const MessageEvent = Type.Object({ ...Message.properties, eventSeq })
export const ParticipantEvent = Type.Object({
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
  messageAppended: Type.Object({
    conversationId: ConversationId,
    messageId: MessageId,
    offset: Type.Integer({
      description: 'Where the text belongs, in UTF-16 code units. Cut off what you have. If something is missing before it, fetch the message'
    }),
    text: Type.String(),
    timestamp: Timestamp
  }),
  messageStop: Type.Object({
    conversationId: ConversationId,
    messageId: MessageId,
    userId: Type.String({ description: 'Who asks for it' }),
    timestamp: Timestamp
  }),
  onlineStatus: Type.Object({
    userId: UserId,
    isOnline: Type.Boolean(),
    lastSeen: Nullable(Timestamp),
    timestamp: Timestamp
  }),
  conversationState: Type.Object({ ...OwnStateAnswer.properties, timestamp: Timestamp }),
  blocked: Type.Object({
    userId: UserId,
    blocked: Type.Boolean({ description: 'Whether the caller blocks this user now' }),
    userVersion: Type.Integer({ description: 'Number of changes of the caller\'s private state, this one included' }),
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

/** What followers of the log are told: `hooks.onEvent`, webhooks. Each is the event of that name on a stream. */
export const followerEvents = {
  ...durableEvents,
  conversationDeleted: Type.Object({
    ...ephemeralEvents.conversationDeleted.properties,
    eventSeq: Type.Integer({ description: 'A number behind those of all other events of the conversation' })
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
export type FollowerEvents = Shapes<typeof followerEvents>
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
  messageUpdated: 'The text, the metadata or the mentions of a message changed, or a growing message is finished',
  messageDeleted: 'The sender deleted the message: same place, no text',
  reaction: 'Somebody reacted to a message, or took that back',
  participantJoined: 'Somebody joined the group',
  participantLeft: 'Somebody left, or was removed',
  participantUpdated: 'Somebody has another role',
  typing: 'Somebody types, or no longer does',
  messageAppended: 'A growing message has grown; at the beginning of a stream, with all of its text so far',
  messageStop: 'Somebody asks you to finish a message of yours that grows: on your own streams only',
  onlineStatus: 'Somebody came online, or went offline',
  conversationState: 'The user\'s own state of the conversation changed: muted, archived, favourite, what notifies, or marked as unread',
  blocked: 'You blocked somebody, or no longer do: on all of your own streams, and on no others',
  conversationDeleted: 'The conversation was deleted, with all that belonged to it',
  userUpdated: 'Somebody has another name, picture or metadata',
  connected: 'The stream began',
  reset: 'What was asked for cannot be resumed: fetch the history again, then go on',
  disconnect: 'The server ends the stream, and says when to come back'
}

/** Events that have an `id`, from which a stream can resume. */
const resumable = new Set<string>([...Object.keys(durableEvents), 'connected', 'reset'])

/** An event as a parser of Server-Sent Events hands it on, with `data` parsed: one of the catalogue, told apart by `event`. */
export const StreamEvent = Type.Unsafe<{ [T in EventType]: { event: T, id?: string, data: ChatEvents[T] } }[EventType]>({
  description: 'An event of the stream, as a parser hands it on. `data` is JSON, in one line',
  oneOf: (Object.keys(eventCatalogue) as EventType[]).map(event => ({
    type: 'object',
    description: eventMeanings[event],
    required: ['event', 'data', ...resumable.has(event) ? ['id'] : []],
    properties: {
      event: { type: 'string', enum: [event] },
      ...(resumable.has(event) ? { id: { type: 'string', description: 'Sent as `Last-Event-ID` when the stream is opened again' } } : {}),
      data: eventCatalogue[event]
    }
  }))
})
export type StreamEvent = Static<typeof StreamEvent>
