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

/** A conversation's private state: only its user sees it. */
export const OwnState = Type.Object({
  mutedUntil: Nullable(Type.String()),
  archived: Type.Boolean(),
  favourite: Type.Boolean(),
  notify: OneOf(['all', 'mentions', 'none']),
  unreadFrom: Nullable(Type.Integer()),
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
  unreadCount: Type.Integer(),
  unreadMentionCount: Type.Integer({ description: 'Unread messages that mention the caller or everybody; 100 means 100 or more' }),
  me: OwnState,
  participantCount: Type.Integer(),
  participants: Type.Array(Participant)
}, { $id: 'Conversation' })
export type Conversation = Static<typeof Conversation>

const UserIds = Type.Array(UserId)

/** `direct` requires `userId`, `group` requires `participantIds`. With if/then a refusal has one clear message, with anyOf several. */
export const CreateConversationBody = Type.Unsafe<
  { type: 'direct', userId: string } |
  { type: 'group', title?: string | null, participantIds: string[] }
>(Type.Object({
  type: ConversationType,
  userId: Type.Optional(UserId),
  title: Type.Optional(Nullable(WellFormed({ maxLength: NAME_MAX, description: 'Trimmed. Null if nothing visible remains' }))),
  participantIds: Type.Optional(UserIds)
}, {
  if: { properties: { type: { const: 'direct' } } },
  then: { required: ['userId'] },
  else: { required: ['participantIds'] }
}))
export type CreateConversationBody = Static<typeof CreateConversationBody>

export const UpdateConversationBody = Type.Object({
  title: Type.Optional(Nullable(WellFormed({ maxLength: NAME_MAX, description: 'Trimmed. Null if nothing visible remains' }))),
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
})
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

export const AddParticipantsBody = Type.Object({ participantIds: UserIds })
export const ChangeRoleBody = Type.Object({ role: OneOf(['admin', 'member']) })

export const ReadBody = Type.Object({ seq: Type.Integer({ minimum: 0 }) })
export const ReadAnswer = Type.Object({ conversationId: ConversationId, seq: Type.Integer(), changed: Type.Boolean() })
export type ReadAnswer = Static<typeof ReadAnswer>

export const ConversationListQuery = Type.Object({
  limit: Type.Optional(PageLimit),
  cursor: Type.Optional(Cursor)
})
export type ConversationListQuery = Static<typeof ConversationListQuery>

export const ConversationPage = Type.Object({ conversations: Type.Array(Conversation), nextCursor: Nullable(Type.String()) })
export type ConversationPage = Static<typeof ConversationPage>
