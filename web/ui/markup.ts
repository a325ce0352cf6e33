import { Lexer, type Token, Tokenizer } from 'marked'

/** A part of a text: plain, or within an element. `text` is the content of code, which has no parts. */
export type Piece = string | { tag: 'strong' | 'em' | 'del' | 'code' | 'pre', text: string, children: readonly Piece[] }

/** Takes bold, italic, struck and code. Everything else, such as links, images and HTML, stays as it was written. */
class Inline extends Tokenizer {
  override escape (): undefined {}
  override tag (): undefined {}
  override link (): undefined {}
  override reflink (): undefined {}
  override autolink (): undefined {}
  override url (): undefined {}
  override br (): undefined {}
}

const tags = { strong: 'strong', em: 'em', del: 'del' } as const
/** A block of code: its first line may name a language, and it may end with the text. */
const fence = /^```[\w+#.-]*\n([^]*?)(?:\n```(?:\n|$(?![^]))|$(?![^]))/m

function piecesOf (tokens: readonly Token[]): Piece[] {
  return tokens.map((token): Piece => {
    const tag = tags[token.type as keyof typeof tags] as 'strong' | undefined
    if (tag !== undefined && 'tokens' in token) return { tag, text: '', children: piecesOf(token.tokens ?? []) }
    if (token.type === 'codespan' && 'text' in token) return { tag: 'code', text: String(token.text), children: [] }
    return token.raw
  })
}

const inline = (text: string): Piece[] => text === '' ? [] : piecesOf(new Lexer({ gfm: true, tokenizer: new Inline() }).inlineTokens(text))

/** What the parts of a text say, without the markup. */
export const textOf = (pieces: readonly Piece[]): string => pieces
  .map((piece) => typeof piece === 'string' ? piece : piece.text + textOf(piece.children) + (piece.tag === 'pre' ? '\n' : '')).join('')

/** The parts of a text: blocks of code, and inline markup between them. */
export function parse (text: string): readonly Piece[] {
  const found = fence.exec(text)
  if (found === null) return inline(text)
  const { 0: { length }, 1: code = '', index } = found
  return [...inline(text.slice(0, index)), { tag: 'pre', text: code, children: [] }, ...parse(text.slice(index + length))]
}
