import { setTimeout as sleep } from 'node:timers/promises'
import type { Static } from 'typebox'
import { chatError, isChatError } from '../errors.js'
import type { Clock } from '../hub/clock.js'
import type { Hub } from '../hub/hub.js'
import { ConversationId, MessageId, UserId } from '../schemas/common.js'
import {
  AddParticipantsBody, ChangeRoleBody, ConversationListQuery, CreateConversationBody, ReadBody,
  type Conversation, type ConversationPage, type ReadAnswer
} from '../schemas/conversations.js'
import type { ChatEvents } from '../schemas/events.js'
import {
  EditMessageBody, HistoryQuery, ReceiptBody, SendMessageBody, TypingBody,
  type Message, type MessagePage, type ReceiptAnswer
} from '../schemas/messages.js'
import { OnlineStatusBody, type OnlineStatusAnswer, type User } from '../schemas/users.js'
import { Counters } from '../store/counters.js'
import { DatabaseError, type Database } from '../store/database.js'
import { clampDeadlines } from '../store/deadlines.js'
import type { Followable } from '../store/followable.js'
import { Queries } from '../store/queries.js'
import type { StreamRow } from '../store/unit.js'
import { Writer, type Command } from '../store/writer.js'
import { elapsedMs } from '../time.js'
import { Accounts } from './accounts.js'
import { Alarms } from './alarms.js'
import { addParticipants, changeRole, createDirect, createGroup, removeParticipant } from './conversations.js'
import { decodeListCursor, encodeListCursor } from './list-cursor.js'
import { closeDeadNodes, Lease, LEASE_MS } from './lease.js'
import { chatLog } from './log.js'
import { deleteMessage, editMessage, sendMessage } from './messages.js'
import { CHANGE_EVERY_MS, OnlineNews } from './online-news.js'
import { ONLINE_GRACE_MS, ONLINE_LEASE_MS, setOnline, settleOnline, tellOwed } from './presence.js'
import { DEFAULT_QUOTAS, type Quotas } from './quotas.js'
import { pruneEvents } from './retention.js'
import { markMessage, markRead } from './receipts.js'
import { Streams } from './streams.js'
import { TICKET_MS, Tickets } from './tickets.js'
import { lapseTyping, setTyping, stopUncoveredTyping, TYPING_LAPSE_MS } from './typing.js'
import { Users, type Caller } from './users.js'
import { assertPossible, assertValid } from './validation.js'

export interface ChatOptions {
  /** Open streams of one user; the next is refused. Default 20. */
  maxStreamsPerUser?: number
  /** Conversations that a user may take part in, direct ones included. Default 10,000. */
  maxConversationsPerUser?: number
  /** Groups that a user may make in a day. Default 1,000. */
  maxGroupsPerDay?: number
  /** Days that the event log is kept; undefined: as long as the conversation. */
  eventRetentionDays?: number
  /** Told what goes wrong in the background. */
  onError?: (error: unknown) => void
}

/** How often what nobody's alarm has ended is looked for, in milliseconds. */
const HOUSEKEEPING_MS = 2000
const PRUNING_MS = 60_000
const START_MS = 60_000

/**
 * The chat's operations: checked, saved, and told to the hub after the commit, whether they come over HTTP or in
 * process. Refusals are `ChatError`s out of the catalogue in schemas/errors.ts.
 */
export class Chat {
  readonly hub: Hub<ChatEvents>
  readonly accounts: Accounts
  /** What all nodes count together. */
  readonly counters: Counters
  readonly tickets: Tickets
  readonly streams: Streams

  readonly #database: Database
  readonly #queries: Queries
  readonly #writer: Writer
  readonly #lease: Lease
  readonly #clock: Clock
  readonly #options: ChatOptions
  readonly #quotas: Quotas
  readonly #users: Users
  readonly #alarms: Alarms
  readonly #news = new OnlineNews()
  readonly #background = new Set<Promise<unknown>>()
  /** Steps of the database's clock that deadlines have been moved after. */
  #stepsSeen = 0
  #closed = false

