import type * as models from '../prisma/generated/sqlite/client.js'
import type { ConversationType, Role } from '../schemas/conversations.js'
import { bigint, boolean, int, nullable, tableOf, text, word } from './table.js'

/** The columns of every table. Each table follows its model in prisma/models.prisma, which explains the columns. */

export const meta = tableOf<models.Meta>()('chat_meta', {
  id: int,
  identity: text,
  position: bigint,
  clockBoot: nullable(text),
  clockOffset: bigint
}, { key: ['id'], writes: ['update'], isCopied: false })

export const users = tableOf<models.User>()('chat_users', {
  id: text,
  displayName: text,
  avatar: nullable(text),
  passwordHash: nullable(text),
  profileAt: bigint,
  createdAt: bigint,
  isOnline: boolean,
  isHidden: boolean,
  onlineUntil: nullable(bigint),
  lastSeen: nullable(bigint),
  metadata: nullable(text),
  isBot: boolean,
  stateVersion: int
}, { key: ['id'], writes: ['insert', 'update'], isCopied: true })

export const conversations = tableOf<models.Conversation>()('chat_conversations', {
  num: int,
  id: text,
  type: word<ConversationType>(),
  title: nullable(text),
  createdBy: text,
  createdAt: bigint,
  updatedAt: bigint,
  activity: bigint,
  loggedAt: bigint,
  messageSeq: int,
  eventSeq: int,
  prunedSeq: int,
  position: bigint,
  prunedPosition: bigint,
  participantCount: int,
  avatar: nullable(text),
  description: nullable(text),
  metadata: nullable(text),
  settings: nullable(text),
  firstSeq: int
}, { key: ['num'], writes: ['insert', 'update'], isCopied: true })

export const participants = tableOf<models.Participant>()('chat_participants', {
  conversation: int,
  userId: text,
  role: word<Role>(),
  joinedAt: bigint,
  joinedSeq: int,
  deliveredSeq: int,
  readSeq: int,
  typingUntil: nullable(bigint)
}, { key: ['conversation', 'userId'], writes: ['insert', 'update', 'delete'], isCopied: true, references: [conversations, users] })

export const formerParticipants = tableOf<models.FormerParticipant>()('chat_former_participants', {
  conversation: int,
  userId: text,
  joinedSeq: int,
  deliveredSeq: int,
  readSeq: int
}, { key: ['conversation', 'deliveredSeq', 'userId'], writes: ['insert'], isCopied: true, references: [conversations] })

export const messages = tableOf<models.Message>()('chat_messages', {
  id: text,
  conversation: int,
  seq: int,
  senderId: text,
  senderSeq: int,
  clientId: nullable(text),
  text,
  type: text,
  createdAt: bigint,
  editedAt: nullable(bigint),
  deletedAt: nullable(bigint),
  firstTextHash: nullable(text),
  metadata: nullable(text),
  replyTo: nullable(int),
  replyCount: int,
  mentions: nullable(text),
  mentionsAll: nullable(boolean),
  reactions: nullable(text),
  contentHash: nullable(text),
  deletedBy: nullable(text)
}, { key: ['id'], writes: ['insert', 'update'], isCopied: true, references: [conversations, users] })

export const reactions = tableOf<models.Reaction>()('chat_reactions', {
  conversation: int,
  messageSeq: int,
  userId: text,
  emoji: text,
  createdAt: bigint
}, { key: ['conversation', 'messageSeq', 'userId', 'emoji'], writes: ['insert', 'delete'], isCopied: true, references: [conversations] })

export const mentions = tableOf<models.Mention>()(
  'chat_mentions',
  { conversation: int, userId: text, seq: int },
  { key: ['conversation', 'userId', 'seq'], writes: ['insert', 'delete'], isCopied: true, references: [conversations] }
)

export const events = tableOf<models.Event>()('chat_events', {
  conversation: int,
  seq: int,
  position: bigint,
  tag: nullable(text),
  type: text, // A newer version may have written a type that this version does not know.
  userId: text,
  messageSeq: nullable(int),
  detail: nullable(text),
  byUserId: nullable(text),
  afterSeq: nullable(int),
  createdAt: bigint
}, { key: ['conversation', 'seq'], writes: ['insert'], isCopied: true, references: [conversations] })

export const deletions = tableOf<models.Deletion>()(
  'chat_deletions',
  { position: bigint, conversationId: text, deletedAt: bigint },
  { key: ['position'], writes: ['insert', 'delete'], isCopied: false }
)

export const quotas = tableOf<models.Quota>()('chat_quotas', {
  userId: text,
  conversations: int,
  groupsMade: int,
  groupsUntil: nullable(bigint)
}, { key: ['userId'], writes: ['insert', 'update'], isCopied: true })

export const nodes = tableOf<models.Node>()(
  'chat_nodes',
  { id: text, host: text, pid: int, expiresAt: bigint },
  { key: ['id'], writes: ['insert', 'update', 'delete'], isCopied: false }
)

export const streams = tableOf<models.Stream>()('chat_streams', {
  id: text,
  nodeId: text,
  userId: text,
  conversationId: nullable(text),
  expiresAt: nullable(bigint)
}, { key: ['id'], writes: ['insert', 'update', 'delete'], isCopied: false, references: [nodes] })

export const tickets = tableOf<models.Ticket>()('chat_tickets', {
  id: text,
  userId: text,
  conversationId: nullable(text),
  expiresAt: bigint,
  tokenExpiresAt: nullable(bigint)
}, { key: ['id'], writes: ['insert', 'update', 'delete'], isCopied: false })

export const counters = tableOf<models.Counter>()(
  'chat_counters',
  { id: text, count: int, expiresAt: bigint },
  { key: ['id'], writes: ['insert', 'update', 'delete'], isCopied: false }
)
