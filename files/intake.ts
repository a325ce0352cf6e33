import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { chatError } from '../errors.js'
import type { ImageFacts } from './decoder.js'
import { cleanImage, isImage, type Thumbnails } from './images.js'
import { fileName } from './names.js'
import { refusalOf } from './trouble.js'
import { HEAD_BYTES, isAccepted, TextCheck, typeOfBytes, typeOfText } from './types.js'
import { BlockWriter, type Written } from './writing.js'

export interface IntakeOptions {
  /** The folder in which files are received. */
  scratch: string
  maxBytes: number
  /** Types that are accepted. None means all. */
  types: readonly string[]
  /** Undefined: images are not decoded. */
  thumbnails: Thumbnails | undefined
}

/** A file that was received and judged, and is not stored yet. */
export interface Draft extends Written {
  name: string
  type: string
  /** Paths in the scratch folder. */
  path: string
  thumbnailPath: string | null
  /** Null for what is no image. */
  image: ImageFacts | null
}

/** Receives a file. Nothing stays on the disk if it throws; else the caller removes what it does not store. */
export class Intake {
  readonly #options: IntakeOptions

  constructor (options: IntakeOptions) {
    this.#options = options
  }

  /**
   * @throws FILE_TOO_LARGE, FILE_TYPE_NOT_ALLOWED, FILE_INVALID, UNAVAILABLE if the disk is in trouble, what the source throws, or the
   * signal's reason
   */
  async receive (given: string, source: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<Draft> {
    const { scratch, thumbnails } = this.#options
    const name = fileName(given)
    const base = join(scratch, randomBytes(16).toString('hex'))
    const paths = { received: base, cleaned: `${base}-c`, thumbnail: `${base}-t` }
    let ofSource: unknown
    async function * watched (): AsyncIterable<Uint8Array> {
      const pieces = source[Symbol.asyncIterator]()
      try {
        for (;;) {
          const { done, value } = await unlessAborted(signal, async () => await pieces.next())
          if (done === true) return
          yield value
        }
      } catch (error) {
        ofSource = error
        throw error
      } finally {
        // Not awaited: a piece may never come.
        void pieces.return?.().catch(() => {})
      }
    }
    try {
      const { type, ...written } = await this.#write(given, watched(), paths.received)
      if (!isImage(type)) return { ...written, name, type, path: paths.received, thumbnailPath: null, image: null }
      const { width, height, ...cleaned } = await cleanImage(paths.received, type, paths.cleaned)
      await discard(paths.received)
      signal.throwIfAborted()
      const image = await thumbnails?.make(paths.cleaned, paths.thumbnail, signal) ?? { width, height, thumbhash: null }
      return { ...cleaned, name, type, path: paths.cleaned, thumbnailPath: image.thumbhash === null ? null : paths.thumbnail, image }
    } catch (error) {
      await discard(...Object.values(paths))
      throw error === ofSource ? error : refusalOf(error)
    }
  }

  /** Its type is judged by its beginning, so that what is not accepted is not received to its end. */
  async #write (given: string, source: AsyncIterable<Uint8Array>, path: string): Promise<Written & { type: string }> {
    const { maxBytes } = this.#options
    const writer = await BlockWriter.open(path)
    try {
      const text = new TextCheck(given)
      let head: Buffer[] | undefined = []
      let headBytes = 0
      let type: string | undefined
      const judgeHead = async (): Promise<void> => {
        type = await typeOfBytes(Buffer.concat(head ?? []))
        head = undefined
        if (type !== undefined) this.#assertAccepted(type)
      }
      for await (const chunk of source) {
        if (writer.size + chunk.length > maxBytes) throw chatError('FILE_TOO_LARGE')
        text.add(chunk)
        await writer.write(chunk)
        if (head === undefined) continue
        // A copy: a piece of a larger buffer would keep all of it.
        head.push(Buffer.from(chunk))
        headBytes += chunk.length
        if (headBytes >= HEAD_BYTES) await judgeHead()
      }
      if (writer.size === 0) throw chatError('FILE_INVALID')
      if (head !== undefined) await judgeHead()
      type ??= typeOfText(given, text.end())
      this.#assertAccepted(type)
      return { ...await writer.end(), type }
    } finally {
      await writer.close()
    }
  }

  #assertAccepted (type: string): void {
    if (!isAccepted(type, this.#options.types)) throw chatError('FILE_TYPE_NOT_ALLOWED')
  }
}

/** Waits for work, but no longer than nobody aborts it. @throws the signal's reason */
export async function unlessAborted<T> (signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  signal.throwIfAborted()
  let stop = (): void => {}
  const aborted = new Promise<never>((_resolve, reject) => {
    stop = () => { reject(signal.reason) }
    signal.addEventListener('abort', stop)
  })
  try {
    return await Promise.race([work(), aborted])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/** Removes files of the scratch folder. What cannot be removed is swept later. */
export async function discard (...paths: Array<string | null>): Promise<void> {
  await Promise.allSettled(paths.map(async path => { if (path !== null) await rm(path, { force: true }) }))
}
