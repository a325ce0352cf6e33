import type { Static } from 'typebox'
import { chatError } from '../errors.js'
import type { Hub } from '../hub/hub.js'
import { ConversationId, MessageId, UserId } from '../schemas/common.js'
import {
  AddParticipantsBody, ChangeRoleBody, ChangesQuery, ConversationListQuery, CreateConversationBody, ReadBody, UpdateConversationBody,
  type ChangesPage, type Conversation, type ConversationPage, type ReadAnswer
} from '../schemas/conversations.js'
import type { ChatEvents } from '../schemas/events.js'
import {
  EditMessageBody, HistoryQuery, MentionListQuery, ReactionListQuery, ReceiptBody, RepliesQuery, SendMessageBody, TypingBody,
  type MentionPage, type Message, type MessagePage, type OwnMessage, type ReactionAnswer, type ReactionPage, type ReceiptAnswer
} from '../schemas/messages.js'
import { isWebUrl } from '../schemas/names.js'
import { OnlineStatusBody, ProfileBody, type OnlineStatusAnswer, type UserProfile } from '../schemas/users.js'
import { Counters } from '../store/counters.js'
import type { Database } from '../store/database.js'
import type { Followable } from '../store/followable.js'
import { Queries, type MessagePlace } from '../store/queries.js'
import { Writer } from '../store/writer.js'
import { Accounts } from './accounts.js'
import { Background } from './background.js'
import { contentOf, mentionsOf } from './content.js'
import { addParticipants, changeRole, createDirect, createGroup, deleteConversation, removeParticipant } from './conversations.js'
import { cursorOfTopic } from './event-id.js'
import { replayEvent } from './events.js'
import { Housekeeping } from './housekeeping.js'
import { canonicalEmoji } from './emoji.js'
import { decodeListCursor, encodeListCursor } from './list-cursor.js'
import { Lease } from './lease.js'
import { chatLog } from './log.js'
import { deleteMessage, editMessage, sendMessage } from './messages.js'
import { metadataText } from './metadata.js'
import { Presence } from './presence.js'
import { DEFAULT_QUOTAS, type Quotas } from './quotas.js'
import { react } from './reactions.js'
import { markMessage, markRead } from './receipts.js'
import { updateConversation } from './settings.js'
import { Streams } from './streams.js'
import { Tickets } from './tickets.js'
import { Typing } from './typing.js'
import { Users, type Caller } from './users.js'
import { assertPossible, assertValid, invalid } from './validation.js'
import { whenAvailable } from './when-available.js'

export interface ChatOptions {
  /** Open streams of one user, on all nodes. The next one is refused. Default 20. */
  maxStreamsPerUser?: number
  /** Conversations that a user may take part in, direct ones included. Default 10,000. */
  maxConversationsPerUser?: number
  /** Groups that a user may create in a day. Default 1,000. */
  maxGroupsPerDay?: number
  /** Days that events are kept in the log. Default: as long as the conversation. */
  eventRetentionDays?: number
  /** Whether users are registered here, and so choose their names and pictures themselves. Default: false, they come with tokens. */
  accounts?: boolean
  /** Called with errors of work in the background. */
  onError?: (error: unknown) => void
}

/** The greatest `seq` that a database keeps. */
const SEQ_MAX = 2_147_483_647

/**
 * The chat's operations, for HTTP and in process. Each checks its input and runs a command; the hub gets its events after
 * the commit. Refusals are `ChatError`s of the catalogue in schemas/errors.ts.
 */
export class Chat {
  readonly hub: Hub<ChatEvents>
  readonly accounts: Accounts
  /** Counters shared by all nodes. */
  readonly counters: Counters
  readonly tickets: Tickets
  readonly streams: Streams

  readonly #database: Database
  readonly #queries: Queries
  readonly #writer: Writer
  readonly #lease: Lease
  readonly #quotas: Quotas
  readonly #hasAccounts: boolean
  readonly #users: Users
  readonly #background: Background
  readonly #typing: Typing
  readonly #presence: Presence
  readonly #housekeeping: Housekeeping

