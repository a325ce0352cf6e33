import type { Marks } from '../schemas/status.js'
import type { Profile } from '../schemas/users.js'
import type { Changes } from './changes.js'
import type { Resumable } from './followable.js'
import { keyOf, type IdentityMap } from './identity-map.js'
import type { Kind, Named } from './named.js'
import type { OwnStateRow } from './own-states.js'
import type { Quota } from './quotas.js'
import { profileOf, readMentions, renderMentions, renderQuote, unknownProfile, type Shown } from './rendering.js'
import { nameOf, type Held, type TableApart, type Values, type ValuesWithin } from './row-sets.js'
import type { ConversationRow, MessageRow, ParticipantRow, StreamRow, UserRow } from './rows.js'
import type { Table, TableOfMessages } from './table.js'

/** Instant of a transaction, in epoch milliseconds. */
export interface Moment {
  /** The instant that is shown. Within a conversation, see `UnitView.nowIn`. */
  now: number
  /** By the clock of deadlines (see `SharedClock`). */
  ticks: number
}

/** What was loaded for a transaction, as its commands have left it so far. */
export class UnitView {
  readonly now: number
  readonly ticks: number
  protected readonly map: IdentityMap
  protected readonly pending: Changes
  readonly #named: Named

  constructor (map: IdentityMap, changes: Changes, { now, ticks }: Moment, named: Named) {
    this.map = map
    this.pending = changes
    this.now = now
    this.ticks = ticks
    this.#named = named
  }

  /** Number of changes in this transaction so far, emissions included. */
  get changes (): number {
    return this.pending.count
  }

  // ---- Rows, as earlier commands of the transaction left them. Each method throws if this command did not name the row.

  conversation (id: string): ConversationRow | undefined {
    this.#assertNamed('conversation', id)
    return this.map.conversations.get(id)
  }

