import type { Test } from 'tap'
import { Passwords } from '../chat/passwords.js'

type Argon2 = Awaited<ReturnType<Passwords['load']>>

/** Puts something between the server and the hash function until the test ends. */
function wrap (t: Test, wrapper: (argon2: Argon2) => Partial<Argon2>): void {
  const { load } = Passwords.prototype
  Passwords.prototype.load = async function () {
    const argon2 = await load.call(this)
    return { ...argon2, ...wrapper(argon2) }
  }
  t.teardown(() => { Passwords.prototype.load = load })
}

/**
 * Lets the real function hash and verify passwords at a thousandth of the cost: for tests that count logins. The cost
 * itself is tested without this, in test/routes/accounts.test.ts.
 */
export function cheapPasswords (t: Test): void {
  wrap(t, ({ hash, verify }) => ({
    hash: async password => await hash(password, { memoryCost: 64, timeCost: 1, parallelism: 1 }),
    // The hash that stands for an unknown user has the full cost.
    verify: async (hashed, password) => await verify(String(hashed).replace(/\$m=\d+,t=\d+,/, '$m=64,t=1,'), password)
  }))
}

/** The hashes with which passwords have been compared. */
export function verifiedHashes (t: Test): string[] {
  const hashes: string[] = []
  wrap(t, ({ verify }) => ({
    verify: async (hashed, password) => {
      hashes.push(String(hashed))
      return await verify(hashed, password)
    }
  }))
  return hashes
}
