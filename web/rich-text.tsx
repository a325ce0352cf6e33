import type { ComponentChildren, JSX } from 'preact'

/** A web address in a text, without the punctuation after it. */
const address = /https?:\/\/[^\s<>"“”]+[^\s<>"“”.,;:!?'’)\]}]/giu
const onlyEmoji = /^(?:\p{Extended_Pictographic}[\p{Emoji_Modifier}\uFE0F]*(?:\u200D\p{Extended_Pictographic}[\p{Emoji_Modifier}\uFE0F]*)*\s*){1,3}$/u

export const isEmoji = (text: string): boolean => text.length <= 40 && onlyEmoji.test(text)

/** A text with links for its web addresses. It is never parsed as HTML: every part becomes a text node. */
export function RichText ({ text }: { text: string }): JSX.Element {
  const pieces: ComponentChildren[] = []
  let end = 0
  for (const match of text.matchAll(address)) {
    pieces.push(text.slice(end, match.index))
    pieces.push(<a href={match[0]} target='_blank' rel='noopener noreferrer'>{match[0]}</a>)
    end = match.index + match[0].length
  }
  pieces.push(text.slice(end))
  return <>{pieces}</>
}
