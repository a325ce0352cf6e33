import { extensionOf } from './names.js'
import { typeOfTracks } from './tracks.js'

/** Number of bytes from the beginning of a file that tell its type. */
export const HEAD_BYTES = 64 * 1024

const UNKNOWN = 'application/octet-stream'

/** Types of text, by extension. Nothing else tells them apart. */
const texts: Record<string, string> = {
  txt: 'text/plain',
  log: 'text/plain',
  csv: 'text/csv',
  md: 'text/markdown',
  json: 'application/json'
}

/**
 * Types that browsers show and that run nothing. All others are downloaded, SVG, HTML, XML and PDF included. `x-m4a` and `x-m4v` are MP4
 * as Apple names it, and an APNG is a PNG.
 */
const shown = [
  'image/png', 'image/apng', 'image/jpeg', 'image/gif', 'image/webp', 'image/avif',
  'video/mp4', 'video/x-m4v', 'video/webm', 'audio/mp4', 'audio/x-m4a', 'audio/webm', 'audio/mpeg', 'audio/ogg'
]

export const isShown = (type: string): boolean => shown.includes(type)

/** The type that the first bytes of a file say, without parameters. Undefined if they say none. */
export async function typeOfBytes (head: Buffer): Promise<string | undefined> {
  const { fileTypeFromBuffer } = await import('file-type')
  try {
    const type = (await fileTypeFromBuffer(head))?.mime.split(';')[0]!.trim().toLowerCase()
    return type === undefined || (type === 'audio/mpeg' && isUtf16(head)) ? undefined : typeOfTracks(type, head)
  } catch {
    return undefined // Broken files of a known type
  }
}

/** The mark of UTF-16 text. It also looks like the beginning of an MPEG frame of a kind that nothing uses. */
const isUtf16 = (head: Buffer): boolean => head[0] === 0xff && head[1] === 0xfe

/** The type of a file whose bytes say none. */
export const typeOfText = (given: string, isText: boolean): string => (isText ? texts[extensionOf(given)] : undefined) ?? UNKNOWN

/** Whether a type is among those that are accepted, such as `image/*` and `application/pdf`. None means all. */
export function isAccepted (type: string, accepted: readonly string[]): boolean {
  return accepted.length === 0 || accepted.some(one => one === '*/*' || one === type || (one.endsWith('/*') && type.startsWith(one.slice(0, -1))))
}

/** Whether it can be listed as a type that is accepted. */
export const isTypeRange = (text: string): boolean => /^(\*|[a-z0-9][\w.+-]*)\/(\*|[a-z0-9][\w.+-]*)$/.test(text) && !/^\*\/[^*]/.test(text)

/** Finds out whether a file is UTF-8 text without control characters other than tabs and line ends, as its bytes arrive. */
export class TextCheck {
  readonly #decoder = new TextDecoder('utf-8', { fatal: true })
  #isText: boolean

  /** Only the name of a text makes it worth looking. */
  constructor (given: string) {
    this.#isText = Object.hasOwn(texts, extensionOf(given))
  }

  add (bytes: Uint8Array): void {
    if (this.#isText) this.#isText = this.#accepts(() => this.#decoder.decode(bytes, { stream: true }))
  }

  end (): boolean {
    return this.#isText && this.#accepts(() => this.#decoder.decode())
  }

  #accepts (decode: () => string): boolean {
    try {
      return !/[^\P{Cc}\t\n\r]/u.test(decode())
    } catch {
      return false
    }
  }
}
