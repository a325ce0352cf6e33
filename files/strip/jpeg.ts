import { chatError } from '../../errors.js'
import type { Bytes } from './bytes.js'
import { readOrientation, writeOrientation } from './exif.js'
import type { Plan } from './plan.js'

const EOI = 0xd9
const SOS = 0xda
const APP0 = 0xe0
const EXIF = 'Exif\0\0'

/** Applications' segments without which a picture looks different. */
const kept: Record<number, string> = { [APP0]: 'JFIF\0', 0xe2: 'ICC_PROFILE\0', 0xee: 'Adobe' }

const isRestart = (code: number): boolean => code >= 0xd0 && code <= 0xd7
/** Codes that stand for nothing in coded data: stuffing, restarts, and fill bytes. */
const isMarker = (code: number): boolean => code !== 0 && code !== 0xff && !isRestart(code)

/** Keeps what is needed to decode a JPEG (ITU-T T.81, annex B), and its orientation. Whatever comes behind its end is cut off. */
export async function stripJpeg (bytes: Bytes, plan: Plan): Promise<number> {
  let orientation = 1
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
      if (code === EOI) return orientation
      continue
    }
    const length = await bytes.take(2)
    const end = length.length < 2 ? Infinity : at + 2 + length.readUInt16BE()
    if (end > bytes.size) throw chatError('FILE_INVALID')
    const head = (await bytes.take(Math.min(end - bytes.position, 16))).toString('latin1')
    if (code === 0xe1 && head.startsWith(EXIF) && orientation === 1) {
      bytes.position = at + 4 + EXIF.length
      orientation = readOrientation(await bytes.take(end - bytes.position))
      if (orientation !== 1) plan.add(exifSegment(orientation))
    } else if (isKept(code, head)) {
      plan.keep(at, end)
    }
    bytes.position = end
    if (code === SOS) {
      await bytes.seekMarker(isMarker)
      plan.keep(end, bytes.position)
    }
  }
  return orientation
}

function isKept (code: number, head: string): boolean {
  if (code >= 0xe0 && code <= 0xef) return kept[code] !== undefined && head.startsWith(kept[code])
  return code >= 0xc0 && code <= 0xdf
}

function exifSegment (orientation: number): Buffer {
  const tiff = writeOrientation(orientation)
  const head = Buffer.from([0xff, 0xe1, 0, 2 + EXIF.length + tiff.length])
  return Buffer.concat([head, Buffer.from(EXIF, 'latin1'), tiff])
}
