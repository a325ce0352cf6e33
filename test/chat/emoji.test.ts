import t from 'tap'
import { canonicalEmoji } from '../../chat/emoji.js'

// All emoji that Unicode recommends, found with nothing but the properties that Node.js knows: a list that is kept in a file would be
// of one Unicode version.

const JOINER = '\u200d'
const EMOJI_STYLE = '\ufe0f'
// The v flag in a literal would need a newer target of TypeScript.
const RECOMMENDED = '^\\p{RGI_Emoji}$'
const recommended = new RegExp(RECOMMENDED, 'v')
const isRecommended = (text: string): boolean => recommended.test(text)
/** The same for what is joined. It is a tenth of the work, and millions are tried. */
const SEQUENCE = '^\\p{RGI_Emoji_ZWJ_Sequence}$'
const sequence = new RegExp(SEQUENCE, 'v')
const isSequence = (text: string): boolean => sequence.test(text)

function * codePoints (property: string): Iterable<string> {
  const pattern = new RegExp(`^\\p{${property}}$`, 'u')
  for (let code = 0; code <= 0x1ffff; code++) {
    const character = code >= 0xd800 && code < 0xe000 ? '' : String.fromCodePoint(code)
    if (pattern.test(character)) yield character
  }
}

const TONES = [...codePoints('Emoji_Modifier')]
const INDICATORS = [...codePoints('Regional_Indicator')]

/** An emoji by itself, in the form that is fully qualified within a sequence, too. */
const singles = [...codePoints('Emoji')].flatMap(emoji => [emoji, emoji + EMOJI_STYLE].filter(isRecommended))
const toned = singles.flatMap(emoji => TONES.map(tone => emoji.replace(EMOJI_STYLE, '') + tone)).filter(isRecommended)
const flags = INDICATORS.flatMap(first => INDICATORS.map(second => first + second)).filter(isRecommended)
const keycaps = [...'#*0123456789'].map(key => `${key}${EMOJI_STYLE}\u20e3`).filter(isRecommended)
const tags = ['gbeng', 'gbsct', 'gbwls'].map(region =>
  `🏴${Array.from(region, letter => String.fromCodePoint(0xe0000 + letter.charCodeAt(0))).join('')}\u{e007f}`).filter(isRecommended)

const joined = (...parts: string[]): string => parts.join(JOINER)

function sequences (): Set<string> {
  const found = new Set<string>()
  const add = (text: string): void => { if (isSequence(text)) found.add(text) }
  // What can stand behind, without skin tones: then with them there are not too many to try.
  const tails = new Set<string>()
  for (const first of singles) {
    for (const second of singles) {
      if (!isSequence(joined(first, second))) continue
      found.add(joined(first, second))
      tails.add(second)
    }
  }
  for (const first of toned) for (const second of [...tails, ...toned]) add(joined(first, second))
  for (const pair of [...found]) for (const tail of tails) add(joined(pair, tail))
  // Two people, and what links them.
  const adults = ['👨', '👩', '🧑'].flatMap(adult => [adult, ...TONES.map(tone => adult + tone)])
  for (const first of adults) {
    for (const second of adults) {
      for (const link of singles) add(joined(first, link, second))
      add(joined(first, `❤${EMOJI_STYLE}`, '💋', second))
    }
  }
  const family = ['👨', '👩', '👧', '👦', '🧑', '🧒']
  for (const one of family) {
    for (const two of family) {
      for (const three of family) {
        add(joined(one, two, three))
        for (const four of family) add(joined(one, two, three, four))
      }
    }
  }
  return found
}

const all = [...singles, ...toned, ...flags, ...keycaps, ...tags, ...sequences()]

/** Every form of an emoji: any of its selectors may be missing (minimally qualified, unqualified). */
function formsOf (emoji: string): string[] {
  const [first = '', ...rest] = emoji.split(EMOJI_STYLE)
  return rest.reduce((forms, part) => forms.flatMap(form => [form + part, form + EMOJI_STYLE + part]), [first])
}

const nameOf = (text: string): string => Array.from(text, character => character.codePointAt(0)!.toString(16)).join(' ')

t.test('every recommended emoji is found', async t => {
  t.equal(new Set(all).size, all.length)
  if (process.versions.unicode === '17.0') t.equal(all.length, 3953, 'as many as Unicode\'s test file of Emoji 17.0 has')
  else t.ok(all.length > 3600)
})

t.test('each form of each emoji is its fully qualified form', async t => {
  const wrong: string[] = []
  let forms = 0
  for (const emoji of all) {
    for (const form of formsOf(emoji)) {
      forms++
      if (canonicalEmoji(form) !== emoji) wrong.push(nameOf(form))
    }
  }
  t.strictSame(wrong, [])
  t.ok(forms > all.length + 1000, 'minimally qualified and unqualified ones, too')
})

t.test('text style is another way to write the same emoji', async t => {
  t.equal(canonicalEmoji('❤\ufe0e'), `❤${EMOJI_STYLE}`)
  t.equal(canonicalEmoji('😀\ufe0e'), '😀')
  t.equal(canonicalEmoji(`😀${EMOJI_STYLE}`), '😀')
})

t.test('skin tones are different emoji', async t => {
  t.equal(new Set(['👍', ...TONES.map(tone => `👍${tone}`)].map(canonicalEmoji)).size, 6)
  t.equal(canonicalEmoji(`☝${EMOJI_STYLE}🏽`), '☝🏽')
})

t.test('all else is refused', async t => {
  const refused = ['', ' ', '1', '#', '*', 'a', 'ä', '٣', '👍👍', '👍 ', ' 👍', 'a👍', '👍a', '1\ufe0f', '1\u20e3x', '\u20e3', '🇩', '🇩🇩🇩', '🇽🇽', '🇩🇪🇩🇪', '🇩🇪🇩',
    '🏻🏼', '👍🏻🏼', '😀🏻', '👩\u200d', '\u200d👩', '👩\u200d👩', '\u200d', '\ufe0f', '\ufe0e\ufe0f', '🏴\u{e0067}', '\ud83d', '\udc4d', '\u0000', '👍\u0000', '©®', ':+1:', '%F0%9F%91%8D',
    '👍\n', '\u{1fffe}', '❤️'.repeat(20), '👍'.repeat(10_000), '\ufe0f'.repeat(100_000)]
  const taken = refused.filter(text => {
    try {
      canonicalEmoji(text)
      return true
    } catch (error) {
      return (error as { code?: string }).code !== 'UNKNOWN_EMOJI'
    }
  })
  t.strictSame(taken.map(nameOf), [])
  t.equal(canonicalEmoji('©'), `©${EMOJI_STYLE}`, 'this one is an emoji')
})
