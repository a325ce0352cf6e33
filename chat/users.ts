import { BoundedCache } from '../bounded-cache.js'
import { chatError, isChatError } from '../errors.js'
import { UserId } from '../schemas/common.js'
import { isoTime } from '../schemas/common.js'
import { shownName } from '../schemas/names.js'
import { readMetadata } from '../store/rendering.js'
import type { Queries } from '../store/queries.js'
import type { Unit, UserRow } from '../store/unit.js'
import type { Command, Writer } from '../store/writer.js'
import { elapsedMs } from '../time.js'
import { tellProfile } from './contacts.js'
import { listUser } from './directory.js'
import { callHook, type HookLimits } from './hooks/call.js'
import { resolvedUsers, type ResolveUsers } from './hooks/resolve-users.js'
import { assertValid } from './validation.js'

/** The caller, as described by the token or the host's `authenticate`. Instants are epoch milliseconds. */
export interface Caller {
  userId: string
  /** Null: the id is shown. */
  displayName: string | null
  avatar: string | null
  /** When this was true: an older profile never overwrites a newer one. Null: now, but not later than what the user has chosen. */
  issuedAt: number | null
  /** When the caller needs a new token. Null: never. */
  expiresAt: number | null
}

/** Users whose profiles are remembered. */
export const KNOWN_MAX = 50_000
/** How long a profile without a newer date is taken as saved, in milliseconds: another node may have saved another one since. */
const KNOWN_FOR_MS = 60_000

/** Saves callers as users: on the first request, even if that is refused; later requests update the profile. */
export class Users {
  readonly #queries: Queries
  readonly #writer: Writer
  /** Profiles as the database had them when read or written (`at`), true as of `asOf`. */
  readonly #known = new BoundedCache<{ displayName: string, avatar: string | null, asOf: number, at: number }>(KNOWN_MAX)
  /** Other users that exist. */
  readonly #existing = new BoundedCache<true>(KNOWN_MAX)

  readonly #resolveUsers: ResolveUsers | undefined
  readonly #limits: HookLimits | undefined

  /** `resolveUsers`: looks up users whom the chat does not know. */
  constructor (queries: Queries, writer: Writer, resolveUsers?: ResolveUsers, limits?: HookLimits) {
    this.#queries = queries
    this.#writer = writer
    this.#resolveUsers = resolveUsers
    this.#limits = limits
  }

  /** Forgets everybody, because the database may have lost some users. */
  forget (): void {
    this.#known.clear()
    this.#existing.clear()
  }

