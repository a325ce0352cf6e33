import type { Resumable } from './followable.js'
import type { Marks } from '../schemas/status.js'
import type { OwnStateRow } from './own-states.js'
import type { Quota } from './quotas.js'
import { RowSets } from './row-sets.js'
import type { Profile } from '../schemas/users.js'
import type { ConversationRow, MessageRow, ParticipantRow, StreamRow, UserRow } from './rows.js'

/** Joins several ids into one key. None but the last can have a line break (see schemas/common.ts). */
export const keyOf = (...ids: ReadonlyArray<string | number>): string => ids.join('\n')

/** The rows of one transaction. Each row is a single object that all commands of the transaction read and change. */
export class IdentityMap {
  readonly conversations = new Map<string, ConversationRow>()
  readonly users = new Map<string, UserRow>()
  readonly messages = new Map<string, MessageRow>()
  /** By conversation, user and `seq` (see `keyOf`). */
  readonly lastOfOthers = new Map<string, MessageRow>()
  /** When a user sent their last message, by conversation and user (see `keyOf`), where that was asked for. */
  readonly lastSentAt = new Map<string, number>()
  /** Direct conversations in which one blocks the other. */
  readonly blocked = new Set<string>()
  readonly resumables = new Map<string, Resumable | undefined>()
  /** Marks of former participants, by the conversation's number. */
  former: ReadonlyMap<number, Marks[]> = new Map()
  /** By user. */
  quotas: ReadonlyMap<string, Quota> = new Map()
  /** Users whom messages quote or mention, and who need not participate. */
  readonly profiles = new Map<string, Profile>()
  /** Users who take part in conversations, by both (see `keyOf`), where only that was asked for. */
  readonly #present = new Set<string>()
  readonly rows = new RowSets()
  /** By conversation and user (see `keyOf`). */
  readonly ownStates = new Map<string, OwnStateRow>()
  readonly #participants = new Map<string, Map<string, ParticipantRow>>()
  readonly #streams = new Map<string, Map<string, StreamRow>>()
  readonly #clientIds = new Map<string, MessageRow>()
  /** Number of messages sent by users who do not participate. */
  readonly #senderSeqs = new Map<string, number>()

  /** Forgets a conversation and who participates in it. */
  removeConversation ({ id }: ConversationRow): void {
    this.conversations.delete(id)
    this.#participants.delete(id)
    for (const [key, { conversationId }] of this.ownStates) if (conversationId === id) this.ownStates.delete(key)
  }

  participant (conversationId: string, userId: string): ParticipantRow | undefined {
    return this.#participants.get(conversationId)?.get(userId)
  }

  /** A user takes part in a conversation, and this is how they are shown. */
  placePresent (conversationId: string, profile: Profile): void {
    this.#present.add(keyOf(conversationId, profile.userId))
    this.profiles.set(profile.userId, profile)
  }

  takesPart (conversationId: string, userId: string): boolean {
    return this.participant(conversationId, userId) !== undefined || this.#present.has(keyOf(conversationId, userId))
  }

  participants (conversationId: string): ParticipantRow[] {
    return [...this.#participants.get(conversationId)?.values() ?? []]
  }

  placeParticipant (participant: ParticipantRow): void {
    const { conversation: { id }, userId } = participant
    let map = this.#participants.get(id)
    if (map === undefined) this.#participants.set(id, map = new Map())
    map.set(userId, participant)
  }

  /** Keeps the number of messages sent, in case the participant comes back. */
  removeParticipant ({ conversation: { id }, userId, senderSeq }: ParticipantRow): void {
    this.#participants.get(id)?.delete(userId)
    this.#present.delete(keyOf(id, userId))
    this.ownStates.delete(keyOf(id, userId))
    this.placeSenderSeq(id, userId, senderSeq)
  }

  senderSeq (conversationId: string, userId: string): number {
    return this.#senderSeqs.get(keyOf(conversationId, userId)) ?? 0
  }

  placeSenderSeq (conversationId: string, userId: string, senderSeq: number): void {
    this.#senderSeqs.set(keyOf(conversationId, userId), senderSeq)
  }

  messageByClientId (conversationId: string, userId: string, clientId: string): MessageRow | undefined {
    return this.#clientIds.get(keyOf(conversationId, userId, clientId))
  }

  placeMessage (message: MessageRow): void {
    const { id, conversation, senderId, clientId } = message
    this.messages.set(id, message)
    if (clientId !== null) this.#clientIds.set(keyOf(conversation.id, senderId, clientId), message)
  }

  messageAt (conversation: ConversationRow, seq: number): MessageRow | undefined {
    // Only replies ask, so that other messages need no index.
    for (const message of this.messages.values()) if (message.conversation === conversation && message.seq === seq) return message
    return undefined
  }

  stream (userId: string, streamId: string): StreamRow | undefined {
    return this.#streams.get(userId)?.get(streamId)
  }

  streamsOf (userId: string): StreamRow[] {
    return [...this.#streams.get(userId)?.values() ?? []]
  }

  placeStream (stream: StreamRow): void {
    let map = this.#streams.get(stream.userId)
    if (map === undefined) this.#streams.set(stream.userId, map = new Map())
    map.set(stream.id, stream)
  }

  removeStream ({ userId, id }: StreamRow): void {
    this.#streams.get(userId)?.delete(id)
  }
}
