import { chatError } from '../../errors.js'
import type { Bytes } from './bytes.js'
import type { Picture, Plan } from './plan.js'

const EXTENSION = 0x21
const IMAGE = 0x2c
const TRAILER = 0x3b
const APPLICATION = 0xff
const GRAPHIC_CONTROL = 0xf9

/** Applications whose extensions say how often an animation runs. */
const loops = ['NETSCAPE2.0', 'ANIMEXTS1.0']

/** Keeps what is needed to show a GIF (GIF89a), which stays animated. Whatever comes behind its end is cut off. */
export async function stripGif (bytes: Bytes, plan: Plan): Promise<Picture> {
  const head = await bytes.take(13)
  if (head.length < 13) throw chatError('FILE_INVALID')
  bytes.position += colours(head[10]!)
  plan.keep(0, Math.min(bytes.position, bytes.size))
  while (bytes.position < bytes.size) {
    const at = bytes.position
    const [kind] = await bytes.take(1)
    if (kind === TRAILER) {
      plan.keep(at, at + 1)
      break
    } else if (kind === IMAGE) {
      const descriptor = await bytes.take(9)
      bytes.position += colours(descriptor[8] ?? 0) + 1
      await skipBlocks(bytes)
      plan.keep(at, Math.min(bytes.position, bytes.size))
    } else if (kind === EXTENSION) {
      const length = neededOf(await bytes.take(17))
      bytes.position = at + 2
      await skipBlocks(bytes)
      keepExtension(plan, at, at + 1 + length, bytes.position)
    } else {
      throw chatError('FILE_INVALID')
    }
  }
  return { orientation: 1 }
}

/**
 * How many bytes of an extension a picture needs, from its label on: those of its known blocks. 0: it holds a comment, or whatever an
 * application likes.
 */
function neededOf (extension: Buffer): number {
  const [label, length] = extension
  if (label === GRAPHIC_CONTROL) return length === 4 ? 6 : 0
  const loop = extension.subarray(13)
  return label === APPLICATION && length === 11 && loops.includes(extension.toString('latin1', 2, 13)) && loop[0] === 3 && loop[1] === 1 ? 17 : 0
}

/** Keeps an extension from `at` to `end`. Further blocks, up to `until`, are left out. */
function keepExtension (plan: Plan, at: number, end: number, until: number): void {
  if (end <= at + 1 || end >= until) return
  if (end + 1 === until) return plan.keep(at, until)
  plan.keep(at, end)
  plan.add(Buffer.alloc(1))
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
