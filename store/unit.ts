import { emissionOf, type Routing } from '../hub/emission.js'
import type { Role } from '../schemas/conversations.js'
import type { ChatEvents, DurableEventType, DurableEvents, EphemeralEvents } from '../schemas/events.js'
import type { ReceiptStatus } from '../schemas/messages.js'
import { keyOf } from './identity-map.js'
import { saysSomething } from './marks.js'
import { countingOf, type OwnStateRow, type Unread } from './own-states.js'
import { fieldsOfNewMessages, type ConversationRow, type MessageRow, type ParticipantRow, type StreamRow, type UserRow } from './rows.js'
import type { Held, Values } from './row-sets.js'
import { blank, fieldsBut, type Table, type TableOfMessages } from './table.js'
import * as tables from './tables.js'
import { UnitView } from './unit-view.js'

export type * from './rows.js'

/** What a message is sent with. */
export type SentMessage =
  Pick<MessageRow, 'id' | 'clientId' | 'text' | 'type' | 'metadata' | 'replyTo' | 'mentions' | 'mentionsAll' | 'contentHash' | 'attachments'>

type NewMessage = Pick<MessageRow, typeof fieldsOfNewMessages[number]>
const BLANK_MESSAGE = blank(tables.messages, fieldsBut(tables.messages, fieldsOfNewMessages))

/** What the log keeps of an event. */
interface About {
  userId: string
  messageSeq?: number | undefined
  detail?: string | undefined
  byUserId?: string | null | undefined
  at: number
  isActivity: boolean
  isChange: boolean
}

const TABLES_OF_MESSAGES =
  (Object.values(tables) as Array<Table<unknown>>).filter((table): table is TableOfMessages => table.ofMessage !== undefined)

/**
 * A transaction as one of its commands sees it: a unit of work over an identity map. Commands read and change the rows of
 * the map, which they share; the changes of all of them are written together.
 */
export class Unit extends UnitView {
  // ---- Changes

  addUser (user: UserRow): void {
    this.pending.count++
    this.map.users.set(user.id, user)
    this.pending.newUsers.add(user)
  }

  changeUser (user: UserRow, change: Partial<UserRow>): void {
    this.pending.count++
    Object.assign(user, change)
    if (!this.pending.newUsers.has(user)) this.pending.changedUsers.add(user)
  }

  addConversation (row: Pick<ConversationRow, 'id' | 'type' | 'title' | 'createdBy'>): ConversationRow {
    this.pending.count++
    const conversation: ConversationRow = {
      ...row,
      num: 0,
      avatar: null,
      description: null,
      metadata: null,
      settings: null,
      messageSeq: 0,
      eventSeq: 0,
      participantCount: 0,
      createdAt: this.now,
      updatedAt: this.now,
      loggedAt: 0
    }
    this.pending.instants.set(conversation, this.now)
    this.map.conversations.set(conversation.id, conversation)
    this.pending.newConversations.add(conversation)
    return conversation
  }

  changeConversation (conversation: ConversationRow, change: Partial<ConversationRow>): void {
    this.pending.count++
    Object.assign(conversation, change)
    this.pending.changedConversations.add(conversation)
  }

  /** Whether, in a direct conversation, one blocks the other from here on. */
  setBlocked ({ id }: ConversationRow, blocked: boolean): void {
    if (blocked) this.map.blocked.add(id)
    else this.map.blocked.delete(id)
  }

  /** Deletes a conversation with all that belongs to it. What this transaction has told of it so far is not told. */
  deleteConversation (conversation: ConversationRow, userIds: readonly string[]): void {
    this.pending.count++
    for (const userId of userIds) {
      this.pending.countConversation(userId, -1)
      this.pending.countStateChange(userId)
    }
    this.pending.forget(conversation)
    this.pending.deletedConversations.add(conversation)
    this.map.removeConversation(conversation)
  }

  /** All marks of the participant start at the `seq` given as `mark`. */
  addParticipant (conversation: ConversationRow, user: UserRow, role: Role, mark: number): ParticipantRow {
    this.pending.count++
    const participant: ParticipantRow = {
      conversation,
      userId: user.id,
      role,
      joinedAt: this.nowIn(conversation),
      joinedSeq: mark,
      deliveredSeq: mark,
      readSeq: mark,
      typingUntil: null,
      displayName: user.displayName,
      avatar: user.avatar,
      isBot: user.isBot,
      senderSeq: this.map.senderSeq(conversation.id, user.id)
    }
    this.map.placeParticipant(participant)
    this.pending.newParticipants.add(participant)
    conversation.participantCount++
    this.pending.countConversation(user.id, 1)
    this.pending.touched.add(conversation)
    return participant
  }

  changeParticipant (participant: ParticipantRow, change: Partial<ParticipantRow>): void {
    this.pending.count++
    Object.assign(participant, change)
    if (!this.pending.newParticipants.has(participant)) this.pending.changedParticipants.add(participant)
  }

