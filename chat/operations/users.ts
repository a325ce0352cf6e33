import type { Static } from 'typebox'
import { chatError } from '../../errors.js'
import { UserId } from '../../schemas/common.js'
import { isWebUrl } from '../../schemas/names.js'
import {
  DirectoryQuery, OnlineStatusBody, ProfileBody, type BlockAnswer, type BlockList, type OnlineStatusAnswer, type OwnProfile, type UserPage,
  type UserProfile
} from '../../schemas/users.js'
import { setBlocked } from '../blocks.js'
import { metadataText } from '../metadata.js'
import { assertPossible, assertValid, invalid } from '../validation.js'
import { found, Operations } from './operations.js'

/** Operations on users. */
export abstract class UserOperations extends Operations {
  /** The caller's profile, with what is unread in all their conversations. */
  async me (userId: string): Promise<OwnProfile> {
    return found(await this.parts.queries.ownProfile(userId))
  }

  /** The profile of a user who shares a conversation with the caller. Default: of the caller. */
  async user (callerId: string, userId = callerId): Promise<UserProfile> {
    assertPossible(UserId, userId)
    if (userId !== callerId && !await this.parts.queries.shareConversation(callerId, userId)) throw chatError('NOT_FOUND')
    return found(await this.parts.queries.user(userId, callerId))
  }

  /** Changes how the caller is shown. @throws FORBIDDEN where names and pictures come with tokens */
  async changeProfile (userId: string, body: ProfileBody): Promise<OwnProfile> {
    assertValid(ProfileBody, body)
    const { displayName, avatar, metadata } = body
    if (avatar != null && !isWebUrl(avatar)) throw invalid('avatar must be an http(s) URL')
    const change = { displayName, avatar, metadata: metadata === undefined ? undefined : metadataText(metadata) }
    if (!this.parts.hasAccounts && (displayName !== undefined || avatar !== undefined)) throw chatError('FORBIDDEN')
    await this.parts.users.changeProfile(userId, change)
    return await this.me(userId)
  }

  /**
   * Returns a page of users by the beginning of a word of their name, or of their id, without the caller and those who have blocked
   * the caller. @throws FEATURE_OFF, INVALID_CURSOR
   */
  async searchUsers (userId: string, query: DirectoryQuery): Promise<UserPage> {
    assertValid(DirectoryQuery, query)
    return await this.parts.directory.search(userId, query)
  }

  /** Shows the user as online, or hides them until they ask to be shown again. */
  async setOnline (userId: string, body: Static<typeof OnlineStatusBody>): Promise<OnlineStatusAnswer> {
    assertValid(OnlineStatusBody, body)
    return await this.parts.presence.set(userId, body.isOnline)
  }

  /** Blocks another user, or no longer does. */
  async block (userId: string, otherId: string, blocked: boolean): Promise<BlockAnswer> {
    assertPossible(UserId, otherId)
    return await this.parts.gate.writeUnasked(setBlocked(userId, otherId, blocked, this.parts.presence.news), [otherId])
  }

  /** Whom the user blocks, newest block first. */
  async blocks (userId: string): Promise<BlockList> {
    return { users: await this.parts.queries.blocked(userId) }
  }
}
