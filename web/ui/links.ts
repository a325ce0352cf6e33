import { LinkifyIt } from 'linkify-it'

/** Web addresses with a scheme or `www.`, and mail addresses. A bare `readme.md` is none. */
const linkify = new LinkifyIt({ fuzzyLink: true, fuzzyEmail: true, fuzzyIP: false })

/** A part of a text: plain, or a link. */
export type LinkPiece = string | { url: string, shown: string }

/** The links of a text, and what is between them. Invisible characters end an address. */
export function linksOf (text: string): LinkPiece[] {
  const pieces: LinkPiece[] = []
  for (const part of text.split(/(\p{Cf}+)/u)) {
    let end = 0
    for (const { index, lastIndex, schema, url, text: shown } of linkify.match(part) ?? []) {
      if (schema === '//' || schema === 'ftp:' || (schema === '' && !/^www\./i.test(shown))) continue
      pieces.push(part.slice(end, index), { url, shown })
      end = lastIndex
    }
    pieces.push(part.slice(end))
  }
  return pieces
}
