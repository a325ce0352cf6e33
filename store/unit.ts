import { emissionOf, type Routing } from '../hub/emission.js'
import type { Role } from '../schemas/conversations.js'
import type { ChatEvents, DurableEventType, DurableEvents, EphemeralEvents } from '../schemas/events.js'
import type { Marks } from '../schemas/status.js'
import type { Changes } from './changes.js'
import type { Resumable } from './followable.js'
import { keyOf, type IdentityMap } from './identity-map.js'
import { saysSomething } from './marks.js'
import type { Kind, Named } from './named.js'
import type { Quota } from './quotas.js'
import type { ConversationRow, MessageRow, ParticipantRow, StreamRow, UserRow } from './rows.js'

export type * from './rows.js'

/** Instant of a transaction, in epoch milliseconds. */
export interface Moment {
  /** The instant that is shown. Within a conversation, see `Unit.nowIn`. */
  now: number
  /** By the clock of deadlines (see `SharedClock`). */
  ticks: number
}

/**
 * A transaction as one of its commands sees it: a unit of work over an identity map. Commands read and change the rows of
 * the map, which they share; the changes of all of them are written together.
 */
export class Unit {
  readonly now: number
  readonly ticks: number
  readonly #map: IdentityMap
  readonly #changes: Changes
  readonly #named: Named

  constructor (map: IdentityMap, changes: Changes, { now, ticks }: Moment, named: Named) {
    this.#map = map
    this.#changes = changes
    this.now = now
    this.ticks = ticks
    this.#named = named
  }

  /** Number of changes in this transaction so far, emissions included. */
  get changes (): number {
    return this.#changes.count
  }

  // ---- Rows, as earlier commands of the transaction left them. Each method throws if this command did not name the row.

  conversation (id: string): ConversationRow | undefined {
    this.#assertNamed('conversation', id)
    return this.#map.conversations.get(id)
  }

