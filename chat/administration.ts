import { chatError } from '../errors.js'
import { UserId } from '../schemas/common.js'
import { isWebUrl } from '../schemas/names.js'
import { UserBody, UserListQuery, type UserPage, type UserProfile } from '../schemas/users.js'
import type { Queries } from '../store/queries.js'
import type { Directory } from './directory.js'
import { metadataText } from './metadata.js'
import type { Users } from './users.js'
import { assertPossible, assertValid, invalid } from './validation.js'

/** What operators do: they see and change all users. */
export class Administration {
  readonly #queries: Queries
  readonly #users: Users
  readonly #directory: Directory

  constructor (queries: Queries, users: Users, directory: Directory) {
    this.#queries = queries
    this.#users = users
    this.#directory = directory
  }

  /** Creates a user, or changes how the user is shown. What the body does not name stays. */
  async putUser (userId: string, body: UserBody): Promise<{ user: UserProfile, created: boolean }> {
    assertPossible(UserId, userId)
    assertValid(UserBody, body)
    const { displayName, avatar, isBot, metadata } = body
    if (avatar != null && !isWebUrl(avatar)) throw invalid('avatar must be an http(s) URL')
    const change = { displayName, avatar, isBot, metadata: metadata === undefined ? undefined : metadataText(metadata) }
    const created = await this.#users.put(userId, change)
    return { user: await this.user(userId), created }
  }

  /** @throws NOT_FOUND */
  async user (userId: string): Promise<UserProfile> {
    assertPossible(UserId, userId)
    const user = await this.#queries.user(userId)
    if (user === undefined) throw chatError('NOT_FOUND')
    return user
  }

  /** Returns a page of users: by name those whom a query finds, or all by id. @throws INVALID_CURSOR */
  async users (query: UserListQuery = {}): Promise<UserPage> {
    assertValid(UserListQuery, query)
    return await this.#directory.list(query)
  }
}
