import type { ComponentChildren, JSX } from 'preact'
import type { Mention } from '../../client/index.js'
import type { linksOf } from './links.js'
import type { Piece } from './markup.js'
import { loadable } from './on-demand.js'

/** One to three emoji, as people write them. Browsers that do not know the class show all at the usual size. */
const onlyEmoji = (() => {
  try {
    // eslint-disable-next-line prefer-regex-literals -- A literal would be an error of the whole file.
    return new RegExp(String.raw`^(?:\p{RGI_Emoji}\s*){1,3}$`, 'v')
  } catch {
    return /^(?!)/
  }
})()

// Most texts have a letter, and need not be compared with all emoji there are.
export const isEmoji = (text: string): boolean => text.length <= 90 && !/\p{L}/u.test(text) && onlyEmoji.test(text)

const rightToLeft = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u

/** The direction of a text, which is that of its first letter. */
export const directionOf = (text: string): 'ltr' | 'rtl' => rightToLeft.test(/\p{L}/u.exec(text)?.[0] ?? '') ? 'rtl' : 'ltr'

// Both are loaded for the first text that needs them: most have neither.
const useMarkup = loadable(async () => await import('./markup.js'))
const useLinks = loadable(async () => (await import('./links.js')).linksOf)
const mayHoldMarkup = (text: string) => /[*_`~]/.test(text)
const mayHoldLinks = (text: string) => /:\/\/|www\.|mailto:|@/i.test(text)

/** A text without its markup, for one line of it. As it was written until the parser is there. */
export function useUnmarked (text: string): string {
  const marked = mayHoldMarkup(text)
  const markup = useMarkup(marked)
  return marked && markup != null ? markup.textOf(markup.parse(text)) : text
}

/** The same where nothing is drawn. */
export async function unmarked (text: string): Promise<string> {
  if (!mayHoldMarkup(text)) return text
  const markup = await import('./markup.js').catch(() => null)
  return markup === null ? text : markup.textOf(markup.parse(text))
}

/** A text with links for its addresses. They are no stops of the Tab key, of which a log would have hundreds: the menu of a message has them, too. */
function linked (text: string, links: typeof linksOf | null): ComponentChildren[] {
  return links === null
    ? [text]
    : links(text).map((piece, index) => typeof piece === 'string'
      ? piece
      : <a key={index} href={piece.url} target='_blank' rel='noopener noreferrer' tabIndex={-1}>{piece.shown}</a>)
}

function show (pieces: readonly Piece[], links: typeof linksOf | null): ComponentChildren[] {
  return pieces.map((piece) => {
    if (typeof piece === 'string') return linked(piece, links)
    const { tag: Tag, children, text } = piece
    return Tag === 'pre' ? <pre tabIndex={0}><code>{text}</code></pre> : Tag === 'code' ? <code>{text}</code> : <Tag>{show(children, links)}</Tag>
  })
}

/** A text with links, mentions and simple markup. It is never parsed as HTML: every part becomes an element or a text node. */
export function RichText ({ text, mentions = [], me }: { text: string, mentions?: readonly Mention[], me?: string }): JSX.Element {
  const placed = mentions.filter(({ start }) => start !== null).sort((a, b) => a.start! - b.start!)
  const pieces: ComponentChildren[] = []
  let end = 0
  for (const { userId, displayName, start, length } of placed) {
    pieces.push(<Marked text={text.slice(end, start!)} />)
    pieces.push(<span class={`mention${userId === me ? ' is-me' : ''}`}>@<bdi>{displayName}</bdi></span>)
    end = start! + length!
  }
  return <>{pieces}<Marked text={text.slice(end)} /></>
}

function Marked ({ text }: { text: string }): JSX.Element {
  const marked = mayHoldMarkup(text)
  const hasLinks = mayHoldLinks(text)
  const markup = useMarkup(marked)
  const links = useLinks(hasLinks)
  const known = hasLinks ? links ?? null : null
  return <>{marked && markup != null ? show(markup.parse(text), known) : linked(text, known)}</>
}
