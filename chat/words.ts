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

const SPACELESS = /[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Hangul}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}]/u
const RUN = /[\p{L}\p{M}\p{N}_]+/gu
const SPACED_ONLY = /[\p{N}_]/u
const MARK = /\p{M}/u

/** Café and cafe are the same, и and й too. */
export const fold = (text: string): string =>
  text.normalize('NFKD').toLowerCase().replaceAll(/[\u0300-\u036f]/g, '').normalize('NFC')

/** The pieces of a text, in order. */
export const piecesOf = (text: string): Piece[] => piecesOfFolded(fold(text))

export function piecesOfFolded (folded: string): Piece[] {
  return Array.from(folded.matchAll(RUN)).flatMap(({ 0: run, index }) => {
    if (!SPACELESS.test(run)) return [{ text: run, isSpaceless: false, start: index }]
    const pieces: Piece[] = []
    let start = index
    for (const character of run) {
      const last = pieces.at(-1)
      // A mark belongs to the character before it.
      const isSpaceless = last !== undefined && MARK.test(character) ? last.isSpaceless : SPACELESS.test(character) && !SPACED_ONLY.test(character)
      if (last?.isSpaceless === isSpaceless) last.text += character
      else pieces.push({ text: character, isSpaceless, start })
      start += character.length
    }
    return pieces
  })
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
