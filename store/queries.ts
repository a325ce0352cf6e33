import DataLoader from 'dataloader'
import type { Conversation } from '../schemas/conversations.js'
import type { OwnMessage } from '../schemas/messages.js'
import type { OwnProfile, Profile, UserProfile } from '../schemas/users.js'
import type { Database } from './database.js'
import { findAllFollowables, findFollowables, type Followable, type Tagged } from './followable.js'
import { gather } from './gather.js'
import { LogTags } from './log-tags.js'
import { findBlocked } from './reads/blocks.js'
import { findConversation, findConversations, type ListFilter, type ListPlace } from './reads/conversations.js'
import {
  findChanges,
  findChangedSince,
  findDeletedSince,
  findEvents,
  findJoinedSince,
  findSeqsAt,
  type ChangeBounds,
  type LogPage
} from './reads/log.js'
import {
  findBlockersOf,
  findContactsByName,
  findUnlistedUsers,
  findUsersById,
  findUsersByTerm,
  type Named,
  type NamePlace
} from './reads/directory.js'
import { findGrowing, findSilent, type GrowingMessage } from './reads/growing.js'
import { findMentions, type MentionPlace } from './reads/mentions.js'
import { findMessage, findMessages, findMessagesAround, findPlace, type MessagePlace, type PageBounds } from './reads/messages.js'
import { findOwnProfile } from './reads/own-profile.js'
import { findDeadNodes, findLapsedOnline, findLapsedTyping, findStreamExpiry, findTypingOf, type DeadNode, type Typist } from './reads/presence.js'
import { findReactions, type ReactionBounds } from './reads/reactions.js'
import { findReceptions, type Reception } from './reads/receipts.js'
import { findPasswordHash, findProfiles, findUser, shareConversation } from './reads/users.js'

export type { ListFilter, ListPlace } from './reads/conversations.js'
export type { LoggedEvent } from './reads/log.js'
export type { MentionPlace } from './reads/mentions.js'
export type { MessagePlace } from './reads/messages.js'
export type { Named, NamePlace } from './reads/directory.js'
export type { Reception } from './reads/receipts.js'

/** Maximum number of keys in one query. */
const BATCH_MAX = 1000
/** Maximum number of users whose conversations are looked up by one query. Each may have thousands. */
const FOLLOWERS_MAX = 16

/** All reads outside of write transactions. They see what is committed. Those of each resource are in `reads/`. */
export class Queries {
  readonly tags: LogTags
  readonly #database: Database
  #followers = 0
  readonly #access: DataLoader<[conversationId: string, userId: string], Followable | undefined>
  readonly #followed: DataLoader<[userId: string, after: number], Tagged[]>

  constructor (database: Database) {
    this.#database = database
    this.tags = new LogTags(database)
    const { read, dialect } = database
    this.#access = new DataLoader(async pairs => await findFollowables(read, dialect, pairs), { cache: false, maxBatchSize: BATCH_MAX })
    this.#followed = new DataLoader(async keys => await findAllFollowables(read, dialect, keys), {
      cache: false,
      maxBatchSize: FOLLOWERS_MAX,
      batchScheduleFn: dispatch => { void gather(() => this.#followers, BATCH_MAX).then(dispatch) }
    })
  }

  /** The conversation, if the user participates in it. */
  async access (conversationId: string, userId: string): Promise<Followable | undefined> {
    return await this.#access.load([conversationId, userId])
  }

  /**
   * All conversations of a user, ordered by number. The newest transaction is included where it is after the given position.
   * Streams that open together share a query.
   */
  async followed (userId: string, after: number): Promise<Tagged[]> {
    this.#followers++
    try {
      return await this.#followed.load([userId, after])
    } finally {
      this.#followers--
    }
  }

