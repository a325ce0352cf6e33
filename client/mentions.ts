import type { Profile } from '../schemas/users.js'

/** The most mentions that the service accepts in one message. */
const MENTIONS_MAX = 50

/** A mention with its place in the text, as `sendMessage` and `editMessage` take it. */
export interface PlacedMention {
  userId: string
  start: number
  length: number
}

/**
 * Finds `@Display Name` of participants in a text: the longest name that fits, and not inside a word, so that neither
 * `mail@bob.example` nor `@Bobby` mentions Bob. Places are UTF-16 code units, as `String.prototype.slice` counts, and
 * include the `@`. For composers: the service itself never reads mentions from a text.
 */
export function mentionsOf (text: string, participants: Iterable<Pick<Profile, 'userId' | 'displayName'>>): PlacedMention[] {
  const people = [...participants].filter(({ displayName }) => displayName !== '').sort((a, b) => b.displayName.length - a.displayName.length)
  const { before, after } = wordEdges()
  const mentions: PlacedMention[] = []
  for (let start = text.indexOf('@'); start !== -1 && mentions.length < MENTIONS_MAX; start = text.indexOf('@', start + 1)) {
    // A character is two units long at most.
    if (before.test(text.slice(Math.max(start - 2, 0), start))) continue
    const found = people.find(({ displayName }) => {
      const end = start + 1 + displayName.length
      return text.startsWith(displayName, start + 1) && !after.test(text.slice(end, end + 2))
    })
    if (found === undefined) continue
    const length = 1 + found.displayName.length
    mentions.push({ userId: found.userId, start, length })
    start += length - 1
  }
  return mentions
}

/** Scripts that put no space between words: there, a name may stand next to any letter. Korean adds particles to names. */
const UNSPACED = ['Han', 'Hiragana', 'Katakana', 'Hangul', 'Thai', 'Lao', 'Khmer', 'Myanmar']

/** Whether a word goes on before the `@`, or after the name. */
function wordEdges (): { before: RegExp, after: RegExp } {
  let letter = `(?!${UNSPACED.map((script) => `\\p{Script=${script}}`).join('|')})[\\p{L}\\p{M}\\p{N}_]`
  try {
    void new RegExp(letter, 'u')
  } catch {
    letter = '\\w' // This engine has no Unicode properties
  }
  return { before: new RegExp(`${letter}$`, 'u'), after: new RegExp(`^${letter}`, 'u') }
}
