import { randomBytes } from 'node:crypto'
import { loadPackage } from '../packages.js'

/** OWASP's second choice for Argon2id: 19 MiB, two passes, one lane. Argon2id is the driver's default. */
const HASHING = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const

type Argon2 = typeof import('@node-rs/argon2')

/** Hashes and compares passwords after NFKC: the same password typed on two keyboards may differ in its code points. */
export class Passwords {
  #argon2: Argon2 | undefined

  /** Loads the hash function, which nothing but accounts needs. @throws {PackageError} */
  async load (): Promise<Argon2> {
    this.#argon2 ??= await loadPackage('@node-rs/argon2', 'The option accounts (ACCOUNTS)', async () => await import('@node-rs/argon2'))
    return this.#argon2
  }

  /** The hash as a PHC string. */
  async hash (password: string): Promise<string> {
    return await (await this.load()).hash(password.normalize('NFKC'), HASHING)
  }

  /** Whether the hash is of this password. Null, which nobody has, takes the same time. */
  async verify (hash: string | null, password: string): Promise<boolean> {
    const { verify } = await this.load()
    const normalized = password.normalize('NFKC')
    const expected = hash ?? DECOY
    const matches = await verify(expected, normalized) ||
      // hashes of earlier versions were made from the password as it was typed
      (normalized !== password && await verify(expected, password))
    return hash !== null && matches
  }
}

/** A PHC string that costs what a real one does. Nobody knows a password for it, since its hash is random. */
const DECOY = `$argon2id$v=19$m=${HASHING.memoryCost},t=${HASHING.timeCost},p=${HASHING.parallelism}$${unpadded(16)}$${unpadded(32)}`

function unpadded (bytes: number): string {
  return randomBytes(bytes).toString('base64').replaceAll('=', '')
}
