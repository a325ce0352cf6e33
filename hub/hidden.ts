import { hash } from 'node:crypto'

/** Characters of each user's mark. */
const LENGTH = 6

/** 36 bits of a hash: a thousand users fit into one message of any bus. */
const markOf = (userId: string): string => hash('sha256', userId, 'base64url').slice(0, LENGTH)

/** Names users from whom an event is hidden. Somebody else is named by chance once in 2^36 pairs, and then misses the event. */
export const hiddenFrom = (userIds: Iterable<string>): string => Array.from(userIds, markOf).join('')

/** Reads what `hiddenFrom` wrote. @returns whether the event is hidden from a user */
export function readHidden (hidden: string): (userId: string) => boolean {
  const marks = new Set<string>()
  for (let start = 0; start < hidden.length; start += LENGTH) marks.add(hidden.slice(start, start + LENGTH))
  return userId => marks.has(markOf(userId))
}
