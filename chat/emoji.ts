import { chatError } from '../errors.js'

/** Recommended for general interchange (UTS #51, ED-27). Which emoji these are follows from the Unicode version of Node.js. */
const RECOMMENDED = '^\\p{RGI_Emoji}$'
/** The v flag in a literal would need a newer target of TypeScript. */
const recommended = new RegExp(RECOMMENDED, 'v')
const VARIATION_SELECTORS = /[\ufe0e\ufe0f]/g
/** Shown as text unless U+FE0F follows. A skin tone has the same effect. */
const shownAsText = /(?!\p{Emoji_Presentation})\p{Emoji}(?!\p{Emoji_Modifier})/gu
/** The longest recommended sequence has 15 UTF-16 units with its selectors. */
const LENGTH_MAX = 40

/**
 * Returns the canonical form of one emoji, so that all ways to write it are one: it has U+FE0F (emoji presentation) wherever
 * the fully qualified form has it (UTS #51, ED-18). Skin tones are different emoji.
 * @throws UNKNOWN_EMOJI
 */
export function canonicalEmoji (text: string): string {
  if (text.length > LENGTH_MAX) throw chatError('UNKNOWN_EMOJI')
  const bare = text.replace(VARIATION_SELECTORS, '')
  const qualified = bare.replace(shownAsText, '$&\ufe0f')
  const found = [qualified, bare].find(form => recommended.test(form))
  if (found === undefined) throw chatError('UNKNOWN_EMOJI')
  return found
}
