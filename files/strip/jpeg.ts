import { chatError } from '../../errors.js'
import type { Bytes } from './bytes.js'
import { readOrientation, writeOrientation } from './exif.js'
import type { Picture, Plan } from './plan.js'

const EOI = 0xd9
const SOS = 0xda
const APP0 = 0xe0
const EXIF = 'Exif\0\0'

/**
 * Applications' segments without which a picture looks different: how their contents begin, and how many bytes of them say so. What follows
 * in them may be a smaller picture of what was there before it was cropped, or anything.
 */
const kept: Record<number, [head: string, bytes: number]> = { [APP0]: ['JFIF\0', 12], 0xe2: ['ICC_PROFILE\0', Infinity], 0xee: ['Adobe', 12] }
/** Size of the thumbnail that a JFIF segment ends with: there is none. */
const NO_THUMBNAIL = Buffer.alloc(2)

const isRestart = (code: number): boolean => code >= 0xd0 && code <= 0xd7
/** Codes that stand for nothing in coded data: stuffing, restarts, and fill bytes. */
const isMarker = (code: number): boolean => code !== 0 && code !== 0xff && !isRestart(code)

/** Beginnings of frames (table B.1). Each says the dimensions, behind its length and its precision. */
const isFrame = (code: number): boolean => code >= 0xc0 && code <= 0xcf && code !== 0xc4 && code !== 0xc8 && code !== 0xcc

/** Keeps what is needed to decode a JPEG (ITU-T T.81, annex B), and its orientation. Whatever comes behind its end is cut off. */
export async function stripJpeg (bytes: Bytes, plan: Plan): Promise<Picture> {
  let orientation = 1
  // Read here: a profile of colours, which comes before, may be larger than what is worth reading at once.
  let dimensions: Picture['dimensions']
  plan.keep(0, 2)
  bytes.position = 2
  while (bytes.position < bytes.size) {
    const at = bytes.position
    const [prefix, code] = await bytes.take(2)
    if (prefix !== 0xff || code === undefined) throw chatError('FILE_INVALID')
    if (code === 0xff) {
      bytes.position = at + 1
      continue
    }
    if (code === EOI || code === 0x01 || isRestart(code)) {
      plan.keep(at, at + 2)
      if (code === EOI) break
      continue
    }
    const length = await bytes.take(2)
    const end = length.length < 2 ? Infinity : at + 2 + length.readUInt16BE()
    if (end > bytes.size) throw chatError('FILE_INVALID')
    const content = await bytes.take(Math.min(end - bytes.position, 16))
    const head = content.toString('latin1')
    if (isFrame(code) && content.length >= 5) dimensions ??= { width: content.readUInt16BE(3), height: content.readUInt16BE(1) }
    if (code === 0xe1 && head.startsWith(EXIF) && orientation === 1) {
      bytes.position = at + 4 + EXIF.length
      orientation = readOrientation(await bytes.take(end - bytes.position))
      if (orientation !== 1) plan.add(exifSegment(orientation))
    } else if (code >= APP0 && code <= 0xef) {
      keepSegment(plan, code, head, at, end)
    } else if (code >= 0xc0 && code <= 0xdf) {
      plan.keep(at, end)
    }
    bytes.position = end
    if (code === SOS) {
      await bytes.seekMarker(isMarker)
      plan.keep(end, bytes.position)
    }
  }
  return { orientation, dimensions }
}

/** Keeps of an application's segment what a picture needs. */
function keepSegment (plan: Plan, code: number, head: string, at: number, end: number): void {
  const [beginning, length] = kept[code] ?? []
  if (beginning === undefined || length === undefined || !head.startsWith(beginning)) return
  const rest = code === APP0 ? NO_THUMBNAIL : Buffer.alloc(0)
  // A segment that is too short is the decoder's affair.
  if (end - at - 4 <= length + rest.length) return plan.keep(at, end)
  plan.add(Buffer.concat([Buffer.from([0xff, code, 0, 2 + length + rest.length]), Buffer.from(head.slice(0, length), 'latin1'), rest]))
}

function exifSegment (orientation: number): Buffer {
  const tiff = writeOrientation(orientation)
  const head = Buffer.from([0xff, 0xe1, 0, 2 + EXIF.length + tiff.length])
  return Buffer.concat([head, Buffer.from(EXIF, 'latin1'), tiff])
}
