import { randomBytes } from 'node:crypto'
import { loadPackage } from '../packages.js'

/** OWASP's recommendation for Argon2id: 19 MiB, two passes, one lane. Argon2id is the package's default. */
const HASHING = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const

type Argon2 = typeof import('@node-rs/argon2')

/** Hashes and verifies passwords in normal form NFKC: two keyboards may produce different code points for the same password. */
export class Passwords {
  #argon2: Argon2 | undefined

  /** Loads the hash function. @throws {PackageError} when it is not installed */
  async load (): Promise<Argon2> {
    this.#argon2 ??= await loadPackage('@node-rs/argon2', 'The option accounts (ACCOUNTS)', async () => await import('@node-rs/argon2'))
    return this.#argon2
  }

  /** The hash as a PHC string. */
  async hash (password: string): Promise<string> {
    return await (await this.load()).hash(password.normalize('NFKC'), HASHING)
  }

  /** Whether the password is the one that was hashed. For null (no such user) the answer is false, and takes as long. */
  async verify (hash: string | null, password: string): Promise<boolean> {
    const { verify } = await this.load()
    const normalized = password.normalize('NFKC')
    const expected = hash ?? DECOY
    const matches = await verify(expected, normalized) ||
      // Earlier versions hashed the password as it was typed.
      (normalized !== password && await verify(expected, password))
    return hash !== null && matches
  }
}

/** A PHC string that takes as long to verify as a real one. Its hash is random, so no password is known to fit. */
const DECOY = `$argon2id$v=19$m=${HASHING.memoryCost},t=${HASHING.timeCost},p=${HASHING.parallelism}$${unpadded(16)}$${unpadded(32)}`

function unpadded (bytes: number): string {
  return randomBytes(bytes).toString('base64').replaceAll('=', '')
}
