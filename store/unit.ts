import { emissionOf, type Routing } from '../hub/emission.js'
import type { Role } from '../schemas/conversations.js'
import type { ChatEvents, DurableEventType, DurableEvents, EphemeralEvents } from '../schemas/events.js'
import type { Marks } from '../schemas/status.js'
import type { Profile } from '../schemas/users.js'
import type { Changes } from './changes.js'
import type { Resumable } from './followable.js'
import { keyOf, type IdentityMap } from './identity-map.js'
import { saysSomething } from './marks.js'
import type { Kind, Named } from './named.js'
import type { Quota } from './quotas.js'
import { profileOf, readMentions, renderMentions, renderQuote, unknownProfile, type Shown } from './rendering.js'
import type { ConversationRow, MessageRow, ParticipantRow, ReactionRow, StreamRow, UserRow } from './rows.js'
import * as tables from './tables.js'

export type * from './rows.js'

/** Instant of a transaction, in epoch milliseconds. */
export interface Moment {
  /** The instant that is shown. Within a conversation, see `Unit.nowIn`. */
  now: number
  /** By the clock of deadlines (see `SharedClock`). */
  ticks: number
}

/** What a message is sent with. */
export type SentMessage =
  Pick<MessageRow, 'id' | 'clientId' | 'text' | 'type' | 'metadata' | 'replyTo' | 'mentions' | 'mentionsAll' | 'contentHash'>

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

  /** Whether a user takes part in a conversation. */
  takesPart (conversationId: string, userId: string): boolean {
    if (!this.#named.has('crowd', conversationId)) this.#assertNamed('participant', conversationId, userId)
    return this.#map.takesPart(conversationId, userId)
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

  /** The message that a message replies to. */
  quoted ({ id, conversation, replyTo }: MessageRow): MessageRow | undefined {
    this.#assertNamed('shown', id)
    return replyTo === null ? undefined : this.#map.messageAt(conversation, replyTo)
  }

  /** What a message shows of others. A message that this command adds shows what the command named. */
  shown (message: MessageRow): Shown {
    const { conversation, replyTo, mentions } = message
    const quoted = replyTo === null ? undefined : this.#map.messageAt(conversation, replyTo)
    return {
      replyTo: quoted === undefined ? null : renderQuote(quoted, this.profileIn(conversation, quoted.senderId)),
      mentions: renderMentions(readMentions(mentions), userId => this.profileIn(conversation, userId))
    }
  }

  /** What is shown of a user in a conversation, from which they may have gone. */
  profileIn (conversation: ConversationRow, userId: string): Profile {
    const participant = this.#map.participant(conversation.id, userId)
    return participant === undefined ? this.#map.profiles.get(userId) ?? unknownProfile(userId) : profileOf(participant)
  }

  /** The user's reactions to the message, by emoji. */
  ownReactions (messageId: string, userId: string): ReadonlyMap<string, ReactionRow> {
    this.#assertNamed('ownReactions', messageId, userId)
    return this.#map.ownReactions.get(keyOf(messageId, userId)) ?? new Map()
  }

  /** When the user sent their last message, in epoch milliseconds. Known only where the conversation has settings (see `Keys.lastSent`). */
  lastSentAt (conversationId: string, userId: string): number | undefined {
    this.#assertNamed('participant', conversationId, userId)
    const fresh = this.#changes.newMessages.findLast(({ conversation, senderId }) => conversation.id === conversationId && senderId === userId)
    return fresh?.createdAt ?? this.#map.lastSentAt.get(keyOf(conversationId, userId))
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
    this.#changes.instants.set(conversation, this.now)
    this.#map.conversations.set(conversation.id, conversation)
    this.#changes.newConversations.add(conversation)
    return conversation
  }

  changeConversation (conversation: ConversationRow, change: Partial<ConversationRow>): void {
    this.#changes.count++
    Object.assign(conversation, change)
    this.#changes.changedConversations.add(conversation)
  }

  /** Deletes a conversation with all that belongs to it. What this transaction has told of it so far is not told. */
  deleteConversation (conversation: ConversationRow, userIds: readonly string[]): void {
    this.#changes.count++
    for (const userId of userIds) {
      this.#changes.countConversation(userId, -1)
      this.#changes.changedStates.add(userId)
    }
    this.#changes.forget(conversation)
    this.#changes.deletedConversations.add(conversation)
    this.#map.removeConversation(conversation)
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
      isBot: user.isBot,
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
  addMessage (sender: ParticipantRow, sent: SentMessage): MessageRow {
    this.#changes.count++
    const { conversation } = sender
    conversation.messageSeq++
    sender.senderSeq++
    const message: MessageRow = {
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
      conversation,
      seq: conversation.messageSeq,
      senderId: sender.userId,
      senderSeq: sender.senderSeq,
      createdAt: this.nowIn(conversation),
      editedAt: null,
      deletedAt: null,
      deletedBy: null,
      firstTextHash: null,
      replyCount: 0,
      reactions: null
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

  /** Sets who is counted as mentioned: an empty id stands for everybody. */
  setMentions (message: MessageRow, userIds: Iterable<string>): void {
    const { conversation, seq } = message
    if (!this.#changes.newMessages.includes(message)) this.#changes.deleteRows(tables.mentions, { conversation, seq })
    for (const userId of userIds) this.#changes.insertRow(tables.mentions, { conversation, userId, seq })
  }

  /** Sets the user's reaction to a message with an emoji, or takes it back. */
  setReaction ({ id, conversation, seq: messageSeq }: MessageRow, userId: string, emoji: string, reacted: boolean): void {
    const row: ReactionRow = { conversation, messageSeq, userId, emoji, createdAt: this.nowIn(conversation) }
    const own = this.#map.ownReactions.get(keyOf(id, userId))
    if (reacted) {
      own?.set(emoji, row)
      this.#changes.insertRow(tables.reactions, row)
    } else {
      own?.delete(emoji)
      this.#changes.deleteRows(tables.reactions, { conversation, messageSeq, userId, emoji })
    }
  }

  /** Takes all reactions to a message back. */
  clearReactions ({ conversation, seq: messageSeq }: MessageRow): void {
    this.#changes.deleteRows(tables.reactions, { conversation, messageSeq })
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
   * Writes a durable event to the conversation's log, and tells it once committed. `about` is what the log keeps of it:
   * the user who did it or whom it is about, who did it then, the message it points at, a status, role or emoji; `at` is when, and an event with
   * `isActivity` moves the conversation to the top of the list.
   */
  log<T extends DurableEventType> (
    conversation: ConversationRow,
    type: T,
    dataOf: (eventSeq: number) => DurableEvents[T],
    about: { userId: string, messageSeq?: number, detail?: string, byUserId?: string | null, at: number, isActivity: boolean, isChange: boolean },
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
    const { userId, messageSeq = null, detail = null, byUserId = null } = about
    const afterSeq = about.isChange ? conversation.messageSeq : null
    this.#changes.events.push({ row: { conversation, seq, type, userId, messageSeq, detail, byUserId, afterSeq, createdAt }, emission })
  }

  /** Emits the last event of a conversation that is deleted: streams of it end, streams of all conversations go on without it. */
  tellEnd<T extends keyof EphemeralEvents> ({ id }: ConversationRow, type: T, data: EphemeralEvents[T]): void {
    this.#changes.count++
    this.#changes.emissions.push(emissionOf<ChatEvents, keyof EphemeralEvents>(type, data, { topics: [id], ends: true }))
  }

  /** Emits an ephemeral event to a conversation. */
  tell<T extends keyof EphemeralEvents> (conversation: ConversationRow, type: T, data: EphemeralEvents[T], except: string): void {
    this.#changes.count++
    const routing = { topics: [conversation.id], except, after: conversation.eventSeq }
    this.#changes.emissions.push(emissionOf<ChatEvents, keyof EphemeralEvents>(type, data, routing))
  }

  /**
   * Tells an ephemeral event about a user to everybody who shares a conversation of at most `sizeMax` participants with them,
   * and as `routing` says.
   */
  tellContacts<T extends keyof EphemeralEvents> (
    userId: string, type: T, data: EphemeralEvents[T], sizeMax: number, routing: Pick<Routing, 'except' | 'neverToThem' | 'users'>
  ): void {
    this.#changes.count++
    const topics: string[] = []
    const emission = { ...emissionOf<ChatEvents, keyof EphemeralEvents>(type, data, { topics, ...routing }), topics }
    this.#changes.emissions.push(emission)
    this.#changes.toContacts.push({ userId, emission })
    this.#changes.contactsMax = sizeMax
  }
}