  /** Moves a participant's watermark up, and keeps when. Reading implies delivery. */
  moveMark (participant: ParticipantRow, kind: ReceiptStatus, seq: number): void {
    const { conversation, userId, joinedSeq, deliveredSeq, readSeq } = participant
    const before = kind === 'read' ? readSeq : deliveredSeq
    // Up to here, the time of such a mark is not asked for.
    const floor = kind === 'read' ? joinedSeq : Math.max(joinedSeq, readSeq)
    const moved = this.pending.moves[kind].get(participant)
    if (moved === undefined) {
      const at = this.nowIn(conversation)
      this.pending.moves[kind].set(participant, { conversation, userId, kind, seq, at, before: before > floor ? before : null })
    } else {
      moved.seq = seq
    }
    this.changeParticipant(participant, { deliveredSeq: Math.max(deliveredSeq, seq), readSeq: kind === 'read' ? seq : readSeq })
  }

  removeParticipant (participant: ParticipantRow): void {
    this.pending.count++
    const { conversation, userId } = participant
    const own = this.map.ownStates.get(keyOf(conversation.id, userId))
    if (own !== undefined) this.pending.changedOwnStates.delete(own)
    this.map.removeParticipant(participant)
    this.pending.changedParticipants.delete(participant)
    if (!this.pending.newParticipants.delete(participant)) this.pending.removedParticipants.add(participant)
    if (saysSomething(participant)) this.pending.leavers.push(participant)
    conversation.participantCount--
    this.pending.countConversation(userId, -1)
    this.pending.touched.add(conversation)
  }

  /** Changes a user's own state. `counts`: the user sees it, so that their other devices have to know. */
  changeOwnState (own: OwnStateRow, change: Partial<OwnStateRow>, counts: boolean): void {
    this.pending.count++
    Object.assign(own, change)
    this.pending.changedOwnStates.add(own)
    if (counts) this.pending.countStateChange(own.userId)
  }

  /** Counts a change of a user's private state. @returns the new number of changes */
  moveUserVersion (userId: string): number {
    this.pending.count++
    this.pending.countStateChange(userId)
    return this.userVersion(userId)
  }

  /** Sets the unread counts of a user in this state, when everything is written. */
  countUnread (own: OwnStateRow, into: Unread): void {
    const of = countingOf(own)
    if (of !== undefined) this.pending.uncounted.push({ of, into })
  }

  setGroupsMade (userId: string, groupsMade: number, groupsUntil: number): void {
    this.pending.groupsMade.set(userId, { conversations: 0, groupsMade, groupsUntil })
  }

  /** Adds a message with the next number of the conversation and of the sender. */
  addMessage (sender: ParticipantRow, sent: SentMessage): MessageRow {
    this.pending.count++
    const { conversation } = sender
    conversation.messageSeq++
    sender.senderSeq++
    const message: MessageRow = Object.assign({
      // Field by field: a spread of so many takes 9 µs.
      id: sent.id,
      clientId: sent.clientId,
      text: sent.text,
      type: sent.type,
      metadata: sent.metadata,
      replyTo: sent.replyTo,
      mentions: sent.mentions,
      mentionsAll: sent.mentionsAll,
      contentHash: sent.contentHash,
      attachments: sent.attachments,
      conversation,
      seq: conversation.messageSeq,
      senderId: sender.userId,
      senderSeq: sender.senderSeq,
      createdAt: this.nowIn(conversation)
    } satisfies NewMessage, BLANK_MESSAGE)
    this.pending.newMessages.push(message)
    this.map.placeMessage(message)
    return message
  }

  changeMessage (message: MessageRow, change: Partial<MessageRow>): void {
    this.pending.count++
    Object.assign(message, change)
    this.pending.changedMessages.add(message)
  }

  /** Inserts a row of a table without code of its own. Where there is one with its primary key, that stays. */
  insertRow<T extends Table<unknown>> (table: T, row: Held<T>): void {
    this.map.rows.place(table, row)
    this.pending.insertRow(table, row)
  }

  /** Changes a row that was loaded (see `rows`) or inserted, but not its primary key. */
  changeRow<T extends Table<unknown>> (table: T, row: Held<T>, change: Values<T>): void {
    this.map.rows.remove(table, row)
    Object.assign(row, change)
    this.map.rows.place(table, row)
    this.pending.changeRow(table, row)
  }

  /** Deletes the rows of a table that have these values. They need not be loaded. */
  deleteRows<T extends Table<unknown>> (table: T, values: Values<T>): void {
    this.map.rows.remove(table, values)
    this.pending.deleteRows(table, values)
  }

