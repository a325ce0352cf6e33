import { Type, type Static } from 'typebox'
import { AccountId, DisplayName, Nullable, Timestamp, UserId, WellFormed } from './common.js'
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

export const ProfileBody = Type.Object({
  displayName: Type.Optional(WellFormed({
    minLength: 1,
    maxLength: 128,
    description: 'Trimmed. If nothing visible remains, the user id is used instead. Only where the service has accounts'
  })),
  avatar: Type.Optional(Nullable(Type.String({ maxLength: URL_MAX, description: 'http(s) URL. Only where the service has accounts' }))),
  metadata: Type.Optional(Nullable(Metadata))
})
export type ProfileBody = Static<typeof ProfileBody>

export const OnlineStatusBody = Type.Object({ isOnline: Type.Boolean() })
export const OnlineStatusAnswer = Type.Object({ userId: UserId, isOnline: Type.Boolean(), lastSeen: Nullable(Timestamp) })
export type OnlineStatusAnswer = Static<typeof OnlineStatusAnswer>

const Password = WellFormed({ minLength: 8, maxLength: 128 })
export const RegisterBody = Type.Object({ userId: AccountId, password: Password, displayName: Type.Optional(DisplayName) })
export type RegisterBody = Static<typeof RegisterBody>
export const LoginBody = Type.Object({ ...RegisterBody.properties, userId: UserId })
export type LoginBody = Static<typeof LoginBody>

export const Session = Type.Object({
  token: Type.String({ description: 'JWT' }),
  expiresAt: Timestamp,
  user: User
})
export type Session = Static<typeof Session>
