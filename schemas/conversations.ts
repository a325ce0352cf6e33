import { Type, type Static } from 'typebox'
import { ConversationId, Cursor, Nullable, OneOf, PageLimit, Timestamp, UserId, WellFormed } from './common.js'
import { OwnMessage } from './messages.js'
import { Metadata } from './metadata.js'
import { NAME_MAX, URL_MAX } from './names.js'
import { User } from './users.js'

/** Maximum number of participants in a group, including its creator. */
export const MAX_PARTICIPANTS = 1000
/** Maximum number of participants that the list of conversations returns for each conversation. */
export const LISTED_PARTICIPANTS = 50

export const ConversationType = OneOf(['direct', 'group'])
export type ConversationType = Static<typeof ConversationType>

export const Role = OneOf(['owner', 'admin', 'member'])
export type Role = Static<typeof Role>

export const Participant = Type.Object({
  userId: User.properties.userId,
  displayName: User.properties.displayName,
  avatar: User.properties.avatar,
  isBot: User.properties.isBot,
  role: Role,
  isOnline: User.properties.isOnline,
  lastSeen: User.properties.lastSeen,
  deliveredSeq: Type.Integer({ description: 'Messages up to this `seq` have been delivered to this participant' }),
  readSeq: Type.Integer({ description: 'This participant has read the messages up to this `seq`' })
})
export type Participant = Static<typeof Participant>

/** What a group's owner and admins decide. */
export const ConversationSettings = Type.Object({
  posting: OneOf(['everyone', 'admins', 'nobody'], 'Who may send messages'),
  mentionAll: OneOf(['everyone', 'admins'], 'Who may mention everybody'),
  pinning: OneOf(['everyone', 'admins'], 'Who may pin messages'),
  slowModeSeconds: Type.Integer({ description: 'A member waits this long between two messages' }),
  messageTtlSeconds: Nullable(Type.Integer())
})
export type ConversationSettings = Static<typeof ConversationSettings>

export const DEFAULT_SETTINGS: ConversationSettings =
  { posting: 'everyone', mentionAll: 'everyone', pinning: 'admins', slowModeSeconds: 0, messageTtlSeconds: null }

/** A user's own state of a conversation: nobody else sees it. */
export const OwnState = Type.Object({
  mutedUntil: Nullable(Type.String({ description: 'An instant, or `forever`. Null once it has passed' })),
  archived: Type.Boolean({ description: 'While muted, or until somebody sends a message' }),
  favourite: Type.Boolean(),
  notify: OneOf(['all', 'mentions', 'none'], 'Which messages notify'),
  unreadFrom: Nullable(Type.Integer({ description: 'Marked as unread from this `seq` on. Reading anything here clears it' })),
  draft: Type.Null()
})
export type OwnState = Static<typeof OwnState>

export const DEFAULT_STATE: OwnState =
  { mutedUntil: null, archived: false, favourite: false, notify: 'all', unreadFrom: null, draft: null }

export const Conversation = Type.Object({
  id: ConversationId,
  conversationId: ConversationId,
  type: ConversationType,
  title: Nullable(Type.String()),
  avatar: Nullable(Type.String({ description: 'http(s) URL' })),
  description: Nullable(Type.String()),
  metadata: Nullable(Metadata),
  settings: ConversationSettings,
  createdBy: UserId,
  createdAt: Timestamp,
  updatedAt: Timestamp,
  firstSeq: Type.Integer({ description: '`seq` of the oldest message that is kept' }),
  lastMessage: Nullable(OwnMessage),
  unreadCount: Type.Integer({ description: 'Messages of others behind the read mark, or from `me.unreadFrom` on' }),
  unreadMentionCount: Type.Integer({ description: 'Unread messages that mention the caller or everybody; 100 means 100 or more' }),
  me: OwnState,
  participantCount: Type.Integer(),
  participants: Type.Array(Participant)
})
export type Conversation = Static<typeof Conversation>

export const UpdateOwnStateBody = Type.Object({
  mutedUntil: Type.Optional(Nullable(Type.String({
    maxLength: 64,
    description: 'An instant in the future (RFC 3339, such as `2026-01-15T10:30:00.000Z`), or `forever`',
    examples: ['forever', '2126-01-15T10:30:00.000Z']
  }))),
  archived: Type.Optional(Type.Boolean()),
  favourite: Type.Optional(Type.Boolean()),
  notify: Type.Optional(OwnState.properties.notify),
  unreadFrom: Type.Optional(Nullable(Type.Integer({
    minimum: 1,
    maximum: Number.MAX_SAFE_INTEGER,
    description: 'Up to the `seq` of the newest message. Null takes the mark away'
  })))
}, { examples: [{ mutedUntil: 'forever' }, { favourite: true }] })
export type UpdateOwnStateBody = Static<typeof UpdateOwnStateBody>

const userVersion = Type.Integer({ description: 'Number of changes of the caller\'s private state' })

