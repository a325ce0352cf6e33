/**
 * Words of a text, as they are compared: without case, accents and compatibility forms. Scripts that are written without spaces have
 * no words: there, each character begins one.
 */

/** A run of word characters of one kind of script. */
export interface Piece {
  /** Folded (see `fold`). */
  text: string
  /** In a script that is written without spaces. */
  isSpaceless: boolean
  /** Where it begins in the folded text, in UTF-16 units. */
  start: number
}

const WORD = /[\p{L}\p{M}\p{N}_]/u
const SPACELESS = /[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Hangul}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}]/u
const SPACED_ONLY = /[\p{N}_]/u
const MARK = /\p{M}/u
const ASCII = /^[\0-\x7f]*$/

/** What a character is to a word, in bits. */
const KNOWN = 1
const IN_WORD = 2
const IS_SPACELESS = 4
/** It belongs to the character before it. */
const IS_MARK = 8

/** Of each character of the first plane that was met: asking the expressions takes fifty times as long. */
const kinds = new Uint8Array(0x10000)

function kindOf (codePoint: number): number {
  const known = kinds[codePoint]
  if (known !== undefined && known !== 0) return known
  const character = String.fromCodePoint(codePoint)
  const kind = !WORD.test(character)
    ? KNOWN
    : KNOWN | IN_WORD | (SPACELESS.test(character) && !SPACED_ONLY.test(character) ? IS_SPACELESS : 0) | (MARK.test(character) ? IS_MARK : 0)
  if (codePoint < kinds.length) kinds[codePoint] = kind
  return kind
}

/** Café and cafe are the same, и and й too. */
export const fold = (text: string): string => ASCII.test(text)
  ? text.toLowerCase()
  : text.normalize('NFKD').toLowerCase().replaceAll(/[\u0300-\u036f]/g, '').normalize('NFC')

/** The pieces of a text, in order. */
export const piecesOf = (text: string): Piece[] => piecesOfFolded(fold(text))

export function piecesOfFolded (folded: string): Piece[] {
  const pieces: Piece[] = []
  /** Where the piece begins that goes on. */
  let start = -1
  let isSpaceless = false
  for (let at = 0; at <= folded.length;) {
    const codePoint = folded.codePointAt(at) ?? 0
    const kind = kindOf(codePoint)
    const isOf: boolean = start !== -1 && (kind & IS_MARK) !== 0 ? isSpaceless : (kind & IS_SPACELESS) !== 0
    if (start !== -1 && ((kind & IN_WORD) === 0 || isOf !== isSpaceless)) {
      pieces.push({ text: folded.slice(start, at), isSpaceless, start })
      start = -1
    }
    if (start === -1 && (kind & IN_WORD) !== 0) {
      start = at
      isSpaceless = isOf
    }
    at += codePoint > 0xffff ? 2 : 1
  }
  return pieces
}

/** The terms of a query, each cut like a text. Terms without a word character are left out. */
export const termsOf = (query: string): Piece[][] =>
  query.split(/\s+/u).map(piecesOf).filter(pieces => pieces.length > 0)

/** Whether a text has each of the terms: at the beginning of a word, or anywhere in scripts without spaces. */
export const hasTerms = (text: readonly Piece[], terms: readonly Piece[][]): boolean =>
  terms.every(term => text.some((_, start) => hasTermAt(text, start, term)))

/** Whether a term begins in a piece of the text: its pieces follow each other, all but the last end a word, all but the first begin one. */
export function hasTermAt (text: readonly Piece[], start: number, term: readonly Piece[], isWhole = false): boolean {
  return term.every(({ text: wanted, isSpaceless }, index) => {
    const piece = text[start + index]
    if (piece?.isSpaceless !== isSpaceless) return false
    const isLast = index === term.length - 1
    const [begins, ends] = [index > 0 || !isSpaceless, !isLast || (isWhole && !isSpaceless)]
    if (begins) return ends ? piece.text === wanted : piece.text.startsWith(wanted)
    return ends ? piece.text.endsWith(wanted) : piece.text.includes(wanted)
  })
}
