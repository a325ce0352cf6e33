import type * as models from '../prisma/generated/sqlite/client.js'
import type { ConversationType, OwnState, Role } from '../schemas/conversations.js'
import type { ReceiptStatus } from '../schemas/messages.js'
import { bigint, boolean, int, nullable, tableOf, text, word } from './table.js'

/** The columns of every table. Each table follows its model in prisma/models.prisma, which explains the columns. */

export const meta = tableOf<models.Meta>()('chat_meta', {
  id: int,
  identity: text,
  position: bigint,
  clockBoot: nullable(text),
  clockOffset: bigint,
  fileKey: nullable(text)
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
  stateVersion: int,
  sortName: nullable(text)
}, { key: ['id'], writes: ['insert', 'update'], isCopied: true })

export const userTerms = tableOf<models.UserTerm>()(
  'chat_user_terms', { term: text, userId: text }, { key: ['term', 'userId'], writes: ['insert', 'delete'], isCopied: true }
)

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
  typingUntil: nullable(bigint),
  mutedUntil: nullable(bigint),
  archivedSeq: nullable(int),
  favourite: boolean,
  notify: word<OwnState['notify']>(),
  unreadFrom: nullable(int)
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
  deletedBy: nullable(text),
  attachments: nullable(text),
  growingUntil: nullable(bigint),
  appendedFrom: nullable(bigint),
  appendCount: nullable(int)
}, { key: ['id'], writes: ['insert', 'update'], isCopied: true, references: [conversations, users] })

export const reactions = tableOf<models.Reaction>()('chat_reactions', {
  conversation: int,
  messageSeq: int,
  userId: text,
  emoji: text,
  createdAt: bigint
}, {
  key: ['conversation', 'messageSeq', 'userId', 'emoji'],
  ofMessage: 'messageSeq',
  writes: ['insert', 'delete'],
  isCopied: true,
  references: [conversations]
})

export const mentions = tableOf<models.Mention>()(
  'chat_mentions',
  { conversation: int, userId: text, seq: int },
  { key: ['conversation', 'userId', 'seq'], writes: ['insert', 'delete'], isCopied: true, references: [conversations] }
)

/** State of a file: not attached yet, attached, or being deleted. */
export type FileState = 'free' | 'attached' | 'gone'

export const files = tableOf<models.StoredFile>()('chat_files', {
  id: text,
  ownerId: text,
  state: word<FileState>(),
  name: text,
  type: text,
  size: int,
  width: nullable(int),
  height: nullable(int),
  thumbhash: nullable(text),
  sha256: text,
  storageKey: text,
  createdAt: bigint,
  expiresAt: nullable(bigint)
}, { key: ['id'], writes: ['insert', 'update', 'delete'], isCopied: true })

export const attachments = tableOf<models.Attachment>()(
  'chat_attachments',
  { conversation: int, messageSeq: int, position: int, fileId: text },
  {
    key: ['conversation', 'messageSeq', 'position'],
    ofMessage: 'messageSeq',
    writes: ['insert', 'delete'],
    isCopied: true,
    references: [conversations]
  }
)

export const marks = tableOf<models.Mark>()(
  'chat_marks',
  { conversation: int, userId: text, kind: word<ReceiptStatus>(), seq: int, at: bigint },
  { key: ['conversation', 'userId', 'kind', 'seq'], writes: ['insert', 'delete'], isCopied: true, references: [conversations] }
)

export const blocks = tableOf<models.Block>()(
  'chat_blocks',
  { userId: text, blockedId: text, createdAt: bigint },
  { key: ['userId', 'blockedId'], writes: ['insert', 'delete'], isCopied: true }
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
  { position: bigint, conversationId: text, deletedAt: bigint, num: int, eventSeq: int },
  { key: ['position'], writes: ['insert', 'delete'], isCopied: false }
)

export const followers = tableOf<models.Follower>()('chat_followers', {
  name: text,
  position: bigint,
  nodeId: nullable(text),
  leaseUntil: bigint,
  state: nullable(text),
  gap: boolean
}, { key: ['name'], writes: ['insert', 'update', 'delete'], isCopied: true })

export const pending = tableOf<models.PendingMessage>()('chat_pending', {
  id: text,
  caller: text,
  input: text,
  createdAt: bigint,
  position: bigint,
  attempts: int,
  error: nullable(text)
}, { key: ['id'], writes: ['update', 'delete'], isCopied: true })

export const webhooks = tableOf<models.Webhook>()('chat_webhooks', {
  id: text,
  url: text,
  events: text,
  lanes: int,
  description: nullable(text),
  enabled: boolean,
  secret: text,
  previousSecret: nullable(text),
  previousUntil: nullable(bigint),
  createdAt: bigint
}, { key: ['id'], writes: ['insert', 'update', 'delete'], isCopied: true })

export const deadDeliveries = tableOf<models.DeadDelivery>()('chat_dead_deliveries', {
  webhookId: text,
  position: bigint,
  conversation: int,
  eventSeq: int,
  conversationId: text,
  type: text,
  tag: text,
  createdAt: bigint,
  at: bigint,
  error: text
}, { key: ['webhookId', 'position', 'conversation', 'eventSeq'], writes: ['insert', 'delete'], isCopied: true })

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