  constructor (database: Database, hub: Hub<ChatEvents>, options: ChatOptions = {}) {
    const { maxStreamsPerUser = 20, eventRetentionDays, onError = () => {} } = options
    const { clock } = database
    this.hub = hub
    this.#database = database
    this.#hasAccounts = options.accounts === true
    this.#quotas = {
      conversations: options.maxConversationsPerUser ?? DEFAULT_QUOTAS.conversations,
      groupsPerDay: options.maxGroupsPerDay ?? DEFAULT_QUOTAS.groupsPerDay
    }
    const queries = this.#queries = new Queries(database)
    const writer = this.#writer = new Writer(database, ({ emissions, events, logged }) => {
      for (const { row: { conversation, seq }, emission } of events) {
        emission.id = cursorOfTopic(database.identity, conversation.num, seq, logged?.tag)
      }
      hub.emit(...emissions)
      if (logged !== undefined) hub.settle(logged.position, logged.tag)
    })
    const background = this.#background = new Background(hub.clock, onError)
    const users = this.#users = new Users(writer)
    const typing = this.#typing = new Typing(queries, writer, background, hub.clock)
    const presence = this.#presence = new Presence(queries, writer, background, hub.clock)
    const counters = this.counters = new Counters(database, writer)
    this.accounts = new Accounts(queries, writer, counters)
    this.tickets = new Tickets(writer, clock)
    this.#lease = new Lease(writer, hub.clock, clock, () => this.streams.open())
    this.streams = new Streams({
      identity: database.identity,
      clock,
      nodeId: this.#lease.nodeId,
      maxPerUser: maxStreamsPerUser,
      hub,
      queries,
      writer,
      users,
      comeBack: async () => { await this.#lease.renew() },
      onClosed: row => {
        if (background.stopped) return
        presence.streamClosed(row)
        typing.streamClosed(row)
      },
      onDiverged: () => {
        users.forget()
        onError(new Error('The event log lacks events that were sent, as after a failover that lost the newest: all streams are reset'))
      }
    })
    this.#housekeeping = new Housekeeping({ clock, queries, writer, counters, background, typing, presence, eventRetentionDays })
  }

  /** Takes a lease as a node, and starts housekeeping. */
  async start (): Promise<void> {
    await whenAvailable(async () => { await this.hub.useLog(chatLog(this.#queries, this.#database.identity), this.streams) })
    await whenAvailable(async () => { await this.#housekeeping.clampDeadlines() })
    await whenAvailable(async () => { await this.#lease.start() })
    this.#housekeeping.start()
  }

  /** Finishes the writes that have begun. Hub and database stay open. */
  async stop (): Promise<void> {
    await this.#background.stop()
    await this.#lease.stop().catch(() => { /* It lapses. */ })
    await this.#writer.close()
  }

  /** Rejects when the database does not answer. */
  async ping (): Promise<void> {
    await this.#database.ping()
  }

  // ---- users

  /** Saves the caller as a user, or updates name and avatar. Needs no query when nothing is new. */
  async ensureUser (caller: Caller): Promise<void> {
    await this.#users.ensure(caller)
  }

  /** The profile of a user who shares a conversation with the caller. Default: of the caller. */
  async user (callerId: string, userId = callerId): Promise<UserProfile> {
    assertPossible(UserId, userId)
    if (userId !== callerId && !await this.#queries.shareConversation(callerId, userId)) throw chatError('NOT_FOUND')
    return found(await this.#queries.user(userId))
  }

  /** Changes how the caller is shown. @throws FORBIDDEN where names and pictures come with tokens */
  async changeProfile (userId: string, body: ProfileBody): Promise<UserProfile> {
    assertValid(ProfileBody, body)
    const { displayName, avatar, metadata } = body
    if (avatar != null && !isWebUrl(avatar)) throw invalid('avatar must be an http(s) URL')
    const change = { displayName, avatar, metadata: metadata === undefined ? undefined : metadataText(metadata) }
    if (!this.#hasAccounts && (displayName !== undefined || avatar !== undefined)) throw chatError('FORBIDDEN')
    await this.#users.changeProfile(userId, change)
    return await this.user(userId)
  }

  /** Shows the user as online, or hides them until they ask to be shown again. */
  async setOnline (userId: string, body: Static<typeof OnlineStatusBody>): Promise<OnlineStatusAnswer> {
    assertValid(OnlineStatusBody, body)
    return await this.#presence.set(userId, body.isOnline)
  }

  // ---- conversations

  /** Creates a conversation. A direct one is created once, and returned from then on. */
  async createConversation (userId: string, body: CreateConversationBody): Promise<{ conversation: Conversation, created: boolean }> {
    assertValid(CreateConversationBody, body)
    const { conversationId, created } = await this.#writer.write(body.type === 'direct'
      ? createDirect(userId, body.userId, this.#quotas)
      : createGroup(userId, body.title ?? null, body.participantIds, this.#quotas))
    return { conversation: await this.conversation(userId, conversationId), created }
  }

  async conversation (userId: string, conversationId: string): Promise<Conversation> {
    assertPossible(ConversationId, conversationId)
    return found(await this.#queries.conversation(conversationId, userId))
  }

  /** Returns a page of the user's conversations, latest activity first. */
  async conversations (userId: string, query: ConversationListQuery = {}): Promise<ConversationPage> {
    assertValid(ConversationListQuery, query)
    const list = { name: 'conversations', of: userId, place: { activity: 'bigint', num: 'int' } } as const
    const { conversations, next } = await this.#queries.conversations(userId, decodeListCursor(list, query.cursor), query.limit ?? 50)
    return { conversations, nextCursor: encodeListCursor(list, next) }
  }

  /** Changes how a conversation is shown, and its settings. What the body does not name stays. */
  async updateConversation (userId: string, conversationId: string, body: UpdateConversationBody): Promise<Conversation> {
    assertValid(UpdateConversationBody, body)
    const { avatar, metadata } = body
    if (avatar != null && !isWebUrl(avatar)) throw invalid('avatar must be an http(s) URL')
    const change = { ...body, metadata: metadata === undefined ? undefined : metadataText(metadata) }
    assertPossible(ConversationId, conversationId)
    await this.#writer.write(updateConversation(conversationId, userId, change))
    return await this.conversation(userId, conversationId)
  }

  /** Deletes a group with all that belongs to it. */
  async deleteConversation (userId: string, conversationId: string): Promise<void> {
    assertPossible(ConversationId, conversationId)
    await this.#writer.write(deleteConversation(conversationId, userId))
  }

  /** Returns changes of the conversation itself, ascending: what other chats show as system messages. */
  async changes (userId: string, conversationId: string, query: ChangesQuery = {}): Promise<ChangesPage> {
    assertValid(ChangesQuery, query)
    const { from = 0, to = SEQ_MAX, after = 0, limit = 50 } = query
    const followable = await this.#access(userId, conversationId)
    const bounds = { from: Math.min(from, SEQ_MAX), to: Math.min(to, SEQ_MAX), after: Math.min(after, SEQ_MAX), limit }
    for (;;) {
      const { conversation, events, hasMore } = await this.#queries.changes(followable, bounds)
      const changes = events.flatMap(event => {
        const { type, data } = replayEvent(event, { id: conversationId, ...conversation! }, '')
        return data === null || event.afterSeq === null ? [] : [{ type, data: data as Record<string, unknown>, afterSeq: event.afterSeq }]
      })
      // A page of types that only a newer version knows would have nothing to page on from.
      const last = events.at(-1)
      if (changes.length > 0 || !hasMore || last === undefined) return { changes, hasMore }
      bounds.after = last.seq
    }
  }

  async addParticipants (userId: string, conversationId: string, body: Static<typeof AddParticipantsBody>): Promise<Conversation> {
    assertPossible(ConversationId, conversationId)
    assertValid(AddParticipantsBody, body)
    await this.#writer.write(addParticipants(conversationId, userId, body.participantIds, this.#quotas))
    return await this.conversation(userId, conversationId)
  }

  async changeRole (userId: string, conversationId: string, participantId: string, body: Static<typeof ChangeRoleBody>): Promise<Conversation> {
    assertPossible(ConversationId, conversationId)
    assertPossible(UserId, participantId)
    assertValid(ChangeRoleBody, body)
    await this.#writer.write(changeRole(conversationId, userId, participantId, body.role))
    return await this.conversation(userId, conversationId)
  }

  /** Removes a participant, or lets the user leave. */
  async removeParticipant (userId: string, conversationId: string, participantId: string): Promise<void> {
    assertPossible(ConversationId, conversationId)
    assertPossible(UserId, participantId)
    await this.#writer.write(removeParticipant(conversationId, userId, participantId))
  }

  // ---- messages

  /** Saves a message and tells all participants but its sender. A repeated `clientId` returns the message that it was first sent with. */
  async sendMessage (userId: string, body: SendMessageBody): Promise<{ message: OwnMessage, created: boolean }> {
    assertValid(SendMessageBody, body)
    const { conversationId, type = 'text', clientId = null } = body
    const content = contentOf(body)
    const outcome = await this.#writer.write(sendMessage({ conversationId, userId, type, clientId, content }))
    if ('sent' in outcome) {
      this.#typing.ended(conversationId, userId)
      return { message: { ...outcome.sent, myReactions: [] }, created: true }
    }
    return { message: found(await this.#queries.message(outcome.repeats, userId)), created: false }
  }

  /** Changes text, metadata or mentions of one of the caller's messages. What the body does not name stays. */
  async editMessage (userId: string, messageId: string, body: EditMessageBody): Promise<OwnMessage> {
    assertValid(EditMessageBody, body)
    const { text, metadata, mentions, mentionsAll } = body
    const change = {
      text,
      metadata: metadata === undefined ? undefined : metadataText(metadata),
      mentions: mentions == null ? undefined : mentionsOf(mentions, text ?? ''),
      mentionsAll: mentionsAll ?? undefined
    }
    assertPossible(MessageId, messageId)
    return await this.#asSeenBy(userId, await this.#writer.write(editMessage(messageId, userId, change)))
  }

  async deleteMessage (userId: string, messageId: string): Promise<OwnMessage> {
    assertPossible(MessageId, messageId)
    return { ...await this.#writer.write(deleteMessage(messageId, userId)), myReactions: [] }
  }

  async #asSeenBy (userId: string, message: Message): Promise<OwnMessage> {
    return { ...message, myReactions: message.reactions.length === 0 ? [] : found(await this.#queries.message(message.id, userId)).myReactions }
  }

  async message (userId: string, messageId: string): Promise<OwnMessage> {
    assertPossible(MessageId, messageId)
    return found(await this.#queries.message(messageId, userId))
  }

  /** Returns a page of a conversation's history, ascending. */
  async messages (userId: string, conversationId: string, query: HistoryQuery = {}): Promise<MessagePage> {
    assertValid(HistoryQuery, query)
    const { around, limit = 50 } = query
    const conversation = await this.#access(userId, conversationId)
    return around === undefined
      ? await this.#queries.messages(conversation, userId, { ...query, limit })
      : await this.#queries.messagesAround(conversation, userId, around, limit)
  }

  /** Returns a page of the direct replies to a message, ascending, deleted ones included. */
  async replies (userId: string, messageId: string, query: RepliesQuery = {}): Promise<MessagePage> {
    assertValid(RepliesQuery, query)
    return await this.#queries.replies(await this.#place(userId, messageId), userId, { ...query, limit: query.limit ?? 50 })
  }

  /** Sets the caller's reaction to a message, or takes it back. Takes any form of an emoji, and answers with the canonical one. */
  async react (userId: string, messageId: string, emoji: string, reacted: boolean): Promise<ReactionAnswer> {
    const canonical = canonicalEmoji(emoji)
    assertPossible(MessageId, messageId)
    return await this.#writer.write(react(messageId, userId, canonical, reacted))
  }

  /** Returns a page of the reactions to a message, oldest first. */
  async reactions (userId: string, messageId: string, query: ReactionListQuery = {}): Promise<ReactionPage> {
    assertValid(ReactionListQuery, query)
    const emoji = query.emoji === undefined ? undefined : canonicalEmoji(query.emoji)
    const list = { name: 'reactions', of: `${messageId} ${emoji ?? ''}`, place: { createdAt: 'bigint', userId: 'text', emoji: 'text' } } as const
    const behind = decodeListCursor(list, query.cursor)
    const { reactions, next } = await this.#queries.reactions(await this.#place(userId, messageId), { emoji, limit: query.limit ?? 50, behind })
    return { reactions, nextCursor: encodeListCursor(list, next) }
  }

  /** Returns a page of the messages that mention the caller, newest first. */
  async mentions (userId: string, query: MentionListQuery = {}): Promise<MentionPage> {
    assertValid(MentionListQuery, query)
    const list = { name: 'mentions', of: userId, place: { createdAt: 'bigint', conversation: 'int', seq: 'int' } } as const
    const { messages, next } = await this.#queries.mentions(userId, decodeListCursor(list, query.cursor), query.limit ?? 50)
    return { messages, nextCursor: encodeListCursor(list, next) }
  }

  /** Marks a message, and all before it, as delivered to or read by the user. */
  async markMessage (userId: string, messageId: string, body: Static<typeof ReceiptBody>): Promise<ReceiptAnswer> {
    assertValid(ReceiptBody, body)
    assertPossible(MessageId, messageId)
    return await this.#writer.write(markMessage(messageId, userId, body.status))
  }

  /** Marks everything up to a `seq` as read by the user. */
  async markRead (userId: string, conversationId: string, body: Static<typeof ReadBody>): Promise<ReadAnswer> {
    assertPossible(ConversationId, conversationId)
    assertValid(ReadBody, body)
    return await this.#writer.write(markRead(conversationId, userId, body.seq))
  }

  async setTyping (userId: string, body: TypingBody): Promise<TypingBody> {
    assertValid(TypingBody, body)
    return await this.#typing.set(userId, body)
  }

  async #place (userId: string, messageId: string): Promise<MessagePlace> {
    assertPossible(MessageId, messageId)
    return found(await this.#queries.place(messageId, userId))
  }

  async #access (userId: string, conversationId: string): Promise<Followable> {
    assertPossible(ConversationId, conversationId)
    return found(await this.#queries.access(conversationId, userId))
  }
}

function found<T> (value: T | undefined): T {
  if (value === undefined) throw chatError('NOT_FOUND')
  return value
}
