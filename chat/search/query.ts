import { fold, hasTermAt, piecesOf, piecesOfFolded, type Piece } from '../words.js'
import { invalid } from '../validation.js'

/** What a message must have: these pieces, one after the other. */
export interface Term {
  pieces: Piece[]
  /** In quotes: its last word must end, too. */
  isWhole: boolean
}

export type Highlight = [start: number, length: number]

/** Terms of one query. */
export const TERMS_MAX = 10

/** Reads a query. @throws VALIDATION_FAILED where it has no word character, or too many terms */
export function parseQuery (q: string): Term[] {
  const terms = Array.from(q.matchAll(/"([^"]*)"?|[^\s"]+/gu), ([term, quoted]): Term => ({ pieces: piecesOf(quoted ?? term), isWhole: quoted !== undefined }))
    .filter(({ pieces }) => pieces.length > 0)
  if (terms.length === 0) throw invalid('q must have a letter or a digit')
  if (terms.length > TERMS_MAX) throw invalid(`q must have at most ${TERMS_MAX} terms`)
  return terms
}

/** Whether each term is in one of the texts. */
export function hasAll (texts: readonly string[], terms: readonly Term[]): boolean {
  const cut = texts.map(piecesOf)
  return terms.every(({ pieces, isWhole }) => cut.some(text => text.some((_, index) => hasTermAt(text, index, pieces, isWhole))))
}

/** What of a text the terms match: whole characters of the text as it is, from left to right. */
export function highlightsOf (text: string, terms: readonly Term[]): Highlight[] {
  const folded = fold(text)
  const cut = piecesOfFolded(folded)
  const found: Array<[from: number, to: number]> = []
  for (const term of terms) {
    let end = 0
    for (let index = 0; index < cut.length; index++) {
      for (let match = matchAt(cut, index, term, end); match !== undefined; match = matchAt(cut, index, term, end)) {
        found.push(match);
        [, end] = match
      }
    }
  }
  if (found.length === 0) return []
  const placeOf = originOf(text, folded)
  const merged: Array<[from: number, to: number]> = []
  for (const [from, to] of found.sort(([a], [b]) => a - b)) {
    const place: [number, number] = [placeOf(from)[0], placeOf(to - 1)[1]]
    const last = merged.at(-1)
    if (last !== undefined && place[0] < last[1]) last[1] = Math.max(last[1], place[1])
    else merged.push(place)
  }
  return merged.map(([from, to]) => [from, to - from])
}

/** Where in the folded text a term matches that begins in this piece, not before `from`. */
function matchAt (cut: readonly Piece[], index: number, { pieces, isWhole }: Term, from: number): [number, number] | undefined {
  const [first, last] = [cut[index]!, cut[index + pieces.length - 1]]
  if (last === undefined || first.start + first.text.length <= from || !hasTermAt(cut, index, pieces, isWhole)) return undefined
  const wanted = pieces.at(-1)!.text
  if (pieces.length > 1) {
    const start = first.start + first.text.length - pieces[0]!.text.length
    return start < from ? undefined : [start, last.start + wanted.length]
  }
  const at = first.isSpaceless ? first.text.indexOf(wanted, Math.max(0, from - first.start)) : 0
  return at === -1 || first.start + at < from ? undefined : [first.start + at, first.start + at + wanted.length]
}

/** Characters that fold together with the one before: marks, and the vowels and final consonants of Hangul. */
const JOINS = /[\p{M}\u1160-\u11ff\ud7b0-\ud7ff\uff9e\uff9f]/u

/** For a unit of the folded text, the characters of the text that it comes from. */
function originOf (text: string, folded: string): (unit: number) => [from: number, to: number] {
  const clusters: Array<{ from: number, text: string }> = []
  let at = 0
  for (const character of text) {
    const last = clusters.at(-1)
    if (last !== undefined && JOINS.test(character)) last.text += character
    else clusters.push({ from: at, text: character })
    at += character.length
  }
  const origins: Array<[number, number]> = []
  for (const { from, text: cluster } of clusters) {
    const { length } = fold(cluster)
    for (let unit = 0; unit < length; unit++) origins.push([from, from + cluster.length])
  }
  // A text in which other characters fold together.
  if (origins.length !== folded.length) return () => [0, text.length]
  return unit => origins[unit] ?? [text.length, text.length]
}

/** Characters of a word that the index holds. What is longer is found by its beginning, and judged whole. */
const TOKEN_LENGTH = 32

const cutToken = (word: string): string => word.length <= TOKEN_LENGTH ? word : Array.from(word).slice(0, TOKEN_LENGTH).join('')

/** What the index holds of a text: words, and in scripts without spaces each character with its successor. */
export function tokensOf (texts: readonly string[]): Set<string> {
  const tokens = new Set<string>()
  for (const text of texts) {
    for (const { text: piece, isSpaceless } of piecesOf(text)) {
      if (isSpaceless) {
        const characters = Array.from(piece)
        characters.forEach((character, index) => { tokens.add(character + (characters[index + 1] ?? '')) })
      } else {
        tokens.add(cutToken(piece))
      }
    }
  }
  return tokens
}

/** What the tokens of a message that has the terms begin with. */
export function beginningsOf (terms: readonly Term[]): string[] {
  const beginnings = new Set<string>()
  for (const { text, isSpaceless } of terms.flatMap(({ pieces }) => pieces)) {
    const characters = Array.from(text)
    if (!isSpaceless) beginnings.add(cutToken(text))
    else if (characters.length === 1) beginnings.add(text)
    else for (let index = 0; index + 1 < characters.length; index++) beginnings.add(characters.slice(index, index + 2).join(''))
  }
  return [...beginnings]
}