  /** Deletes the rows of all tables that belong to the message. */
  deleteRowsOfMessage ({ conversation, seq }: MessageRow): void {
    for (const table of TABLES_OF_MESSAGES) this.deleteRows<Table<unknown>>(table, { conversation, [table.ofMessage]: seq })
  }

  /** Gives files up that no message has any more, once the rows of this transaction are written. */
  releaseFiles (fileIds: Iterable<string>): void {
    this.pending.count++
    for (const id of fileIds) this.pending.releasedFiles.add(id)
  }

  openStream (stream: StreamRow): void {
    this.pending.count++
    this.map.placeStream(stream)
    this.pending.newStreams.add(stream)
  }

  changeStream (stream: StreamRow, change: Pick<StreamRow, 'expiresAt'>): void {
    this.pending.count++
    Object.assign(stream, change)
    if (!this.pending.newStreams.has(stream)) this.pending.changedStreams.add(stream)
  }

  closeStream (userId: string, streamId: string): void {
    this.pending.count++
    const stream = this.map.stream(userId, streamId)
    if (stream !== undefined) {
      this.map.removeStream(stream)
      this.pending.changedStreams.delete(stream)
      if (this.pending.newStreams.delete(stream)) return
    }
    this.pending.closedStreams.add(streamId)
  }

  // ---- Emissions

  /**
   * Writes a durable event to the conversation's log, and tells it once committed. `about` is what the log keeps of it:
   * the user who did it or whom it is about, who did it then, the message it points at, a status, role or emoji; `at` is when, and an event with
   * `isActivity` moves the conversation to the top of the list.
   */
  log<T extends DurableEventType> (
    conversation: ConversationRow,
    type: T,
    dataOf: (eventSeq: number) => DurableEvents[T],
    about: About,
    routing: Pick<Routing, 'except' | 'grows' | 'joins' | 'leaves'> = {}
  ): void {
    this.pending.count++
    conversation.eventSeq++
    const createdAt = about.at
    conversation.loggedAt = Math.max(conversation.loggedAt, createdAt)
    if (about.isActivity) {
      conversation.updatedAt = createdAt
      this.pending.active.add(conversation)
    }
    this.pending.touched.add(conversation)
    const seq = conversation.eventSeq
    const emission = emissionOf<DurableEvents, T>(type, dataOf(seq), { topics: [conversation.id], seq, ...routing })
    this.pending.emissions.push(emission)
    const { userId, messageSeq = null, detail = null, byUserId = null } = about
    const afterSeq = about.isChange ? conversation.messageSeq : null
    this.pending.events.push({ row: { conversation, seq, type, userId, messageSeq, detail, byUserId, afterSeq, createdAt }, emission })
  }

  /** Emits the last event of a conversation that is deleted: streams of it end, streams of all conversations go on without it. */
  tellEnd<T extends keyof EphemeralEvents> ({ id }: ConversationRow, type: T, data: EphemeralEvents[T]): void {
    this.pending.count++
    this.pending.emissions.push(emissionOf<ChatEvents, keyof EphemeralEvents>(type, data, { topics: [id], ends: true }))
  }

  /** Emits an ephemeral event to those streams of one user that follow a conversation; null: to all of them. */
  tellOwn<T extends keyof EphemeralEvents> (userId: string, conversationId: string | null, type: T, data: EphemeralEvents[T]): void {
    this.pending.count++
    this.pending.emissions.push(emissionOf<ChatEvents, keyof EphemeralEvents>(type, data, {
      topics: [], users: [userId], ...(conversationId === null ? {} : { within: conversationId })
    }))
  }

  /** Emits an ephemeral event to a conversation. `grows`: the event tells of the growth of this. */
  tell<T extends keyof EphemeralEvents> (conversation: ConversationRow, type: T, data: EphemeralEvents[T], except: string, grows?: string): void {
    this.pending.count++
    const routing = { topics: [conversation.id], except, after: conversation.eventSeq, ...(grows === undefined ? {} : { grows }) }
    this.pending.emissions.push(emissionOf<ChatEvents, keyof EphemeralEvents>(type, data, routing))
  }

  /**
   * Tells an ephemeral event about a user to everybody who shares a conversation of at most `sizeMax` participants with them,
   * and as `routing` says. `isPresence`: but not to those whom the user blocks.
   */
  tellContacts<T extends keyof EphemeralEvents> (
    userId: string, type: T, data: EphemeralEvents[T], sizeMax: number,
    { isPresence = false, ...routing }: Pick<Routing, 'except' | 'neverToThem' | 'only' | 'users'> & { isPresence?: boolean }
  ): void {
    this.pending.count++
    const topics: string[] = []
    const emission = { ...emissionOf<ChatEvents, keyof EphemeralEvents>(type, data, { topics, ...routing }), topics }
    this.pending.emissions.push(emission)
    this.pending.toContacts.push({ userId, emission, isPresence })
    this.pending.contactsMax = sizeMax
  }
}
