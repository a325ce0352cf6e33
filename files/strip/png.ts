import { crc32 } from 'node:zlib'
import { chatError } from '../../errors.js'
import type { Bytes } from './bytes.js'
import { readOrientation, writeOrientation } from './exif.js'
import type { Picture, Plan } from './plan.js'

const SIGNATURE_BYTES = 8

/** Chunks that say how a picture looks, or moves. Those that are left out hold texts, times and whatever applications like. */
const kept = [
  'IHDR', 'PLTE', 'IDAT', 'IEND', 'tRNS', 'cHRM', 'gAMA', 'iCCP', 'sBIT', 'sRGB', 'cICP', 'mDCV', 'cLLI', 'bKGD', 'hIST', 'pHYs', 'sPLT',
  'acTL', 'fcTL', 'fdAT'
]

/** Keeps what is needed to show a PNG (W3C PNG, third edition), and its orientation. Whatever comes behind its end is cut off. */
export async function stripPng (bytes: Bytes, plan: Plan): Promise<Picture> {
  let orientation = 1
  plan.keep(0, SIGNATURE_BYTES)
  bytes.position = SIGNATURE_BYTES
  for (;;) {
    const at = bytes.position
    const head = await bytes.take(8)
    if (head.length < 8) throw chatError('FILE_INVALID')
    const length = head.readUInt32BE()
    const type = head.toString('latin1', 4)
    const end = at + 12 + length
    if (end > bytes.size) throw chatError('FILE_INVALID')
    if (kept.includes(type)) plan.keep(at, end)
    if (type === 'IEND') return { orientation }
    if (type === 'eXIf' && orientation === 1) {
      orientation = readOrientation(await bytes.take(length))
      if (orientation !== 1) plan.add(chunk('eXIf', writeOrientation(orientation)))
    }
    bytes.position = end
  }
}

function chunk (type: string, data: Buffer): Buffer {
  const content = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const made = Buffer.alloc(content.length + 8)
  made.writeUInt32BE(data.length)
  content.copy(made, 4)
  made.writeUInt32BE(crc32(content), content.length + 4)
  return made
}