  participant (conversationId: string, userId: string): ParticipantRow | undefined {
    if (!this.#named.has('crowd', conversationId)) this.#assertNamed('participant', conversationId, userId)
    return this.#map.participant(conversationId, userId)
  }

  /** All participants of the conversation. */
  participants (conversationId: string): ParticipantRow[] {
    this.#assertNamed('crowd', conversationId)
    return this.#map.participants(conversationId)
  }

  /** The conversation as it was before this transaction, if the user participated in it. */
  resumable (conversationId: string, userId: string, seq: number): Resumable | undefined {
    this.#assertNamed('resumable', conversationId, userId, seq)
    return this.#map.resumables.get(keyOf(conversationId, userId, seq))
  }

  user (id: string): UserRow | undefined {
    this.#assertNamed('user', id)
    return this.#map.users.get(id)
  }

  quota (userId: string): Quota {
    this.#assertNamed('quota', userId)
    const before = this.#map.quotas.get(userId) ?? { conversations: 0, groupsMade: 0, groupsUntil: null }
    const { groupsMade, groupsUntil } = this.#changes.groupsMade.get(userId) ?? before
    return { conversations: before.conversations + (this.#changes.moreConversations.get(userId) ?? 0), groupsMade, groupsUntil }
  }

  streamsOf (userId: string): StreamRow[] {
    this.#assertNamed('streams', userId)
    return this.#map.streamsOf(userId)
  }

  message (id: string): MessageRow | undefined {
    this.#assertNamed('message', id)
    const message = this.#map.messages.get(id)
    if (message !== undefined) this.#named.follow(id, message.conversation.id)
    return message
  }

  /** The marks of former participants of the message's conversation. */
  former ({ id, conversation }: MessageRow): Marks[] {
    this.#assertNamed('former', id)
    return [...this.#map.former.get(conversation.num) ?? [], ...this.#changes.leavers.filter(leaver => leaver.conversation === conversation)]
  }

  messageByClientId (conversationId: string, userId: string, clientId: string): MessageRow | undefined {
    this.#assertNamed('clientId', conversationId, userId, clientId)
    return this.#map.messageByClientId(conversationId, userId, clientId)
  }

  /** The last message up to a `seq` that is not the user's own. */
  lastOfOthersUpTo (conversationId: string, userId: string, seq: number): MessageRow | undefined {
    this.#assertNamed('lastOfOthers', conversationId, userId, seq)
    const fresh = this.#changes.newMessages.findLast(message =>
      message.conversation.id === conversationId && message.senderId !== userId && message.seq <= seq)
    return fresh ?? this.#map.lastOfOthers.get(keyOf(conversationId, userId, seq))
  }

  /** Without this, a command could rely on rows that are loaded only if another command of the batch named them. */
  #assertNamed (kind: Kind, ...ids: ReadonlyArray<string | number>): void {
    if (!this.#named.has(kind, ...ids)) throw new Error(`The command asks for what it did not name in needs: ${kind} ${ids.join(', ')}`)
  }

  /**
   * Instant of this transaction in a conversation, in epoch milliseconds. It is later than those of earlier transactions there,
   * whatever the clock says, so that instants are in the order of commits.
   */
  nowIn (conversation: ConversationRow): number {
    let now = this.#changes.instants.get(conversation)
    if (now === undefined) {
      now = Math.max(this.now, conversation.loggedAt + 1, conversation.updatedAt + 1)
      this.#changes.instants.set(conversation, now)
    }
    return now
  }

  // ---- Changes

  addUser (user: UserRow): void {
    this.#changes.count++
    this.#map.users.set(user.id, user)
    this.#changes.newUsers.add(user)
  }

  changeUser (user: UserRow, change: Partial<UserRow>): void {
    this.#changes.count++
    Object.assign(user, change)
    if (!this.#changes.newUsers.has(user)) this.#changes.changedUsers.add(user)
  }

  addConversation (row: Pick<ConversationRow, 'id' | 'type' | 'title' | 'createdBy'>): ConversationRow {
    this.#changes.count++
    const conversation = { ...row, num: 0, messageSeq: 0, eventSeq: 0, participantCount: 0, createdAt: this.now, updatedAt: this.now, loggedAt: 0 }
    this.#changes.instants.set(conversation, this.now)
    this.#map.conversations.set(conversation.id, conversation)
    this.#changes.newConversations.add(conversation)
    return conversation
  }

  /** All marks of the participant start at the `seq` given as `mark`. */
  addParticipant (conversation: ConversationRow, user: UserRow, role: Role, mark: number): ParticipantRow {
    this.#changes.count++
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
      senderSeq: this.#map.senderSeq(conversation.id, user.id)
    }
    this.#map.placeParticipant(participant)
    this.#changes.newParticipants.add(participant)
    conversation.participantCount++
    this.#changes.countConversation(user.id, 1)
    this.#changes.touched.add(conversation)
    return participant
  }

  changeParticipant (participant: ParticipantRow, change: Partial<ParticipantRow>): void {
    this.#changes.count++
    Object.assign(participant, change)
    if (!this.#changes.newParticipants.has(participant)) this.#changes.changedParticipants.add(participant)
  }

  removeParticipant (participant: ParticipantRow): void {
    this.#changes.count++
    const { conversation, userId } = participant
    this.#map.removeParticipant(participant)
    this.#changes.changedParticipants.delete(participant)
    if (!this.#changes.newParticipants.delete(participant)) this.#changes.removedParticipants.add(participant)
    if (saysSomething(participant)) this.#changes.leavers.push(participant)
    conversation.participantCount--
    this.#changes.countConversation(userId, -1)
    this.#changes.touched.add(conversation)
  }

  setGroupsMade (userId: string, groupsMade: number, groupsUntil: number): void {
    this.#changes.groupsMade.set(userId, { conversations: 0, groupsMade, groupsUntil })
  }

  /** Adds a message with the next number of the conversation and of the sender. */
  addMessage (sender: ParticipantRow, { id, clientId, text, type }: Pick<MessageRow, 'id' | 'clientId' | 'text' | 'type'>): MessageRow {
    this.#changes.count++
    const { conversation } = sender
    conversation.messageSeq++
    sender.senderSeq++
    const message: MessageRow = {
      id,
      conversation,
      seq: conversation.messageSeq,
      senderId: sender.userId,
      senderSeq: sender.senderSeq,
      clientId,
      text,
      type,
      createdAt: this.nowIn(conversation),
      editedAt: null,
      deletedAt: null,
      firstTextHash: null
    }
    this.#changes.newMessages.push(message)
    this.#map.placeMessage(message)
    return message
  }

  changeMessage (message: MessageRow, change: Partial<MessageRow>): void {
    this.#changes.count++
    Object.assign(message, change)
    this.#changes.changedMessages.add(message)
  }

  openStream (stream: StreamRow): void {
    this.#changes.count++
    this.#map.placeStream(stream)
    this.#changes.newStreams.add(stream)
  }

  changeStream (stream: StreamRow, change: Pick<StreamRow, 'expiresAt'>): void {
    this.#changes.count++
    Object.assign(stream, change)
    if (!this.#changes.newStreams.has(stream)) this.#changes.changedStreams.add(stream)
  }

  closeStream (userId: string, streamId: string): void {
    this.#changes.count++
    const stream = this.#map.stream(userId, streamId)
    if (stream !== undefined) {
      this.#map.removeStream(stream)
      this.#changes.changedStreams.delete(stream)
      if (this.#changes.newStreams.delete(stream)) return
    }
    this.#changes.closedStreams.add(streamId)
  }

  // ---- Emissions

  /**
   * Writes a durable event to the conversation's log, and emits it after the commit. `about` is what the log keeps: the user who
   * caused the event or whom it concerns, the message it points at, a status or role. `at` is its instant, and an event with
   * `isActivity` moves the conversation to the top of the list.
   */
  log<T extends DurableEventType> (
    conversation: ConversationRow,
    type: T,
    dataOf: (eventSeq: number) => DurableEvents[T],
    about: { userId: string, messageSeq?: number, detail?: string, at: number, isActivity: boolean },
    routing: Pick<Routing, 'except' | 'joins' | 'leaves'> = {}
  ): void {
    this.#changes.count++
    conversation.eventSeq++
    const createdAt = about.at
    conversation.loggedAt = Math.max(conversation.loggedAt, createdAt)
    if (about.isActivity) {
      conversation.updatedAt = createdAt
      this.#changes.active.add(conversation)
    }
    this.#changes.touched.add(conversation)
    const seq = conversation.eventSeq
    const emission = emissionOf<DurableEvents, T>(type, dataOf(seq), { topics: [conversation.id], seq, ...routing })
    this.#changes.emissions.push(emission)
    const row = { conversation, seq, type, userId: about.userId, messageSeq: about.messageSeq ?? null, detail: about.detail ?? null, createdAt }
    this.#changes.events.push({ row, emission })
  }

  /** Emits an ephemeral event to a conversation. */
  tell<T extends keyof EphemeralEvents> (conversation: ConversationRow, type: T, data: EphemeralEvents[T], except: string): void {
    this.#changes.count++
    const routing = { topics: [conversation.id], except, after: conversation.eventSeq }
    this.#changes.emissions.push(emissionOf<ChatEvents, keyof EphemeralEvents>(type, data, routing))
  }

  /** Emits a user's online status to everybody who shares a conversation of at most `sizeMax` participants with the user. */
  tellContacts (userId: string, data: EphemeralEvents['onlineStatus'], sizeMax: number): void {
    this.#changes.count++
    const emission = { type: 'onlineStatus' as const, data, topics: [] as string[], except: userId, neverToThem: true }
    this.#changes.emissions.push(emission)
    this.#changes.toContacts.push({ userId, emission })
    this.#changes.contactsMax = sizeMax
  }
}
