import { chatError } from '../../errors.js'
import type { Bytes } from './bytes.js'
import { readOrientation, writeOrientation } from './exif.js'
import type { Picture, Plan } from './plan.js'

const HEAD_BYTES = 12
const HAS_EXIF = 0x08
const HAS_XMP = 0x04

const kept = ['VP8 ', 'VP8L', 'ALPH', 'ANIM', 'ICCP']
const keptInFrames = ['VP8 ', 'VP8L', 'ALPH']
/** Where and how long a picture of an animation is shown. */
const FRAME_BYTES = 16

/** Keeps what is needed to show a WebP (RFC 9649), and its orientation. Whatever comes behind its end is cut off. */
export async function stripWebp (bytes: Bytes, plan: Plan): Promise<Picture> {
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
    } else if (type === 'ANMF') {
      await keepFrame(bytes, plan, { start: at, end: at + 8 + length, next: Math.min(end, size) })
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
  return { orientation }
}

/** Keeps of a picture of an animation what shows it: other chunks may be in it, too. `next` is where the next chunk starts. */
async function keepFrame (bytes: Bytes, plan: Plan, { start, end, next }: { start: number, end: number, next: number }): Promise<void> {
  const from = start + 8 + FRAME_BYTES
  if (from > end) throw chatError('FILE_INVALID')
  const head = Buffer.from(await peek(bytes, start, 8 + FRAME_BYTES))
  const chunks: Array<[start: number, end: number]> = []
  for (let at = from; at + 8 <= end;) {
    const chunk = await peek(bytes, at, 8)
    const length = chunk.readUInt32LE(4)
    if (at + 8 + length > end) throw chatError('FILE_INVALID')
    const behind = Math.min(at + 8 + length + length % 2, end)
    if (keptInFrames.includes(chunk.toString('latin1', 0, 4))) chunks.push([at, behind])
    at = behind
  }
  const length = chunks.reduce((sum, [at, behind]) => sum + behind - at, FRAME_BYTES)
  if (length === end - start - 8) return plan.keep(start, next)
  head.writeUInt32LE(length, 4)
  plan.add(head)
  for (const [at, behind] of chunks) plan.keep(at, behind)
  if (length % 2 === 1) plan.add(Buffer.alloc(1))
}

async function peek (bytes: Bytes, at: number, length: number): Promise<Buffer> {
  bytes.position = at
  const taken = await bytes.take(length)
  if (taken.length < length) throw chatError('FILE_INVALID')
  return taken
}
