import { Type, type Static } from 'typebox'
import { AccountId, DisplayName, LongCursor, Nullable, PageLimit, Timestamp, UserId, WellFormed } from './common.js'
import { Metadata } from './metadata.js'
import { URL_MAX } from './names.js'

export const Profile = Type.Object({
  userId: UserId,
  displayName: Type.String(),
  avatar: Nullable(Type.String({ description: 'http(s) URL' })),
  isBot: Type.Boolean()
})
/** A user as shown with a message, and wherever an answer lists users. */
export type Profile = Static<typeof Profile>

export const User = Type.Object({
  ...Profile.properties,
  isOnline: Type.Boolean(),
  lastSeen: Nullable(Timestamp)
})
export type User = Static<typeof User>

/** A user as shown to themselves and to those who share a conversation with them. */
export const UserProfile = Type.Object({ ...User.properties, metadata: Nullable(Metadata) })
export type UserProfile = Static<typeof UserProfile>

const total = (description: string) => Type.Integer({ description: `${description}; 1000 means 1000 or more` })

/** A user as shown to themselves, with what is unread in all their conversations. */
export const OwnProfile = Type.Object({
  ...UserProfile.properties,
  userVersion: Type.Integer({ description: 'Number of changes of the caller\'s private state, as in `connected`' }),
  unreadCount: total('Unread messages in conversations that are neither archived nor muted'),
  unreadConversations: total('How many of those have unread messages, or are marked as unread'),
  unreadMentionCount: total('Unread mentions in conversations that are not archived, nor muted with `notify` `none`')
})
export type OwnProfile = Static<typeof OwnProfile>

export const ProfileBody = Type.Object({
  displayName: Type.Optional(WellFormed({
    minLength: 1,
    maxLength: 128,
    description: 'Trimmed. If nothing visible remains, the user id is used instead. Only where the service has accounts'
  })),
  avatar: Type.Optional(Nullable(Type.String({ maxLength: URL_MAX, description: 'http(s) URL. Only where the service has accounts' }))),
  metadata: Type.Optional(Nullable(Metadata))
}, { examples: [{ metadata: { department: 'sales' } }] })
export type ProfileBody = Static<typeof ProfileBody>

/** What an operator sets of a user. What is absent stays as it is. */
export const UserBody = Type.Object({
  displayName: WellFormed({ minLength: 1, maxLength: 128, description: 'Trimmed. If nothing visible remains, the user id is used instead' }),
  avatar: Type.Optional(Nullable(Type.String({ maxLength: URL_MAX, description: 'http(s) URL' }))),
  isBot: Type.Optional(Type.Boolean({ description: 'Not a person' })),
  metadata: Type.Optional(Nullable(Metadata))
}, { examples: [{ displayName: 'Order bot', isBot: true }, { displayName: 'Erin', avatar: 'https://example.com/erin.png', metadata: { crm: 'c-17' } }] })
export type UserBody = Static<typeof UserBody>

export const TokenBody = Type.Object({
  expiresInSeconds: Type.Integer({ minimum: 60, maximum: 86_400 })
}, { examples: [{ expiresInSeconds: 3600 }] })
export type TokenBody = Static<typeof TokenBody>
export const IssuedToken = Type.Object({ token: Type.String({ description: 'JWT' }), expiresAt: Timestamp })
export type IssuedToken = Static<typeof IssuedToken>

export const DirectoryQuery = Type.Object({
  query: WellFormed({ minLength: 1, maxLength: 200, description: 'The beginning of a word of the name, or of the id' }),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 50, default: 20 })),
  cursor: Type.Optional(LongCursor)
})
export type DirectoryQuery = Static<typeof DirectoryQuery>

export const UserListQuery = Type.Object({
  query: Type.Optional(WellFormed({ maxLength: 200, description: 'The beginning of a word of the name, or of the id. Without it: all users' })),
  limit: Type.Optional(PageLimit),
  cursor: Type.Optional(LongCursor)
})
export type UserListQuery = Static<typeof UserListQuery>

export const UserPage = Type.Object({ users: Type.Array(Profile), nextCursor: Nullable(LongCursor) })
export type UserPage = Static<typeof UserPage>

export const OnlineStatusBody = Type.Object({ isOnline: Type.Boolean() }, { examples: [{ isOnline: false }] })
export const OnlineStatusAnswer = Type.Object({ userId: UserId, isOnline: Type.Boolean(), lastSeen: Nullable(Timestamp) })
export type OnlineStatusAnswer = Static<typeof OnlineStatusAnswer>

export const BlockAnswer = Type.Object({
  userId: UserId,
  blocked: Type.Boolean(),
  changed: Type.Boolean({ description: 'False if it was so before' })
})
export type BlockAnswer = Static<typeof BlockAnswer>
export const BlockList = Type.Object({ users: Type.Array(Profile, { description: 'Newest block first' }) })
export type BlockList = Static<typeof BlockList>

const Password = WellFormed({ minLength: 8, maxLength: 128 })
export const RegisterBody = Type.Object({ userId: AccountId, password: Password, displayName: Type.Optional(DisplayName) }, {
  examples: [{ userId: 'erin', password: 'correct horse', displayName: 'Erin' }]
})
export type RegisterBody = Static<typeof RegisterBody>
export const LoginBody = Type.Object({ ...RegisterBody.properties, userId: UserId }, {
  examples: [{ userId: 'erin', password: 'correct horse' }]
})
export type LoginBody = Static<typeof LoginBody>

export const LoginAnswer = Type.Object({
  token: Type.String({ description: 'JWT' }),
  expiresAt: Timestamp,
  user: User
})
export type LoginAnswer = Static<typeof LoginAnswer>