  constructor (database: Database, hub: Hub<ChatEvents>, options: ChatOptions = {}) {
    const { maxStreamsPerUser = 20 } = options
    this.#database = database
    this.#options = options
    this.#quotas = {
      conversations: options.maxConversationsPerUser ?? DEFAULT_QUOTAS.conversations,
      groupsPerDay: options.maxGroupsPerDay ?? DEFAULT_QUOTAS.groupsPerDay
    }
    this.#queries = new Queries(database)
    this.hub = hub
    this.#clock = this.hub.clock
    this.#alarms = new Alarms(this.#clock)
    this.#writer = new Writer(database, ({ emissions, logged }) => {
      this.hub.emit(...emissions)
      if (logged !== undefined) this.hub.settle(logged.position, logged.tag)
    })
    this.#users = new Users(this.#writer)
    this.#lease = new Lease(this.#writer, this.#clock, database.clock, () => this.streams.open())
    this.streams = new Streams({
      identity: database.identity,
      clock: database.clock,
      nodeId: this.#lease.nodeId,
      maxPerUser: maxStreamsPerUser,
      hub: this.hub,
      queries: this.#queries,
      writer: this.#writer,
      users: this.#users,
      comeBack: async () => { await this.#lease.renew() },
      onClosed: row => { this.#streamClosed(row) },
      onDiverged: () => {
        this.#users.forget()
        options.onError?.(new Error('The event log lacks events that were sent, as after a failover that lost the newest: all streams are reset'))
      }
    })
    this.counters = new Counters(database, this.#writer)
    this.accounts = new Accounts(this.#queries, this.#writer, this.counters)
    this.tickets = new Tickets(this.#writer, database.clock)
  }

  /** Takes a place among the nodes, and begins to keep house. */
  async start (): Promise<void> {
    await whenAvailable(async () => { await this.hub.useLog(chatLog(this.#queries, this.#database.identity), this.streams) })
    await whenAvailable(async () => { await this.#clampDeadlines() })
    await whenAvailable(async () => { await this.#lease.start() })
    this.#repeat(HOUSEKEEPING_MS, async () => { await this.#keepHouse() })
    this.#repeat(PRUNING_MS, async () => { await this.counters.prune() })
    const days = this.#options.eventRetentionDays
    if (days !== undefined) this.#repeat(PRUNING_MS, async () => { await pruneEvents(this.#writer, this.#database.clock, days) })
  }

  /** Lets writes that have begun finish; hub and database stay open. */
  async stop (): Promise<void> {
    this.#closed = true
    await Promise.allSettled(this.#background)
    await this.#lease.stop().catch(() => { /* it lapses */ })
    await this.#writer.close()
  }

  /** Rejects when the database doesn't answer. */
  async ping (): Promise<void> {
    await this.#database.ping()
  }

  // ---- users

  /** Makes the user known, or brings name and avatar up to date. Costs nothing when nothing is new. */
  async ensureUser (caller: Caller): Promise<void> {
    await this.#users.ensure(caller)
  }

  async user (userId: string): Promise<User> {
    return found(await this.#queries.user(userId))
  }

  /** Shows the user as online, or hides them until they say the contrary. */
  async setOnline (userId: string, body: Static<typeof OnlineStatusBody>): Promise<OnlineStatusAnswer> {
    assertValid(OnlineStatusBody, body)
    const answer = await this.#writer.write(setOnline(userId, body.isOnline, this.#news))
    if (body.isOnline) this.#settleOnlineIn(ONLINE_LEASE_MS, userId)
    if (this.#news.owed(userId) !== undefined) this.#tellOnlineLater(userId)
    return answer
  }

  #tellOnlineLater (userId: string): void {
    const tell = (): void => {
      this.#inBackground(async () => {
        await this.#writer.write(tellOwed(userId, this.#news)).finally(() => { this.#news.settled(userId) })
      })
    }
    if (!this.#alarms.set(`news ${userId}`, CHANGE_EVERY_MS, tell)) tell()
  }

  // ---- conversations

  /** Makes a conversation; a direct one only once. */
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

  /** A page of the user's conversations, latest activity first. */
  async conversations (userId: string, query: ConversationListQuery = {}): Promise<ConversationPage> {
    assertValid(ConversationListQuery, query)
    const below = query.cursor === undefined ? undefined : decodeListCursor(query.cursor, userId)
    const { conversations, next } = await this.#queries.conversations(userId, below, query.limit ?? 50)
    return { conversations, nextCursor: next === undefined ? null : encodeListCursor(next, userId) }
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

  /** Saves a message and tells it to all but its sender; a repeat of a `clientId` gives the message it made. */
  async sendMessage (userId: string, body: SendMessageBody): Promise<{ message: Message, created: boolean }> {
    assertValid(SendMessageBody, body)
    const { conversationId, text, type = 'text', clientId = null } = body
    const outcome = await this.#writer.write(sendMessage({ conversationId, userId, text, type, clientId }))
    if ('sent' in outcome) {
      this.#forgetTyping(conversationId, userId)
      return { message: outcome.sent, created: true }
    }
    return { message: found(await this.#queries.message(outcome.repeats, conversationId)), created: false }
  }

  async editMessage (userId: string, messageId: string, body: Static<typeof EditMessageBody>): Promise<Message> {
    assertValid(EditMessageBody, body)
    assertPossible(MessageId, messageId)
    return await this.#writer.write(editMessage(messageId, userId, body.text))
  }

  async deleteMessage (userId: string, messageId: string): Promise<Message> {
    assertPossible(MessageId, messageId)
    return await this.#writer.write(deleteMessage(messageId, userId))
  }

  /** A page of a conversation's history, ascending. */
  async messages (userId: string, conversationId: string, query: HistoryQuery = {}): Promise<MessagePage> {
    assertValid(HistoryQuery, query)
    const conversation = await this.#access(userId, conversationId)
    return await this.#queries.messages(conversation, { ...query, limit: query.limit ?? 50 })
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
    const { conversationId, isTyping } = body
    const answer = await this.#writer.write(setTyping(conversationId, userId, isTyping))
    this.#forgetTyping(conversationId, userId)
    if (isTyping) {
      this.#alarms.set(typingKey(conversationId, userId), TYPING_LAPSE_MS, () => { this.#later(lapseTyping(conversationId, userId)) })
    }
    return answer
  }

  async #access (userId: string, conversationId: string): Promise<Followable> {
    assertPossible(ConversationId, conversationId)
    return found(await this.#queries.access(conversationId, userId))
  }

  #forgetTyping (conversationId: string, userId: string): void {
    this.#alarms.cancel(typingKey(conversationId, userId))
  }

  // ---- what time ends

  /** The database knows that a stream is closed: typing it covered ends, and being online lapses in a while. */
  #streamClosed ({ userId, conversationId: only }: StreamRow): void {
    if (this.#closed) return
    this.#settleOnlineIn(ONLINE_GRACE_MS, userId)
    this.#inBackground(async () => {
      const typing = (await this.#queries.typingOf(userId)).filter(({ conversationId }) => only === null || only === conversationId)
      await Promise.all(typing.map(async ({ conversationId }) => await this.#writer.write(stopUncoveredTyping(conversationId, userId))))
    })
  }

  #settleOnlineIn (ms: number, userId: string): void {
    this.#alarms.set(`online ${userId}`, ms, () => { this.#later(settleOnline(userId)) })
  }

  /** What other nodes' alarms would have ended, had they lived. */
  async #keepHouse (): Promise<void> {
    const { clock } = this.#database
    if (clock.steps !== this.#stepsSeen) await this.#clampDeadlines()
    await closeDeadNodes(this.#queries, this.#writer, clock)
    const typing = await this.#queries.lapsedTyping(clock.ticks())
    await Promise.all(typing.map(async ({ conversationId, userId }) => await this.#writer.write(lapseTyping(conversationId, userId))))
    const online = await this.#queries.lapsedOnline(clock.ticks())
    await Promise.all(online.map(async userId => await this.#writer.write(settleOnline(userId))))
  }

  /** A deadline never lasts longer than it may, though the clock was set back since it was written. */
  async #clampDeadlines (): Promise<void> {
    const { clock } = this.#database
    const { steps } = clock
    await this.#writer.beside(async sql => {
      await clampDeadlines(sql, clock.ticks(), { typing: TYPING_LAPSE_MS, online: ONLINE_LEASE_MS, lease: LEASE_MS, ticket: TICKET_MS })
    })
    this.#stepsSeen = steps
  }

  #later (command: Command<void>): void {
    this.#inBackground(async () => { await this.#writer.write(command) })
  }

  /** What fails in the background is found again by the next round of keeping house. */
  #inBackground (work: () => Promise<void>): void {
    if (this.#closed) return
    const running = work().catch(error => { this.#options.onError?.(error) }).finally(() => this.#background.delete(running))
    this.#background.add(running)
  }

  #repeat (ms: number, work: () => Promise<void>): void {
    const again = (): void => {
      if (this.#closed) return
      this.#inBackground(async () => {
        try {
          await work()
        } finally {
          this.#clock.after(ms, again)
        }
      })
    }
    this.#clock.after(0, again)
  }
}

const typingKey = (conversationId: string, userId: string): string => JSON.stringify([conversationId, userId])

/** A start waits for a database in trouble, as migrating does: whoever starts servers needn't try again. */
async function whenAvailable (work: () => Promise<void>): Promise<void> {
  for (const deadline = elapsedMs() + START_MS; ;) {
    try {
      return await work()
    } catch (error) {
      if (!isChatError(error, 'UNAVAILABLE')) throw error
      if (elapsedMs() > deadline) throw new DatabaseError('The database is locked, full or away')
      await sleep(200)
    }
  }
}

function found<T> (value: T | undefined): T {
  if (value === undefined) throw chatError('NOT_FOUND')
  return value
}
