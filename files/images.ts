import { open, type FileHandle } from 'node:fs/promises'
import { chatError } from '../errors.js'
import { PIXELS_MAX, type Decoder, type ImageFacts } from './decoder.js'
import { blankAvif } from './strip/avif.js'
import { Bytes } from './strip/bytes.js'
import { stripGif } from './strip/gif.js'
import { stripJpeg } from './strip/jpeg.js'
import { Plan, type Picture } from './strip/plan.js'
import { stripPng } from './strip/png.js'
import { stripWebp } from './strip/webp.js'
import { BlockWriter, type Written } from './writing.js'

/** Bytes from the beginning of a PNG, a WebP or a GIF that hold its dimensions. */
const HEADER_BYTES = 1024
const COPY_BYTES = 64 * 1024

type Strip = (bytes: Bytes, plan: Plan) => Promise<Picture>

/** How metadata is removed from each type of image, without decoding it: the picture stays as it is. All other files are kept as they are. */
const strips: Record<string, Strip> = {
  'image/jpeg': stripJpeg,
  'image/png': stripPng,
  'image/apng': stripPng,
  'image/webp': stripWebp,
  'image/gif': stripGif,
  'image/avif': blankAvif
}

export const isImage = (type: string): boolean => Object.hasOwn(strips, type)

/**
 * Copies an image without its metadata, so that nobody learns where it was taken or by whom.
 * @throws FILE_INVALID if its format is broken, or it has too many pixels, which is judged by its header
 */
export async function cleanImage (source: string, type: string, target: string): Promise<Written & Pick<ImageFacts, 'width' | 'height'>> {
  const file = await open(source)
  try {
    const { size } = await file.stat()
    const plan = new Plan()
    const { orientation, dimensions } = await strips[type]!(new Bytes(file, size), plan)
    const written = await copy(file, plan, target)
    const { width, height } = dimensions ?? await dimensionsOf(target)
    if (!(width > 0 && height > 0 && width * height <= PIXELS_MAX)) throw chatError('FILE_INVALID')
    return orientation >= 5 ? { ...written, width: height, height: width } : { ...written, width, height }
  } finally {
    await file.close()
  }
}

async function copy (file: FileHandle, plan: Plan, target: string): Promise<Written> {
  const writer = await BlockWriter.open(target)
  try {
    const piece = Buffer.allocUnsafe(COPY_BYTES)
    for (const part of plan.parts) {
      if (Buffer.isBuffer(part)) {
        await writer.write(part)
      } else if ('zeros' in part) {
        for (let left = part.zeros; left > 0; left -= COPY_BYTES) await writer.write(Buffer.alloc(Math.min(left, COPY_BYTES)))
      } else {
        for (let at = part.start; at < part.end;) {
          const { bytesRead } = await file.read(piece, 0, Math.min(COPY_BYTES, part.end - at), at)
          if (bytesRead === 0) throw chatError('FILE_INVALID')
          await writer.write(piece.subarray(0, bytesRead))
          at += bytesRead
        }
      }
    }
    return await writer.end()
  } finally {
    await writer.close()
  }
}

async function dimensionsOf (path: string): Promise<{ width: number, height: number }> {
  const { imageSize } = await import('image-size')
  const head = await headOf(path)
  try {
    return imageSize(head)
  } catch (error) {
    throw chatError('FILE_INVALID', { cause: error })
  }
}

async function headOf (path: string): Promise<Buffer> {
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEADER_BYTES))
    return buffer.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}

/** Decodes images one after the other: each takes the memory of its pixels. */
export class Thumbnails {
  readonly #load: () => Promise<Decoder | undefined>
  #decoder: Promise<Decoder | undefined> | undefined
  #last: Promise<unknown> = Promise.resolve()

  /** The decoder is loaded for the first image. Without one, there are no thumbnails. */
  constructor (load: () => Promise<Decoder | undefined>) {
    this.#load = load
  }

  /**
   * Makes a thumbnail. Resolves to null without a decoder.
   * @throws FILE_INVALID if the image cannot be decoded, or the signal's reason if nobody waits for it any more
   */
  async make (source: string, target: string, signal: AbortSignal): Promise<ImageFacts | null> {
    const made = this.#last.then(async () => {
      signal.throwIfAborted()
      const decode = await (this.#decoder ??= this.#load())
      return decode === undefined ? null : await decode(source, target)
    })
    this.#last = made.catch(() => {})
    return await made
  }
}
