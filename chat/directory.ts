import { chatError } from '../errors.js'
import type { DirectoryQuery, Profile, UserListQuery, UserPage } from '../schemas/users.js'
import type { Counters } from '../store/counters.js'
import type { Named, NamePlace, Queries } from '../store/queries.js'
import { userTerms } from '../store/tables.js'
import type { Unit, UserRow } from '../store/unit.js'
import type { Command, Writer } from '../store/writer.js'
import { decodeListCursor, encodeListCursor } from './list-cursor.js'
import { fold, hasTerms, piecesOf, termsOf, type Piece } from './words.js'
import { invalid } from './validation.js'

/** Whom a user finds by name: those who share a conversation with them, everybody, or nobody. */
export type Audience = 'contacts' | 'all' | 'off'

/** Finds users in the host's own table instead. At most `limit` users are shown. */
export type SearchUsers = (query: string, caller: { userId: string }, limit: number) =>
Promise<Array<{ userId: string, displayName: string, avatar?: string | null }>>

/** Searches of one user in a minute. */
export const SEARCHES_PER_MINUTE = 30
const MINUTE_MS = 60_000
/** Names that are looked at in one step. */
const STEP = 500
/** What a user can be found by is bounded: this many beginnings, each of this many characters. */
export const TERMS_MAX = 64
const TERM_LENGTH = 32
/** Ids are found by their own beginning. No word has this character. */
const ID_MARK = '#'

export interface DirectoryOptions {
  queries: Queries
  counters: Counters
  audience: Audience
  searchUsers: SearchUsers | undefined
}

/** Users by name: by the beginning of a word of the name, or of the id. */
export class Directory {
  readonly #options: DirectoryOptions

  constructor (options: DirectoryOptions) {
    this.#options = options
  }

  /** @throws FEATURE_OFF */
  assertOn (): void {
    if (this.#options.audience === 'off') throw chatError('FEATURE_OFF')
  }

  /** Counts a search. @throws TOO_MANY_REQUESTS */
  async admit (userId: string): Promise<void> {
    const { count, leftMs } = await this.#options.counters.add(`directory:${userId}`, MINUTE_MS)
    if (count > SEARCHES_PER_MINUTE) throw chatError('TOO_MANY_REQUESTS', { retryAfter: Math.max(1, Math.ceil(leftMs / 1000)) })
  }

  /** @throws FEATURE_OFF, INVALID_CURSOR; VALIDATION_FAILED for a query without a word character */
  async search (callerId: string, { query: typed, limit = 20, cursor }: DirectoryQuery): Promise<UserPage> {
    const { searchUsers } = this.#options
    this.assertOn()
    const query = typed.trim()
    const terms = termsOf(query)
    if (terms.length === 0) throw invalid('query must have a letter or a digit')
    const list = listOf(callerId, query)
    const behind = decodeListCursor(list, cursor)
    if (searchUsers !== undefined) return { users: await this.#searchHost(searchUsers, callerId, query, limit), nextCursor: null }
    const { audience, queries } = this.#options
    const step = audience === 'all'
      ? byTerm(queries, callerId, query, terms)
      : async (from: NamePlace | undefined) => await queries.contactsByName(callerId, from, STEP)
    return await pageOf(list, step, profile => isFoundBy(profile, query, terms), behind, limit)
  }

  /** Returns a page of users for an operator: by name those whom a query finds, or all by id. @throws INVALID_CURSOR */
  async list ({ query: typed = '', limit = 50, cursor }: UserListQuery): Promise<UserPage> {
    const { queries } = this.#options
    const query = typed.trim()
    const list = listOf('', query)
    const behind = decodeListCursor(list, cursor)
    if (query === '') return await pageOf(list, async from => await queries.usersById(from?.id, STEP), () => true, behind, limit)
    const terms = termsOf(query)
    return await pageOf(list, byTerm(queries, '', query, terms), profile => isFoundBy(profile, query, terms), behind, limit)
  }

  async #searchHost (searchUsers: SearchUsers, callerId: string, query: string, limit: number): Promise<Profile[]> {
    const found = await searchUsers(query, { userId: callerId }, limit)
    const hidden = await this.#options.queries.blockersOf(callerId, found.map(({ userId }) => userId))
    return found.filter(({ userId }) => userId !== callerId && !hidden.has(userId)).slice(0, limit)
      .map(({ userId, displayName, avatar }) => ({ userId, displayName, avatar: avatar ?? null, isBot: false }))
  }
}

const listOf = (callerId: string, query: string) => ({ name: 'directory', of: `${callerId} ${query}`, place: { name: 'text', id: 'text' } } as const)

type Step = (behind: NamePlace | undefined) => Promise<Named[]>

/** Looks at users step by step, until a page is full. */
async function pageOf (
  list: ReturnType<typeof listOf>, step: Step, isWanted: (profile: Profile) => boolean, from: NamePlace | undefined, limit: number
): Promise<UserPage> {
  const users: Profile[] = []
  let behind = from
  for (;;) {
    const found = await step(behind)
    for (const { profile, place } of found) {
      if (!isWanted(profile)) continue
      if (users.length === limit) return { users, nextCursor: encodeListCursor(list, behind) }
      users.push(profile)
      behind = place
    }
    if (found.length < STEP) return { users, nextCursor: null }
    behind = found.at(-1)!.place
  }
}

/** One term decides where to look, the one that fewest names have; a name is judged by all of them. */
function byTerm (queries: Queries, callerId: string, query: string, terms: readonly Piece[][]): Step {
  const longest = terms.map(term => term.reduce((a, b) => b.text.length > a.text.length ? b : a).text)
    .toSorted((a, b) => b.length - a.length).slice(0, 1)
  return async behind => await queries.usersByTerm(callerId, [...longest, `${ID_MARK}${fold(query)}`].map(cut), behind, STEP)
}

const cut = (term: string): string => Array.from(term).slice(0, TERM_LENGTH).join('')

const isFoundBy = ({ userId, displayName }: Profile, query: string, terms: readonly Piece[][]): boolean =>
  (terms.length > 0 && hasTerms(piecesOf(displayName), terms)) || fold(userId).startsWith(fold(query))

/** What a user is found by. */
function beginningsOf (userId: string, displayName: string): Set<string> {
  const beginnings = new Set([cut(`${ID_MARK}${fold(userId)}`)])
  for (const { text, isSpaceless } of piecesOf(displayName)) {
    const characters = Array.from(text)
    for (let start = 0; start < (isSpaceless ? characters.length : 1); start++) {
      if (beginnings.size === TERMS_MAX) return beginnings
      beginnings.add(characters.slice(start, start + TERM_LENGTH).join(''))
    }
  }
  return beginnings
}

/** Makes a user be found by their present name. */
export function listUser (unit: Unit, user: UserRow): void {
  const userId = user.id
  if (user.sortName !== null) unit.deleteRows(userTerms, { userId })
  for (const term of beginningsOf(userId, user.displayName)) unit.insertRow(userTerms, { term, userId })
  unit.changeUser(user, { sortName: fold(user.displayName) })
}

/** Lists users whom a version without a directory has made. */
export async function listUnlisted (queries: Queries, writer: Writer): Promise<void> {
  for (;;) {
    const userIds = await queries.unlistedUsers(STEP)
    await Promise.all(userIds.map(async userId => await writer.write(listAgain(userId))))
    if (userIds.length < STEP) return
  }
}

function listAgain (userId: string): Command<void> {
  return {
    needs (keys) {
      keys.user(userId)
    },
    apply (unit) {
      const user = unit.user(userId)
      if (user !== undefined && user.sortName === null) listUser(unit, user)
    }
  }
}
