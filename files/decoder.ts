import { writeFile } from 'node:fs/promises'
import { rgbaToThumbHash } from 'thumbhash'
import { chatError } from '../errors.js'

/** Maximum number of pixels of an image. */
export const PIXELS_MAX = 50_000_000

/** What is known of an image. */
export interface ImageFacts {
  /** In pixels, when the picture is upright. */
  width: number
  height: number
  /** In base64. Null if there is no thumbnail. */
  thumbhash: string | null
}

/** Decodes an image and writes a thumbnail of it. @throws FILE_INVALID if it cannot be decoded */
export type Decoder = (source: string, target: string) => Promise<ImageFacts>

/** Longer side of a thumbnail, in pixels. */
const THUMBNAIL_PIXELS = 320
/** Longer side of the picture that a thumbhash is made of. */
const HASH_PIXELS = 100
/** Time that decoding may take, in seconds. */
const TIMEOUT_S = 30

/** Loads sharp. Undefined if it is not installed, or has no binary for this platform: images have no thumbnails then. */
export async function loadDecoder (): Promise<Decoder | undefined> {
  const loaded = await import('sharp').catch(() => undefined)
  if (loaded === undefined) return undefined
  const { default: sharp } = loaded
  // It would keep files open that have been deleted.
  sharp.cache({ files: 0 })
  const options = { limitInputPixels: PIXELS_MAX, failOn: 'error', sequentialRead: true, autoOrient: true } as const
  return async (source, target) => {
    const { thumbnail, ...facts } = await decode(source)
    // Not by sharp, whose errors are the picture's
    await writeFile(target, thumbnail, { mode: 0o600 })
    return facts
  }

  async function decode (source: string): Promise<ImageFacts & { thumbnail: Buffer }> {
    try {
      const image = sharp(source, options).timeout({ seconds: TIMEOUT_S })
      const { autoOrient: { width, height } } = await image.metadata()
      const small = image.resize(THUMBNAIL_PIXELS, THUMBNAIL_PIXELS, { fit: 'inside', withoutEnlargement: true })
      const thumbnail = await small.webp({ quality: 75 }).toBuffer()
      const { data, info } = await sharp(thumbnail).resize(HASH_PIXELS, HASH_PIXELS, { fit: 'inside' }).ensureAlpha().raw()
        .toBuffer({ resolveWithObject: true })
      return { width, height, thumbhash: Buffer.from(rgbaToThumbHash(info.width, info.height, data)).toString('base64'), thumbnail }
    } catch (error) {
      throw chatError('FILE_INVALID', { cause: error })
    }
  }
}
