import { Type, type Static } from 'typebox'
import { AccountId, DisplayName, Nullable, Timestamp, UserId, WellFormed } from './common.js'

export const Profile = Type.Object({
  userId: UserId,
  displayName: Type.String(),
  avatar: Nullable(Type.String({ description: 'http(s) URL' }))
})
/** A user as shown with a message. */
export type Profile = Static<typeof Profile>

export const User = Type.Object({
  ...Profile.properties,
  isOnline: Type.Boolean(),
  lastSeen: Nullable(Timestamp)
})
export type User = Static<typeof User>

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