export const OwnStateAnswer = Type.Object({
  conversationId: ConversationId,
  ...OwnState.properties,
  unreadCount: Conversation.properties.unreadCount,
  unreadMentionCount: Conversation.properties.unreadMentionCount,
  userVersion
})
export type OwnStateAnswer = Static<typeof OwnStateAnswer>

const UserIds = Type.Array(UserId)

const Title = WellFormed({ maxLength: NAME_MAX, description: 'Trimmed. Null if nothing visible remains' })

export const CreateDirectBody = Type.Object({ type: OneOf(['direct']), userId: UserId }, {
  examples: [{ type: 'direct', userId: 'bob' }]
})
export const CreateGroupBody = Type.Object({
  type: OneOf(['group']),
  title: Type.Optional(Nullable(Title)),
  participantIds: UserIds
}, { examples: [{ type: 'group', title: 'Lunch', participantIds: ['bob', 'carol'] }] })

/** With a discriminator, a refusal has one clear message; without it, it would have one for each. */
export const CreateConversationBody = Type.Unsafe<Static<typeof CreateDirectBody> | Static<typeof CreateGroupBody>>({
  type: 'object',
  required: ['type'],
  discriminator: { propertyName: 'type' },
  oneOf: [CreateDirectBody, CreateGroupBody],
  examples: [{ type: 'direct', userId: 'bob' }, { type: 'group', title: 'Lunch', participantIds: ['bob', 'carol'] }]
})
export type CreateConversationBody = Static<typeof CreateConversationBody>

export const UpdateConversationBody = Type.Object({
  title: Type.Optional(Nullable(Title)),
  avatar: Type.Optional(Nullable(Type.String({ maxLength: URL_MAX, description: 'http(s) URL' }))),
  description: Type.Optional(Nullable(WellFormed({ maxLength: 2000 }))),
  metadata: Type.Optional(Nullable(Metadata)),
  settings: Type.Optional(Type.Object({
    posting: Type.Optional(ConversationSettings.properties.posting),
    mentionAll: Type.Optional(ConversationSettings.properties.mentionAll),
    pinning: Type.Optional(ConversationSettings.properties.pinning),
    slowModeSeconds: Type.Optional(Type.Integer({ minimum: 0, maximum: 3600 })),
    messageTtlSeconds: Type.Optional(Nullable(Type.Integer({ description: 'Only null so far; else `FEATURE_OFF`' })))
  }))
}, { examples: [{ title: 'Lunch at noon' }, { settings: { posting: 'admins', slowModeSeconds: 10 } }] })
export type UpdateConversationBody = Static<typeof UpdateConversationBody>

const Seq = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
export const ChangesQuery = Type.Object({
  from: Type.Optional(Seq),
  to: Type.Optional(Seq),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200, default: 50 })),
  after: Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: 'An `eventSeq`: changes after it' }))
}, { description: '`from` and `to` bound `afterSeq`, inclusively' })
export type ChangesQuery = Static<typeof ChangesQuery>

export const ChangesPage = Type.Object({
  changes: Type.Array(Type.Object({
    type: Type.String({ description: 'The name of the event' }),
    data: Type.Unsafe<Record<string, unknown>>({ type: 'object', additionalProperties: true, description: 'The data of the event' }),
    afterSeq: Type.Integer({ description: '`seq` of the newest message before the change' })
  })),
  hasMore: Type.Boolean()
})
export type ChangesPage = Static<typeof ChangesPage>

export const AddParticipantsBody = Type.Object({ participantIds: UserIds }, { examples: [{ participantIds: ['dora'] }] })
export const ChangeRoleBody = Type.Object({ role: OneOf(['admin', 'member']) }, { examples: [{ role: 'admin' }] })

export const ReadBody = Type.Object({ seq: Type.Integer({ minimum: 0 }) }, { examples: [{ seq: 42 }] })
export const ReadAnswer = Type.Object({ conversationId: ConversationId, seq: Type.Integer(), changed: Type.Boolean() })
export type ReadAnswer = Static<typeof ReadAnswer>

export const ConversationListQuery = Type.Object({
  limit: Type.Optional(PageLimit),
  cursor: Type.Optional(Cursor),
  archived: Type.Optional(Type.Unsafe<'false' | 'true' | 'all'>({
    type: 'string', enum: ['false', 'true', 'all'], default: 'false', description: 'Whether to list archived conversations: not, only, or too'
  })),
  favourite: Type.Optional(Type.Boolean({ description: '`true`: only favourites' })),
  unread: Type.Optional(Type.Boolean({ description: '`true`: only those with unread messages, or marked as unread' }))
}, { description: 'A cursor is valid for the list of the same filters' })
export type ConversationListQuery = Static<typeof ConversationListQuery>

export const ConversationPage = Type.Object({ conversations: Type.Array(Conversation), nextCursor: Nullable(Type.String()) })
export type ConversationPage = Static<typeof ConversationPage>
