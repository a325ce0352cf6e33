import { availableParallelism } from 'node:os'
import { chatError } from '../errors.js'
import { LoginBody, RegisterBody, type User } from '../schemas/users.js'
import type { Counters } from '../store/counters.js'
import type { Queries } from '../store/queries.js'
import type { Writer } from '../store/writer.js'
import { countedAddress } from './address.js'
import { FairQueue } from './fair-queue.js'
import { Guesses } from './guesses.js'
import { Passwords } from './passwords.js'
import { registerUser } from './users.js'
import { assertValid } from './validation.js'

/**
 * Hashes at the same time. They leave threads of libuv's pool (whose size it takes from this variable) to the others, and a
 * core to the event loop.
 */
const THREADS = Number(process.env.UV_THREADPOOL_SIZE) || 4
const HASHERS = Math.max(1, Math.min(2, THREADS - 2, availableParallelism() - 1))
/** Logins and registrations that may wait: a few seconds of hashing. */
export const LOGINS_MAX = 256
/** What the others are told to wait, in seconds. */
const RETRY_AFTER_S = 5

/** Who asks. */
export interface Applicant {
  /** The address that the call came from. */
  address: string
  /** Aborted when the caller has gone. */
  signal?: AbortSignal
}

const IN_PROCESS: Applicant = { address: 'in process' }

/** Users with passwords, for a server without an identity provider. */
export class Accounts {
  readonly #queries: Queries
  readonly #writer: Writer
  readonly #guesses: Guesses
  readonly #passwords = new Passwords()
  readonly #queue = new FairQueue({ workers: HASHERS, capacity: LOGINS_MAX, retryAfter: RETRY_AFTER_S })

  constructor (queries: Queries, writer: Writer, counters: Counters) {
    this.#queries = queries
    this.#writer = writer
    this.#guesses = new Guesses(counters)
  }

  /** Loads what only accounts need. @throws {PackageError} when it is absent */
  async load (): Promise<void> {
    await this.#passwords.load()
  }

  /** Makes a user with a password. @throws USER_EXISTS, UNAVAILABLE (too many wait), VALIDATION_FAILED */
  async register (body: RegisterBody, { address, signal }: Applicant = IN_PROCESS): Promise<User> {
    assertValid(RegisterBody, body)
    const { userId, password, displayName } = body
    return await this.#queue.run({ address: countedAddress(address), signal }, async () => {
      if (await this.#queries.user(userId) !== undefined) throw chatError('USER_EXISTS')
      const hash = await this.#passwords.hash(password)
      await this.#writer.write(registerUser(userId, displayName ?? userId, hash))
      return (await this.#queries.user(userId))!
    })
  }

  /**
   * The user, if the password is theirs. An unknown user costs the same time and gets the same answer.
   * @throws INVALID_CREDENTIALS, TOO_MANY_FAILURES (with `retryAfter`), UNAVAILABLE (too many wait), VALIDATION_FAILED
   */
  async login (body: LoginBody, { address, signal }: Applicant = IN_PROCESS): Promise<User> {
    assertValid(LoginBody, body)
    const { userId, password } = body
    const from = countedAddress(address)
    this.#guesses.refuseLocked(userId, from)
    return await this.#queue.run({ address: from, userId, signal }, async () => {
      await this.#guesses.refuse(userId, from)
      const hash = await this.#queries.passwordHash(userId)
      if (!await this.#passwords.verify(hash, password)) {
        await this.#guesses.count(userId, from)
        throw chatError('INVALID_CREDENTIALS')
      }
      return (await this.#queries.user(userId))!
    })
  }
}
