import argon2 from 'argon2'
import { chatError } from '../errors.js'
import type { LoginBody, RegisterBody, User } from '../schemas/users.js'
import type { Counters } from '../store/counters.js'
import type { Queries } from '../store/queries.js'
import type { Writer } from '../store/writer.js'
import { registerUser } from './users.js'

/** Failed logins of one id from one address in one window, before it is refused for the rest of it. */
const FAILURES_MAX = 10
const WINDOW_MS = 60_000
/** OWASP's second choice for Argon2id: 19 MiB, two passes, one lane. */
const HASHING = { type: argon2.argon2id, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const
/** Hashes at the same time: bounds the memory that a crowd of logins takes. */
const HASHERS = 4

/** Users with passwords, for a server without an identity provider. */
export class Accounts {
  readonly #queries: Queries
  readonly #writer: Writer
  readonly #counters: Counters
  readonly #turns = new Map<string, Promise<unknown>>()
  #hashing = 0
  readonly #waiting: Array<() => void> = []
  #decoy: Promise<string> | undefined

  constructor (queries: Queries, writer: Writer, counters: Counters) {
    this.#queries = queries
    this.#writer = writer
    this.#counters = counters
  }

  /** Makes a user with a password. @throws USER_EXISTS */
  async register ({ userId, password, displayName }: RegisterBody): Promise<User> {
    if (await this.#queries.user(userId) !== undefined) throw chatError('USER_EXISTS')
    const hash = await this.#hash(async () => await argon2.hash(password, HASHING))
    await this.#writer.write(registerUser(userId, displayName ?? userId, hash))
    return (await this.#queries.user(userId))!
  }

  /**
   * The user, if the password is theirs. An unknown user costs the same time and gets the same answer.
   * @throws INVALID_CREDENTIALS, TOO_MANY_FAILURES (with `retryAfter`)
   */
  async login ({ userId, password }: LoginBody, address: string): Promise<User> {
    const key = `logins:${JSON.stringify([userId, address])}`
    return await this.#inTurn(key, async () => await this.#loginAs(userId, password, key))
  }

  async #loginAs (userId: string, password: string, key: string): Promise<User> {
    await this.#refuseGuessing(key)
    const hash = await this.#queries.passwordHash(userId)
    const verified = await this.#hash(async () => await argon2.verify(hash ?? await this.#decoyHash(), password))
    if (hash === null || !verified) {
      await this.#counters.add(key, WINDOW_MS)
      throw chatError('INVALID_CREDENTIALS')
    }
    return (await this.#queries.user(userId))!
  }

  /** One id's logins from one address one after the other: many at once are no more guesses. */
  async #inTurn<T> (key: string, work: () => Promise<T>): Promise<T> {
    const result = (this.#turns.get(key) ?? Promise.resolve()).then(work)
    const turn = result.catch(() => {})
    this.#turns.set(key, turn)
    void turn.then(() => { if (this.#turns.get(key) === turn) this.#turns.delete(key) })
    return await result
  }

  async #refuseGuessing (key: string): Promise<void> {
    const failures = await this.#counters.get(key, WINDOW_MS)
    if (failures !== undefined && failures.count >= FAILURES_MAX) {
      throw chatError('TOO_MANY_FAILURES', { retryAfter: Math.max(1, Math.ceil(failures.leftMs / 1000)) })
    }
  }

  async #decoyHash (): Promise<string> {
    return await (this.#decoy ??= argon2.hash('nobody has this password', HASHING))
  }

  async #hash<T> (work: () => Promise<T>): Promise<T> {
    if (this.#hashing >= HASHERS) await new Promise<void>(resolve => this.#waiting.push(resolve))
    this.#hashing++
    try {
      return await work()
    } finally {
      this.#hashing--
      this.#waiting.shift()?.()
    }
  }
}
