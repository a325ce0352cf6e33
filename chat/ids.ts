import { randomFillSync } from 'node:crypto'
import { v7 } from 'uuid'

/** Random bytes for the next ids. Without this, uuid makes a system call for each id, which takes 3 µs. */
const random = Buffer.alloc(4096)
let used = random.length

/** A time-ordered UUID, version 7 (RFC 9562, 5.7): new ones go to the same page of an index. */
export const timeOrderedId = (): string => v7({ rng: randomBytes16 })

function randomBytes16 (): Uint8Array {
  if (used === random.length) {
    randomFillSync(random)
    used = 0
  }
  used += 16
  return random.subarray(used - 16, used)
}

/**
 * The id of the direct conversation of two users, in whichever order they are given: `conv_<a>_<b>`, sorted bytewise. With
 * a `_` in a user id that would be ambiguous, so the length of the first id precedes them.
 */
export function directConversationId (one: string, other: string): string {
  const [a, b] = Buffer.compare(Buffer.from(one), Buffer.from(other)) <= 0 ? [one, other] : [other, one]
  return a.includes('_') || b.includes('_') ? `direct_${a.length}_${a}_${b}` : `conv_${a}_${b}`
}
