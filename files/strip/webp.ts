import { chatError } from '../../errors.js'
import type { Bytes } from './bytes.js'
import { readOrientation, writeOrientation } from './exif.js'
import type { Plan } from './plan.js'

const HEAD_BYTES = 12
const HAS_EXIF = 0x08
const HAS_XMP = 0x04

const kept = ['VP8 ', 'VP8L', 'ALPH', 'ANIM', 'ANMF', 'ICCP']

/** Keeps what is needed to show a WebP (RFC 9649), and its orientation. Whatever comes behind its end is cut off. */
export async function stripWebp (bytes: Bytes, plan: Plan): Promise<number> {
  const riff = Buffer.from(await bytes.take(HEAD_BYTES))
  if (riff.length < HEAD_BYTES) throw chatError('FILE_INVALID')
  const size = 8 + riff.readUInt32LE(4)
  if (size > bytes.size) throw chatError('FILE_INVALID')
  let extended: Buffer | undefined
  let orientation = 1
  plan.add(riff)
  while (bytes.position + 8 <= size) {
    const at = bytes.position
    const head = await bytes.take(8)
    const type = head.toString('latin1', 0, 4)
    const length = head.readUInt32LE(4)
    const end = at + 8 + length + length % 2
    if (end - length % 2 > size) throw chatError('FILE_INVALID')
    if (type === 'VP8X' && extended === undefined && length === 10) {
      bytes.position = at
      plan.add(extended = Buffer.from(await bytes.take(18)))
    } else if (kept.includes(type)) {
      plan.keep(at, Math.min(end, size))
    } else if (type === 'EXIF' && orientation === 1) {
      const exif = Buffer.from(await bytes.take(length))
      orientation = readOrientation(exif.toString('latin1', 0, 6) === 'Exif\0\0' ? exif.subarray(6) : exif)
    }
    bytes.position = end
  }
  if (extended === undefined) orientation = 1
  if (extended !== undefined) extended[8] = (extended[8]! & ~(HAS_EXIF | HAS_XMP)) | (orientation === 1 ? 0 : HAS_EXIF)
  if (orientation !== 1) {
    const tiff = writeOrientation(orientation)
    const head = Buffer.from('EXIF\0\0\0\0', 'latin1')
    head.writeUInt32LE(tiff.length, 4)
    plan.add(Buffer.concat([head, tiff]))
  }
  riff.writeUInt32LE(plan.size - 8, 4)
  return orientation
}
