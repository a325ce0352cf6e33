/** What users call themselves and their groups: ids, which stand in URLs and are compared, and names, which are shown. */

/** Default_Ignorable_Code_Point (UAX #44) holds zero-width characters, fillers and all bidi controls. The others draw nothing either. */
const INVISIBLE = '\\p{Default_Ignorable_Code_Point}\\u2800\\ufff9-\\ufffb\\u{13430}-\\u{13455}\\u{16fe4}\\u{1d159}'
const CONTROLS = '\\u0000-\\u001f\\u007f-\\u009f\\ud800-\\udfff'

export const USER_ID_MAX = 128
/** URL parsers fold a segment `.` or `..`: nobody could address a user of that id. */
export const USER_ID_PATTERN = `^(?!\\.{1,2}$)[^${CONTROLS}]{1,${USER_ID_MAX}}$`
/** For an account, two ids must also differ to the eye. */
export const ACCOUNT_ID_PATTERN = `^(?!\\.{1,2}$)(?!\\s)[^${CONTROLS}\\u2028\\u2029${INVISIBLE}]{1,${USER_ID_MAX}}(?<!\\s)$`

const userId = new RegExp(USER_ID_PATTERN, 'u')

export const isUserId = (id: string): boolean => userId.test(id)

export const NAME_MAX = 200

const blank = new RegExp(`^[\\p{White_Space}${INVISIBLE}]*$`, 'u')
/** Line ends, other controls, lone surrogates, and what changes the direction of the text that follows. */
const unwanted = new RegExp(`[${CONTROLS}\\u2028\\u2029\\u202a-\\u202e\\u2066-\\u2069\\ufff9-\\ufffb]`, 'gu')
/** What looks like white space at an end. A joiner, a variation selector or a tag there belongs to an emoji. */
const gaps = new Set('\u00ad\u034f\u115f\u1160\u180e\u200b\u2060\u2800\u3164\uffa0')
const isGap = (character: string): boolean => character.trim() === '' || gaps.has(character)

/**
 * A display name or a title as it is kept: without line ends, controls and bidi overrides, trimmed, of 200 code points at most.
 * Null when it shows nothing.
 */
export function shownName (text: string): string | null {
  const name = trimmed(trimmed(Array.from(text.replace(unwanted, ''))).slice(0, NAME_MAX)).join('')
  return blank.test(name) ? null : name
}

/** Looks at each character once: a pattern that ends in `$` would start again at each of a long run. */
function trimmed (characters: string[]): string[] {
  const start = characters.findIndex(character => !isGap(character))
  return start === -1 ? [] : characters.slice(start, characters.findLastIndex(character => !isGap(character)) + 1)
}