  /** Saves the caller. Needs no query when nothing is new. @throws VALIDATION_FAILED */
  async ensure (told: Caller): Promise<void> {
    if (this.#isKnown(told)) return
    const caller = withShownName(told)
    if (this.#isKnown(caller)) return
    assertValid(UserId, caller.userId)
    this.#remember(caller, await this.#writer.write(ensureUser(caller)))
  }

  /** Throws if there is no such user. Needs no query for one that was seen before. @throws UNKNOWN_USER */
  async assertExists (userId: string): Promise<void> {
    if (this.#known.has(userId) || this.#existing.has(userId)) return
    if (await this.#queries.user(userId) === undefined && !await this.resolve([userId])) throw chatError('UNKNOWN_USER')
    this.#existing.set(userId, true)
  }

  /** Asks the host for those of these users whom the chat does not know. @returns whether some are known now. @throws UNAVAILABLE */
  async resolve (userIds: readonly string[]): Promise<boolean> {
    const hook = this.#resolveUsers
    if (hook === undefined || this.#limits === undefined) return false
    const known = await this.#queries.profiles(userIds)
    const unknown = [...new Set(userIds)].filter(id => !known.has(id))
    if (unknown.length === 0) return false
    const resolved = await callHook('hooks.resolveUsers', async () => resolvedUsers(unknown, await hook([...unknown])), this.#limits) ?? []
    await Promise.all(resolved.map(async user => { await this.ensure({ ...user, issuedAt: null, expiresAt: null }) }))
    return resolved.length > 0
  }

  /** Changes how a user is shown. @throws NOT_FOUND */
  async changeProfile (userId: string, change: ProfileChange): Promise<void> {
    this.#learn(await this.#writer.write(changeProfile(userId, change)))
  }

  /** Creates a user, or changes how the user is shown. @returns whether the user is new */
  async put (userId: string, change: ProfileChange & { displayName: string }): Promise<boolean> {
    const { user, created } = await this.#writer.write(putUser(userId, change))
    this.#learn(user)
    return created
  }

  #learn ({ id, displayName, avatar, profileAt }: UserRow): void {
    this.#known.set(id, { displayName, avatar, asOf: profileAt, at: elapsedMs() })
  }

  /** Runs a caller's command in the transaction that saves the caller. @throws VALIDATION_FAILED, and what the command throws */
  async writeAs<Result> (told: Caller, command: Command<Result>): Promise<Result> {
    const caller = withShownName(told)
    if (this.#isKnown(caller)) {
      const outcome = await this.#writer.write(ifKnown(caller.userId, command))
      if (outcome !== undefined) return outcome.result
      // Saved just before a failover, which lost it.
      this.#known.delete(caller.userId)
    }
    assertValid(UserId, caller.userId)
    const { user, settle } = await this.#writer.write(asCaller(caller, command))
    this.#remember(caller, user)
    return settle()
  }

  #isKnown ({ userId, displayName, avatar, issuedAt }: Caller): boolean {
    const known = this.#known.get(userId)
    if (known === undefined) return false
    const isSame = (displayName ?? userId) === known.displayName && avatar === known.avatar
    if (issuedSince(known.asOf, issuedAt) < known.asOf) return true
    return isSame && (issuedAt === known.asOf || elapsedMs() < known.at + KNOWN_FOR_MS)
  }

  #remember ({ issuedAt }: Caller, { id, displayName, avatar, profileAt }: UserRow): void {
    this.#known.set(id, { displayName, avatar, asOf: Math.max(issuedAt ?? 0, profileAt), at: elapsedMs() })
  }
}

/**
 * When a caller was described. One without a date is taken for one of the second in which the profile was set: that replaces
 * a profile of a token, which is dated in whole seconds, but none that the user has chosen (see `changeProfile`).
 */
const issuedSince = (profileAt: number, issuedAt: number | null): number => issuedAt ?? profileAt - profileAt % 1000

/** A host may give a name in any form. */
const withShownName = (caller: Caller): Caller =>
  ({ ...caller, displayName: caller.displayName === null ? null : shownName(caller.displayName) })

/** @returns undefined if the user does not exist */
function ifKnown<Result> (userId: string, command: Command<Result>): Command<{ result: Result } | undefined> {
  return {
    needs (keys) {
      keys.user(userId)
      command.needs(keys)
    },
    apply: unit => unit.user(userId) === undefined ? undefined : { result: command.apply(unit) }
  }
}

/** Saves the caller even if the command is refused. */
function asCaller<Result> (caller: Caller, command: Command<Result>): Command<{ user: UserRow, settle: () => Result }> {
  const ensure = ensureUser(caller)
  return {
    needs (keys) {
      ensure.needs(keys)
      command.needs(keys)
    },
    apply (unit) {
      const user = ensure.apply(unit)
      const before = unit.changes
      try {
        const result = command.apply(unit)
        return { user, settle: () => result }
      } catch (refusal) {
        if (!isChatError(refusal) || unit.changes > before) throw refusal
        return { user, settle: () => { throw refusal } }
      }
    }
  }
}

/** Creates the user, or updates name and avatar. */
export function ensureUser (caller: Caller): Command<UserRow> {
  const { userId, displayName, avatar, issuedAt } = caller
  return {
    needs (keys) {
      keys.user(userId)
    },
    apply (unit) {
      const user = unit.user(userId)
      if (user === undefined) return addUser(unit, userId, displayName ?? userId, avatar, null, issuedAt ?? 0)
      const name = displayName ?? userId
      const issued = issuedSince(user.profileAt, issuedAt)
      const isNewName = name !== user.displayName
      const isNews = isNewName || avatar !== user.avatar
      if (issued > user.profileAt || (issued === user.profileAt && isNews)) {
        unit.changeUser(user, { displayName: name, avatar, profileAt: issued })
        if (isNews) tellChanged(unit, user)
        if (isNewName) listUser(unit, user)
      }
      return user
    }
  }
}

export interface ProfileChange {
  displayName?: string | undefined
  avatar?: string | null | undefined
  /** JSON text (see metadata.ts). */
  metadata?: string | null | undefined
  isBot?: boolean | undefined
}

/** Changes how a user is shown. Tokens issued up to the second of the change do not overwrite that. */
export function changeProfile (userId: string, { displayName, avatar, metadata, isBot }: ProfileChange): Command<UserRow> {
  return {
    needs (keys) {
      keys.user(userId)
    },
    apply (unit) {
      const user = unit.user(userId)
      if (user === undefined) throw chatError('NOT_FOUND')
      const change: Partial<UserRow> = {}
      const name = displayName === undefined ? user.displayName : shownName(displayName) ?? userId
      if (name !== user.displayName) change.displayName = name
      if (avatar !== undefined && avatar !== user.avatar) change.avatar = avatar
      if (metadata !== undefined && metadata !== user.metadata) change.metadata = metadata
      if (isBot !== undefined && isBot !== user.isBot) change.isBot = isBot
      if (displayName !== undefined || avatar !== undefined) change.profileAt = Math.max(secondOf(unit), user.profileAt) + 1
      if (Object.keys(change).length === 0) return user
      unit.changeUser(user, change)
      if (change.displayName !== undefined) listUser(unit, user)
      if (Object.keys(change).some(field => !['profileAt', 'isBot'].includes(field))) tellChanged(unit, user)
      return user
    }
  }
}

/** Creates a user, or changes how the user is shown. Tokens issued up to this second do not overwrite that. */
export function putUser (userId: string, change: ProfileChange & { displayName: string }): Command<{ user: UserRow, created: boolean }> {
  const changes = changeProfile(userId, change)
  return {
    needs (keys) {
      keys.user(userId)
    },
    apply (unit) {
      const created = unit.user(userId) === undefined
      if (created) {
        const user = addUser(unit, userId, shownName(change.displayName) ?? userId, change.avatar ?? null, null, secondOf(unit) + 1)
        unit.changeUser(user, { metadata: change.metadata ?? null, isBot: change.isBot ?? false })
        return { user, created }
      }
      return { user: changes.apply(unit), created }
    }
  }
}

function tellChanged (unit: Unit, { id: userId, displayName, avatar, metadata }: UserRow): void {
  tellProfile(unit, { userId, displayName, avatar, metadata: readMetadata(metadata), timestamp: isoTime(unit.now) })
}

/** In whole seconds, as a token's `iat` is. */
const secondOf = ({ now, ticks }: Unit): number => Math.floor(Math.min(now, ticks) / 1000) * 1000

/** Creates a user with a password. @throws USER_EXISTS, also when the user was created by a token */
export function registerUser (userId: string, displayName: string, passwordHash: string): Command<UserRow> {
  return {
    needs (keys) {
      keys.user(userId)
    },
    apply (unit) {
      if (unit.user(userId) !== undefined) throw chatError('USER_EXISTS')
      // So the first token is not older than the name.
      return addUser(unit, userId, shownName(displayName) ?? userId, null, passwordHash, secondOf(unit))
    }
  }
}

function addUser (unit: Unit, id: string, displayName: string, avatar: string | null, passwordHash: string | null, profileAt: number): UserRow {
  const user: UserRow = {
    id,
    displayName,
    avatar,
    passwordHash,
    profileAt,
    createdAt: unit.now,
    isOnline: false,
    isHidden: false,
    onlineUntil: null,
    lastSeen: null,
    metadata: null,
    isBot: false,
    stateVersion: 0,
    sortName: null
  }
  unit.addUser(user)
  listUser(unit, user)
  return user
}
