import { chatError } from '../../errors.js'

/** What a new file is made of: bytes, a piece of the old file (`end` not included), or this many zeros. */
export type Part = Buffer | { start: number, end: number } | { zeros: number }

/** What was found out about an image on the way. */
export interface Picture {
  /** How it has to be turned (see exif.ts). */
  orientation: number
  /** In pixels, before it is turned. Undefined: the beginning of the file says it. */
  dimensions?: { width: number, height: number } | undefined
}

/** Maximum number of parts. A picture has some ten; a file that is made of crumbs is none. */
const PARTS_MAX = 1000

/** Which parts of an image stay. */
export class Plan {
  readonly parts: Part[] = []

  /** Keeps bytes of the old file. */
  keep (start: number, end: number): void {
    const last = this.parts.at(-1)
    if (last !== undefined && 'end' in last && last.end === start) last.end = end
    else if (end > start) this.#push({ start, end })
  }

  add (part: Buffer | { zeros: number }): void {
    this.#push(part)
  }

  /** Length of the new file. */
  get size (): number {
    return this.parts.reduce((size, part) => size + lengthOf(part), 0)
  }

  #push (part: Part): void {
    if (this.parts.length === PARTS_MAX) throw chatError('FILE_INVALID')
    this.parts.push(part)
  }
}

export const lengthOf = (part: Part): number => Buffer.isBuffer(part) ? part.length : 'zeros' in part ? part.zeros : part.end - part.start
