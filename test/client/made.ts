import type { Conversation, Participant } from '../../schemas/conversations.js'
import type { ChatEvents } from '../../schemas/events.js'
import type { OwnMessage, Quote } from '../../schemas/messages.js'
import type { Profile, User, UserProfile } from '../../schemas/users.js'

// What the service sends, made up: a field that is added to a shape is added here, and in no other place.

export const timestamp = '2026-01-15T10:30:00.000Z'

const named = (userId: string) => userId.charAt(0).toUpperCase() + userId.slice(1)

export const profile = (userId: string, data: Partial<Profile> = {}): Profile =>
  ({ userId, displayName: named(userId), avatar: null, isBot: false, ...data })

export const user = (userId: string, data: Partial<User> = {}): User => ({ ...profile(userId), isOnline: true, lastSeen: null, ...data })

export const userProfile = (userId: string, data: Partial<UserProfile> = {}): UserProfile => ({ ...user(userId), metadata: null, ...data })

/** A message of bob's, as an answer holds it. */
export const message = (seq: number, data: Partial<OwnMessage> = {}): OwnMessage => ({
  id: `m${seq}`,
  messageId: `m${seq}`,
  conversationId: 'c',
  seq,
  clientId: null,
  senderId: 'bob',
  text: `text ${seq}`,
  type: 'text',
  status: 'sent',
  createdAt: timestamp,
  editedAt: null,
  deletedAt: null,
  deletedBy: null,
  sender: profile(data.senderId ?? 'bob'),
  metadata: null,
  replyTo: null,
  replyCount: 0,
  mentions: [],
  mentionsAll: false,
  attachments: [],
  reactions: [],
  growing: false,
  myReactions: [],
  ...data
})

/** The same message as an event carries it: without what differs by who asks. */
export function messageEvent (eventSeq: number, data: Partial<OwnMessage> = {}): ChatEvents['message'] {
  const { myReactions, ...shared } = message(eventSeq, data)
  return { ...shared, eventSeq }
}

export const quote = ({ id, seq, senderId, sender, text, type, replyCount, deletedAt }: OwnMessage, data: Partial<Quote> = {}): Quote =>
  ({ id, seq, senderId, sender, text, truncated: false, type, attachmentCount: 0, replyCount, deletedAt, ...data })

export const reactionEvent = (
  messageSeq: number, userId: string, emoji: string, reacted: boolean, reactions: ChatEvents['reaction']['reactions'], eventSeq: number
): ChatEvents['reaction'] => ({
  conversationId: 'c',
  messageId: `m${messageSeq}`,
  messageSeq,
  userId,
  displayName: named(userId),
  emoji,
  reacted,
  count: reactions.find((reaction) => reaction.emoji === emoji)?.count ?? 0,
  reactions,
  timestamp,
  eventSeq
})

export const participant = (userId: string, data: Partial<Participant> = {}): Participant => ({
  ...user(userId, { displayName: userId, isOnline: false }), role: 'member', deliveredSeq: 0, readSeq: 0, ...data
})

export const participantEvent = (userId: string, data: Partial<ChatEvents['participantJoined']>): ChatEvents['participantJoined'] => ({
  conversationId: 'c', userId, displayName: named(userId), role: 'member', byUserId: userId, timestamp, eventSeq: 1, ...data
})

export const conversation = (data: Partial<Conversation> = {}): Conversation => {
  const participants = data.participants ?? [participant('alice'), participant('bob')]
  return {
    id: 'c',
    conversationId: 'c',
    type: 'group',
    title: null,
    avatar: null,
    description: null,
    metadata: null,
    settings: { posting: 'everyone', mentionAll: 'everyone', pinning: 'admins', slowModeSeconds: 0, messageTtlSeconds: null },
    createdBy: 'alice',
    createdAt: timestamp,
    updatedAt: timestamp,
    firstSeq: 1,
    lastMessage: null,
    unreadCount: 0,
    unreadMentionCount: 0,
    me: { mutedUntil: null, archived: false, favourite: false, notify: 'all', unreadFrom: null, draft: null },
    participantCount: participants.length,
    ...data,
    participants
  }
}

export const conversationEvent = (data: Partial<ChatEvents['conversationUpdated']> = {}): ChatEvents['conversationUpdated'] => {
  const { id: conversationId, title, avatar, description, metadata, settings } = conversation()
  return { conversationId, title, avatar, description, metadata, settings, changed: [], userId: 'bob', displayName: 'Bob', timestamp, eventSeq: 1, ...data }
}

export const connected = (data: Partial<ChatEvents['connected']> = {}): ChatEvents['connected'] => ({
  message: 'Connected',
  conversationId: 'c',
  timestamp,
  streamId: 's1',
  userId: 'alice',
  userVersion: 0,
  heartbeatMs: 30_000,
  typingLapseMs: 6000,
  resumed: false,
  expiresAt: null,
  ...data
})
