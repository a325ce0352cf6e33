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

/** Size of libuv's thread pool, which hashing shares with file and DNS calls. */
const THREADS = Number(process.env.UV_THREADPOOL_SIZE) || 4
/** Hashes computed at the same time. Some threads of the pool stay free for other work, and one core for the event loop. */
const HASHERS = Math.max(1, Math.min(2, THREADS - 2, availableParallelism() - 1))
/** Logins and registrations that may wait for a hash: a few seconds' worth. */
export const LOGINS_MAX = 256
/** `Retry-After` of what is refused beyond that, in seconds. */
const RETRY_AFTER_S = 5

/** Who wants to register or log in. */
export interface Applicant {
  /** IP address of the caller. */
  address: string
  /** Aborted when the caller disconnects. */
  signal?: AbortSignal
}

const IN_PROCESS: Applicant = { address: 'in process' }

/** Registration and login with a password, for servers without an identity provider. */
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

  /** Loads the package for hashing, which only accounts need. @throws {PackageError} when it is not installed */
  async load (): Promise<void> {
    await this.#passwords.load()
  }

  /** Creates a user with a password. @throws USER_EXISTS, UNAVAILABLE (too many are waiting), VALIDATION_FAILED */
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
   * Returns the user if the password is correct. An unknown user takes as long and gets the same answer as a wrong password.
   * @throws INVALID_CREDENTIALS, TOO_MANY_FAILURES (with `retryAfter`), UNAVAILABLE (too many are waiting), VALIDATION_FAILED
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
