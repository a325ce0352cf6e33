/** Rules for user ids, which appear in URLs and are compared, and for display names and titles, which are only shown. */

/** Default_Ignorable_Code_Point (UAX #44) contains zero-width characters, fillers and all bidi controls. The other characters are invisible, too. */
const INVISIBLE = '\\p{Default_Ignorable_Code_Point}\\u2800\\ufff9-\\ufffb\\u{13430}-\\u{13455}\\u{16fe4}\\u{1d159}'
const CONTROLS = '\\u0000-\\u001f\\u007f-\\u009f\\ud800-\\udfff'

export const USER_ID_MAX = 128
/** URL parsers remove a segment `.` or `..`, so no URL could address a user with such an id. */
export const USER_ID_PATTERN = `^(?!\\.{1,2}$)[^${CONTROLS}]{1,${USER_ID_MAX}}$`
/** For accounts: two ids must also look different. */
export const ACCOUNT_ID_PATTERN = `^(?!\\.{1,2}$)(?!\\s)[^${CONTROLS}\\u2028\\u2029${INVISIBLE}]{1,${USER_ID_MAX}}(?<!\\s)$`

const userId = new RegExp(USER_ID_PATTERN, 'u')

export const isUserId = (id: string): boolean => userId.test(id)

export const NAME_MAX = 200

const blank = new RegExp(`^[\\p{White_Space}${INVISIBLE}]*$`, 'u')
/** Line ends and other controls, lone surrogates, and characters that change the direction of the text that follows. */
const unwanted = new RegExp(`[${CONTROLS}\\u2028\\u2029\\u202a-\\u202e\\u2066-\\u2069\\ufff9-\\ufffb]`, 'gu')
/** Characters that look like white space at an end. Joiners, variation selectors and tags are left alone: they belong to an emoji. */
const gaps = new Set('\u00ad\u034f\u115f\u1160\u180e\u200b\u2060\u2800\u3164\uffa0')
const isGap = (character: string): boolean => character.trim() === '' || gaps.has(character)

/**
 * Returns a display name or a title as it is stored: without line ends, controls and bidi overrides, trimmed, at most 200 code points long.
 * Returns null if nothing visible remains.
 */
export function shownName (text: string): string | null {
  const name = trimmed(trimmed(Array.from(text.replace(unwanted, ''))).slice(0, NAME_MAX)).join('')
  return blank.test(name) ? null : name
}

/** Examines each character once. A pattern that ends in `$` would start again at every character of a long run. */
function trimmed (characters: string[]): string[] {
  const start = characters.findIndex(character => !isGap(character))
  return start === -1 ? [] : characters.slice(start, characters.findLastIndex(character => !isGap(character)) + 1)
}

/** Maximum length of an avatar's URL, in characters. */
export const URL_MAX = 2048

/** Whether a text is an http(s) URL that can be shown. */
export function isWebUrl (url: string): boolean {
  return url.length <= URL_MAX && !/[\u0000-\u001f\u007f\ud800-\udfff]/u.test(url) && /^https?:\/\//i.test(url) && URL.canParse(url)
}