  participant (conversationId: string, userId: string): ParticipantRow | undefined {
    if (!this.#named.has('crowd', conversationId)) this.#assertNamed('participant', conversationId, userId)
    return this.map.participant(conversationId, userId)
  }

  /** Whether a user takes part in a conversation. */
  takesPart (conversationId: string, userId: string): boolean {
    if (!this.#named.has('crowd', conversationId)) this.#assertNamed('participant', conversationId, userId)
    return this.map.takesPart(conversationId, userId)
  }

  /** Whether, in a direct conversation, one blocks the other. Known where the command named a participant. */
  isBlocked ({ id }: ConversationRow): boolean {
    return this.map.blocked.has(id)
  }

  /** All participants of the conversation. */
  participants (conversationId: string): ParticipantRow[] {
    this.#assertNamed('crowd', conversationId)
    return this.map.participants(conversationId)
  }

  /** The conversation as it was before this transaction, if the user participated in it. */
  resumable (conversationId: string, userId: string, seq: number): Resumable | undefined {
    this.#assertNamed('resumable', conversationId, userId, seq)
    return this.map.resumables.get(keyOf(conversationId, userId, seq))
  }

  user (id: string): UserRow | undefined {
    this.#assertNamed('user', id)
    return this.map.users.get(id)
  }

  /** The user's own state of a conversation. For readers, only if they have marked messages as unread. */
  ownState (conversationId: string, userId: string): OwnStateRow | undefined {
    this.#assertNamed('ownState', conversationId, userId)
    const own = this.map.ownStates.get(keyOf(conversationId, userId))
    if (own === undefined) return undefined
    // Other commands of this transaction may have moved these.
    own.readSeq = Math.max(own.readSeq, this.map.participant(conversationId, userId)?.readSeq ?? 0)
    own.messageSeq = Math.max(own.messageSeq, this.map.conversations.get(conversationId)?.messageSeq ?? 0)
    return own
  }

  quota (userId: string): Quota {
    this.#assertNamed('quota', userId)
    const before = this.map.quotas.get(userId) ?? { conversations: 0, groupsMade: 0, groupsUntil: null }
    const { groupsMade, groupsUntil } = this.pending.groupsMade.get(userId) ?? before
    return { conversations: before.conversations + (this.pending.moreConversations.get(userId) ?? 0), groupsMade, groupsUntil }
  }

  /** Number of changes of a user's private state. The user has to be named, or their own state. */
  userVersion (userId: string): number {
    return (this.map.users.get(userId)?.stateVersion ?? 0) + (this.pending.stateChanges.get(userId) ?? 0)
  }

  streamsOf (userId: string): StreamRow[] {
    this.#assertNamed('streams', userId)
    return this.map.streamsOf(userId)
  }

  message (id: string): MessageRow | undefined {
    this.#assertNamed('message', id)
    const message = this.map.messages.get(id)
    if (message !== undefined) this.#named.follow(id, message.conversation.id)
    return message
  }

  /** The marks of former participants of the message's conversation. */
  former ({ id, conversation }: MessageRow): Marks[] {
    this.#assertNamed('former', id)
    return [...this.map.former.get(conversation.num) ?? [], ...this.pending.leavers.filter(leaver => leaver.conversation === conversation)]
  }

  /** The message that a message replies to. */
  quoted ({ id, conversation, replyTo }: MessageRow): MessageRow | undefined {
    this.#assertNamed('shown', id)
    return replyTo === null ? undefined : this.map.messageAt(conversation, replyTo)
  }

  /** What a message shows of others. A message that this command adds shows what the command named. */
  shown (message: MessageRow): Shown {
    const { conversation, replyTo, mentions } = message
    const quoted = replyTo === null ? undefined : this.map.messageAt(conversation, replyTo)
    return {
      replyTo: quoted === undefined ? null : renderQuote(quoted, this.profileIn(conversation, quoted.senderId)),
      mentions: renderMentions(readMentions(mentions), userId => this.profileIn(conversation, userId))
    }
  }

  /** What is shown of a user in a conversation, from which they may have gone. */
  profileIn (conversation: ConversationRow, userId: string): Profile {
    const participant = this.map.participant(conversation.id, userId)
    return participant === undefined ? this.map.profiles.get(userId) ?? unknownProfile(userId) : profileOf(participant)
  }

  /** The rows of a table that have these values. */
  rows<T extends Table<unknown>> (table: TableApart<T>, values: Values<T>): ReadonlyArray<Held<T>> {
    this.#assertNamed('rows', ...nameOf(table, values))
    return this.map.rows.rows(table, values) as Array<Held<T>>
  }

  /** The rows of a table that belong to the conversation and have these values. */
  rowsOf<T extends Table<unknown>> (conversation: ConversationRow, table: T, values: ValuesWithin<T>): ReadonlyArray<Held<T>> {
    this.#assertNamed('rows', conversation.id, ...nameOf(table, values))
    return this.map.rows.rows(table, { ...values, conversation }) as Array<Held<T>>
  }

  /** The rows of a table that belong to the message and have these values. */
  rowsOfMessage<T extends TableOfMessages> ({ id, conversation, seq }: MessageRow, table: T, values: ValuesWithin<T>): ReadonlyArray<Held<T>> {
    this.#assertNamed('rows', id, ...nameOf(table, values))
    return this.map.rows.rows(table, { ...values, conversation, [table.ofMessage]: seq }) as Array<Held<T>>
  }

  /** When the user sent their last message, in epoch milliseconds. Known only where the conversation has settings (see `Keys.lastSent`). */
  lastSentAt (conversationId: string, userId: string): number | undefined {
    this.#assertNamed('participant', conversationId, userId)
    const fresh = this.pending.newMessages.findLast(({ conversation, senderId }) => conversation.id === conversationId && senderId === userId)
    return fresh?.createdAt ?? this.map.lastSentAt.get(keyOf(conversationId, userId))
  }

  messageByClientId (conversationId: string, userId: string, clientId: string): MessageRow | undefined {
    this.#assertNamed('clientId', conversationId, userId, clientId)
    return this.map.messageByClientId(conversationId, userId, clientId)
  }

  /** The last message up to a `seq` that is not the user's own. */
  lastOfOthersUpTo (conversationId: string, userId: string, seq: number): MessageRow | undefined {
    this.#assertNamed('lastOfOthers', conversationId, userId, seq)
    const fresh = this.pending.newMessages.findLast(message =>
      message.conversation.id === conversationId && message.senderId !== userId && message.seq <= seq)
    return fresh ?? this.map.lastOfOthers.get(keyOf(conversationId, userId, seq))
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
    let now = this.pending.instants.get(conversation)
    if (now === undefined) {
      now = Math.max(this.now, conversation.loggedAt + 1, conversation.updatedAt + 1)
      this.pending.instants.set(conversation, now)
    }
    return now
  }
}
