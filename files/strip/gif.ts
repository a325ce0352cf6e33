import { chatError } from '../../errors.js'
import type { Bytes } from './bytes.js'
import type { Plan } from './plan.js'

const EXTENSION = 0x21
const IMAGE = 0x2c
const TRAILER = 0x3b
const APPLICATION = 0xff
const COMMENT = 0xfe

/** Applications whose extensions say how often an animation runs. */
const loops = ['NETSCAPE2.0', 'ANIMEXTS1.0']

/** Keeps what is needed to show a GIF (GIF89a), which stays animated. Whatever comes behind its end is cut off. */
export async function stripGif (bytes: Bytes, plan: Plan): Promise<number> {
  const head = await bytes.take(13)
  if (head.length < 13) throw chatError('FILE_INVALID')
  bytes.position += colours(head[10]!)
  plan.keep(0, Math.min(bytes.position, bytes.size))
  while (bytes.position < bytes.size) {
    const at = bytes.position
    const [kind] = await bytes.take(1)
    let isKept = true
    if (kind === TRAILER) {
      plan.keep(at, at + 1)
      return 1
    } else if (kind === IMAGE) {
      const descriptor = await bytes.take(9)
      bytes.position += colours(descriptor[8] ?? 0) + 1
    } else if (kind === EXTENSION) {
      const [label = 0] = await bytes.take(1)
      const block = await bytes.take(12)
      isKept = label !== COMMENT && (label !== APPLICATION || loops.includes(block.toString('latin1', 1)))
      bytes.position = at + 2
    } else {
      throw chatError('FILE_INVALID')
    }
    await skipBlocks(bytes)
    if (isKept) plan.keep(at, Math.min(bytes.position, bytes.size))
  }
  return 1
}

/** Size of the table of colours that follows, in bytes. */
const colours = (flags: number): number => (flags & 0x80) === 0 ? 0 : 3 * 2 ** ((flags & 0x07) + 1)

async function skipBlocks (bytes: Bytes): Promise<void> {
  for (;;) {
    const [length] = await bytes.take(1)
    if (length === undefined || length === 0) return
    bytes.position += length
  }
}
