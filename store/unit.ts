import { emissionOf, type Routing } from '../hub/emission.js'
import type { Role } from '../schemas/conversations.js'
import type { ChatEvents, DurableEventType, DurableEvents, EphemeralEvents } from '../schemas/events.js'
import { keyOf } from './identity-map.js'
import { saysSomething } from './marks.js'
import type { ConversationRow, MessageRow, ParticipantRow, ReactionRow, StreamRow, UserRow } from './rows.js'
import * as tables from './tables.js'
import { UnitView } from './unit-view.js'

export type * from './rows.js'

/** What a message is sent with. */
export type SentMessage =
  Pick<MessageRow, 'id' | 'clientId' | 'text' | 'type' | 'metadata' | 'replyTo' | 'mentions' | 'mentionsAll' | 'contentHash'>

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

  /** Deletes a conversation with all that belongs to it. What this transaction has told of it so far is not told. */
  deleteConversation (conversation: ConversationRow, userIds: readonly string[]): void {
    this.pending.count++
    for (const userId of userIds) {
      this.pending.countConversation(userId, -1)
      this.pending.changedStates.add(userId)
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

  removeParticipant (participant: ParticipantRow): void {
    this.pending.count++
    const { conversation, userId } = participant
    this.map.removeParticipant(participant)
    this.pending.changedParticipants.delete(participant)
    if (!this.pending.newParticipants.delete(participant)) this.pending.removedParticipants.add(participant)
    if (saysSomething(participant)) this.pending.leavers.push(participant)
    conversation.participantCount--
    this.pending.countConversation(userId, -1)
    this.pending.touched.add(conversation)
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
    this.pending.newMessages.push(message)
    this.map.placeMessage(message)
    return message
  }

  changeMessage (message: MessageRow, change: Partial<MessageRow>): void {
    this.pending.count++
    Object.assign(message, change)
    this.pending.changedMessages.add(message)
  }

  /** Sets who is counted as mentioned: an empty id stands for everybody. */
  setMentions (message: MessageRow, userIds: Iterable<string>): void {
    const { conversation, seq } = message
    if (!this.pending.newMessages.includes(message)) this.pending.deleteRows(tables.mentions, { conversation, seq })
    for (const userId of userIds) this.pending.insertRow(tables.mentions, { conversation, userId, seq })
  }

  /** Sets the user's reaction to a message with an emoji, or takes it back. */
  setReaction ({ id, conversation, seq: messageSeq }: MessageRow, userId: string, emoji: string, reacted: boolean): void {
    const row: ReactionRow = { conversation, messageSeq, userId, emoji, createdAt: this.nowIn(conversation) }
    const own = this.map.ownReactions.get(keyOf(id, userId))
    if (reacted) {
      own?.set(emoji, row)
      this.pending.insertRow(tables.reactions, row)
    } else {
      own?.delete(emoji)
      this.pending.deleteRows(tables.reactions, { conversation, messageSeq, userId, emoji })
    }
  }

  /** Takes all reactions to a message back. */
  clearReactions ({ conversation, seq: messageSeq }: MessageRow): void {
    this.pending.deleteRows(tables.reactions, { conversation, messageSeq })
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
    about: { userId: string, messageSeq?: number, detail?: string, byUserId?: string | null, at: number, isActivity: boolean, isChange: boolean },
    routing: Pick<Routing, 'except' | 'joins' | 'leaves'> = {}
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

  /** Emits an ephemeral event to a conversation. */
  tell<T extends keyof EphemeralEvents> (conversation: ConversationRow, type: T, data: EphemeralEvents[T], except: string): void {
    this.pending.count++
    const routing = { topics: [conversation.id], except, after: conversation.eventSeq }
    this.pending.emissions.push(emissionOf<ChatEvents, keyof EphemeralEvents>(type, data, routing))
  }

  /**
   * Tells an ephemeral event about a user to everybody who shares a conversation of at most `sizeMax` participants with them,
   * and as `routing` says.
   */
  tellContacts<T extends keyof EphemeralEvents> (
    userId: string, type: T, data: EphemeralEvents[T], sizeMax: number, routing: Pick<Routing, 'except' | 'neverToThem' | 'users'>
  ): void {
    this.pending.count++
    const topics: string[] = []
    const emission = { ...emissionOf<ChatEvents, keyof EphemeralEvents>(type, data, { topics, ...routing }), topics }
    this.pending.emissions.push(emission)
    this.pending.toContacts.push({ userId, emission })
    this.pending.contactsMax = sizeMax
  }
}