  /** A user as another one sees them, or, without that, as they see themselves. */
  async user (userId: string, viewerId = userId): Promise<UserProfile | undefined> {
    return await findUser(this.#database.read, userId, viewerId)
  }

  async blocked (userId: string): Promise<Profile[]> {
    return await findBlocked(this.#database.read, userId)
  }

  async contactsByName (callerId: string, behind: NamePlace | undefined, limit: number): Promise<Named[]> {
    return await findContactsByName(this.#database, callerId, behind, limit)
  }

  async usersByTerm (callerId: string, beginnings: readonly string[], behind: NamePlace | undefined, limit: number): Promise<Named[]> {
    return await findUsersByTerm(this.#database, callerId, beginnings, behind, limit)
  }

  async usersById (after: string | undefined, limit: number): Promise<Named[]> {
    return await findUsersById(this.#database.prisma, after, limit)
  }

  async blockersOf (blockedId: string, userIds: readonly string[]): Promise<Set<string>> {
    return await findBlockersOf(this.#database, blockedId, userIds)
  }

  async unlistedUsers (limit: number): Promise<string[]> {
    return await findUnlistedUsers(this.#database.prisma, limit)
  }

  async profiles (userIds: readonly string[]): Promise<Map<string, Profile>> {
    return await findProfiles(this.#database, userIds)
  }

  async ownProfile (userId: string): Promise<OwnProfile | undefined> {
    return await findOwnProfile(this.#database, userId)
  }

  async passwordHash (userId: string): Promise<string | null> {
    return await findPasswordHash(this.#database.prisma, userId)
  }

  async shareConversation (userId: string, otherId: string): Promise<boolean> {
    return await shareConversation(this.#database.read, userId, otherId)
  }

  async messages (conversation: Followable, userId: string, bounds: PageBounds): Promise<{ messages: OwnMessage[], hasMore: boolean }> {
    return await findMessages(this.#database, conversation, userId, bounds)
  }

  async messagesAround (conversation: Followable, userId: string, seq: number, limit: number): ReturnType<typeof findMessagesAround> {
    return await findMessagesAround(this.#database, conversation, userId, seq, limit)
  }

  /** A message, if the user takes part in its conversation. */
  async message (messageId: string, userId: string): Promise<OwnMessage | undefined> {
    return await findMessage(this.#database, messageId, userId)
  }

  /** Where a message stands, if the user takes part there. */
  async place (messageId: string, userId: string): Promise<MessagePlace | undefined> {
    return await findPlace(this.#database, messageId, userId)
  }

  async replies ({ num, seq, conversationId }: MessagePlace, userId: string, bounds: PageBounds): ReturnType<typeof findMessages> {
    return await findMessages(this.#database, { num, conversationId, replyTo: seq }, userId, bounds)
  }

  async reactions (of: MessagePlace, page: ReactionBounds): ReturnType<typeof findReactions> {
    return await findReactions(this.#database, of, page)
  }

  async receptions (of: MessagePlace): Promise<Reception[]> {
    return await findReceptions(this.#database, of)
  }

  async mentions (userId: string, behind: MentionPlace | undefined, limit: number): ReturnType<typeof findMentions> {
    return await findMentions(this.#database, userId, behind, limit)
  }

  async conversation (conversationId: string, userId: string): Promise<Conversation | undefined> {
    return await findConversation(this.#database, conversationId, userId)
  }

  async conversations (
    userId: string, filter: ListFilter, below: ListPlace | undefined, limit: number
  ): Promise<{ conversations: Conversation[], next: ListPlace | undefined }> {
    return await findConversations(this.#database, userId, filter, below, limit)
  }

  async seqsAt (places: ReadonlyArray<{ num: number, position: number }>): Promise<Map<number, number>> {
    return await findSeqsAt(this.#database, places)
  }

  async changedSince (position: number): Promise<Array<{ conversationId: string, eventSeq: number }>> {
    return await findChangedSince(this.#database, position)
  }

  async deletedSince (position: number): Promise<Array<{ conversationId: string, deletedAt: number }>> {
    return await findDeletedSince(this.#database, position)
  }

  async joinedSince (position: number): Promise<Array<{ conversationId: string, userId: string, seq: number }>> {
    return await findJoinedSince(this.#database, position)
  }

  async events (conversationId: string, after: number, limit: number): Promise<LogPage> {
    return await findEvents(this.#database, conversationId, after, limit)
  }

  async changes (conversation: Followable, bounds: ChangeBounds): ReturnType<typeof findChanges> {
    return await findChanges(this.#database, conversation, bounds)
  }

  async streamExpiry (streamId: string): Promise<number | null | undefined> {
    return await findStreamExpiry(this.#database.prisma, streamId)
  }

  async growing (conversationId: string): Promise<GrowingMessage[]> {
    return await findGrowing(this.#database.read, conversationId)
  }

  async silentMessages (now: number): Promise<Array<{ messageId: string, participantId: string }>> {
    return await findSilent(this.#database.read, now)
  }

  async lapsedTyping (now: number): Promise<Typist[]> {
    return await findLapsedTyping(this.#database.read, now)
  }

  async typingOf (userId: string): Promise<Typist[]> {
    return await findTypingOf(this.#database.read, userId)
  }

  async lapsedOnline (now: number): Promise<string[]> {
    return await findLapsedOnline(this.#database.prisma, now)
  }

  async deadNodes (now: number): Promise<DeadNode[]> {
    return await findDeadNodes(this.#database.prisma, now)
  }
}
