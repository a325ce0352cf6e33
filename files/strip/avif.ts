import { chatError } from '../../errors.js'
import type { Bytes } from './bytes.js'
import type { Plan } from './plan.js'

/** Maximum size of a box that is read whole: the one that lists the items of an image, or the tracks of an animation. */
const READ_MAX = 64 * 1024

/** Maximum number of boxes of the file itself. What comes behind is no picture. */
const BOXES_MAX = 1000

/** Boxes of the file itself that belong to a picture. All others hold what an application likes: XMP, the film of a live photo. */
const kept = ['ftyp', 'styp', 'meta', 'mdat', 'moov', 'moof', 'sidx', 'free', 'skip']
/** Boxes in which others are, some of which may be metadata. */
const nests = ['moov', 'trak', 'mdia', 'minf']
/** Boxes that hold metadata of an animation, or of a track of it. */
const blanked = ['udta', 'meta', 'uuid']

/** Items that are no part of the picture: EXIF, and XMP or whatever else has a media type. */
const isMetadata = (type: string): boolean => type === 'Exif' || type === 'mime' || type === 'uri '

interface Extent { start: number, end: number }
interface Box extends Extent { type: string }

/** What is written over, and with what: other parts of the file are found by their position, so nothing can be cut out in between. */
type Blank = Extent & { isBox: boolean }

/**
 * Overwrites metadata in an AVIF with zeros, and cuts off what comes behind its end. How the picture has to be turned is a property of the
 * picture, and stays. Returns an orientation of 6 if its sides change places, else 1.
 */
export async function blankAvif (bytes: Bytes, plan: Plan): Promise<number> {
  const blanks: Blank[] = []
  let image: Image | undefined
  let end = 0
  /** Where a box ends that takes the rest of the file: whether the bytes there are of the picture, only the items tell. */
  let rest: number | undefined
  let isAnimated = false
  for await (const box of boxesOf(bytes)) {
    if (!kept.includes(box.type)) {
      blanks.push({ start: box.start, end: box.end, isBox: true })
      continue
    }
    if (box.type === 'meta' && image === undefined) image = readMeta(await contentOf(bytes, box), box.start)
    if (box.type === 'moov') {
      isAnimated = true
      blanks.push(...blanksIn(await contentOf(bytes, box), box.start))
    }
    if (box.isRest && box.type === 'mdat') rest = box.start + 8
    end = box.end
  }
  if (image === undefined) throw chatError('FILE_INVALID')
  if (rest !== undefined && !isAnimated) end = Math.max(rest, image.end)
  if (end > bytes.size || image.end > end) throw chatError('FILE_INVALID')
  let position = 0
  for (const { start, end: until, isBox } of [...blanks, ...image.metadata].filter(({ start }) => start < end).sort((a, b) => a.start - b.start)) {
    if (start < position || until > end) throw chatError('FILE_INVALID')
    plan.keep(position, isBox ? start + 4 : start)
    if (isBox) plan.add(Buffer.from('free'))
    const zeros = until - start - (isBox ? 8 : 0)
    if (zeros > 0) plan.add({ zeros })
    position = until
  }
  plan.keep(position, end)
  return image.isTurned ? 6 : 1
}

/** The boxes of the file, up to the first bytes that are none. Their size includes the head (ISO/IEC 14496-12, 4.2). */
async function * boxesOf (bytes: Bytes): AsyncGenerator<Box & { isRest: boolean }> {
  for (let at = 0, left = BOXES_MAX; at + 8 <= bytes.size && left > 0; left--) {
    bytes.position = at
    const head = await bytes.take(16)
    const short = head.readUInt32BE()
    const type = head.toString('latin1', 4, 8)
    const size = short === 0 ? bytes.size - at : short === 1 && head.length === 16 ? Number(head.readBigUInt64BE(8)) : short
    if (size < 8 || !/^[\w ]{4}$/.test(type)) return
    yield { type, start: at, end: at + size, isRest: short === 0 }
    at += size
  }
}

async function contentOf (bytes: Bytes, { start, end }: Extent): Promise<Buffer> {
  if (end - start > READ_MAX || end > bytes.size) throw chatError('FILE_INVALID')
  bytes.position = start
  return Buffer.from(await bytes.take(end - start))
}

/** Metadata in the tracks of an animation. */
function blanksIn (moov: Buffer, at: number): Blank[] {
  const found: Blank[] = []
  const look = (start: number, end: number): void => {
    for (const box of boxesIn(moov, start, end)) {
      if (blanked.includes(box.type)) found.push({ start: at + box.start - 8, end: at + box.end, isBox: true })
      else if (nests.includes(box.type)) look(box.start, box.end)
    }
  }
  asInvalid(() => { look(8, moov.length) })
  return found
}

interface Image {
  metadata: Blank[]
  /** Where the last item ends. */
  end: number
  isTurned: boolean
}

/** What the box `meta` says (8.11). `at` is where it begins in the file. */
function readMeta (meta: Buffer, at: number): Image {
  return asInvalid(() => {
    const boxes = new Map(boxesIn(meta, 12, meta.length).map(box => [box.type, box]))
    const [items, places, properties] = [boxes.get('iinf'), boxes.get('iloc'), boxes.get('iprp')]
    const all = places === undefined
      ? []
      : placesIn(meta, places).map(({ id, start, end, isInMeta }) => {
        const base = isInMeta ? at + (boxes.get('idat')?.start ?? 0) : 0
        return { id, start: base + start, end: base + end, isBox: false }
      })
    const wanted = items === undefined ? new Set() : itemsIn(meta, items)
    return {
      metadata: all.filter(({ id }) => wanted.has(id)),
      end: Math.max(0, ...all.map(({ end }) => end)),
      isTurned: properties !== undefined && isTurned(meta, properties, boxes.get('pitm'))
    }
  })
}

function asInvalid<T> (read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw chatError('FILE_INVALID', { cause: error })
  }
}

/** Boxes within a range. `start` is where their content starts. */
function boxesIn (buffer: Buffer, from: number, to: number): Box[] {
  const boxes: Box[] = []
  for (let at = from; at + 8 <= to;) {
    const size = buffer.readUInt32BE(at)
    if (size < 8 || at + size > to) throw new RangeError('A box has no size')
    boxes.push({ type: buffer.toString('latin1', at + 4, at + 8), start: at + 8, end: at + size })
    at += size
  }
  return boxes
}

/** The ids of the items that are metadata. */
function itemsIn (meta: Buffer, { start, end }: Box): Set<number> {
  const isLong = meta[start]! > 0
  const found = new Set<number>()
  for (const entry of boxesIn(meta, start + (isLong ? 8 : 6), end)) {
    const version = meta[entry.start]!
    const idBytes = version === 3 ? 4 : 2
    const type = meta.toString('latin1', entry.start + 4 + idBytes + 2, entry.start + 4 + idBytes + 6)
    if (version >= 2 && isMetadata(type)) found.add(meta.readUIntBE(entry.start + 4, idBytes))
  }
  return found
}

/** Reads numbers from a box, one after the other. */
function numbersIn (buffer: Buffer, { start, end }: Box): (size: number) => number {
  let at = start
  return size => {
    if (at + size > end) throw new RangeError('A box is too short')
    at += size
    return size === 0 ? 0 : size === 8 ? Number(buffer.readBigUInt64BE(at - 8)) : buffer.readUIntBE(at - size, size)
  }
}

/** Where items are: in the file, or in the box `idat`. */
function placesIn (meta: Buffer, box: Box): Array<Extent & { id: number, isInMeta: boolean }> {
  const uint = numbersIn(meta, box)
  const version = uint(4) >>> 24
  const sizes = uint(2)
  const [offsetBytes, lengthBytes, baseBytes] = [sizes >> 12, (sizes >> 8) & 15, (sizes >> 4) & 15]
  const indexBytes = version === 0 ? 0 : sizes & 15
  const found = []
  for (let items = uint(version < 2 ? 2 : 4); items > 0; items--) {
    const id = uint(version < 2 ? 2 : 4)
    const isInMeta = version > 0 && (uint(2) & 15) === 1
    uint(2)
    const base = uint(baseBytes)
    for (let extents = uint(2); extents > 0; extents--) {
      uint(indexBytes)
      const start = base + uint(offsetBytes)
      found.push({ id, isInMeta, start, end: start + uint(lengthBytes) })
    }
  }
  return found
}

/** Whether the picture is shown turned by 90 or 270 degrees: a property `irot` of the primary item (ISO/IEC 23008-12, 6.5.10). */
function isTurned (meta: Buffer, iprp: Box, pitm: Box | undefined): boolean {
  const boxes = new Map(boxesIn(meta, iprp.start, iprp.end).map(box => [box.type, box]))
  const [ipco, ipma] = [boxes.get('ipco'), boxes.get('ipma')]
  if (ipco === undefined || ipma === undefined || pitm === undefined) return false
  const properties = boxesIn(meta, ipco.start, ipco.end)
  const primary = meta.readUIntBE(pitm.start + 4, meta[pitm.start] === 0 ? 2 : 4)
  const uint = numbersIn(meta, ipma)
  const [version, flags] = [uint(1), uint(3)]
  for (let items = uint(4); items > 0; items--) {
    const id = uint(version < 1 ? 2 : 4)
    for (let count = uint(1); count > 0; count--) {
      const index = (flags & 1) === 1 ? uint(2) & 0x7fff : uint(1) & 0x7f
      const property = properties[index - 1]
      if (id === primary && property?.type === 'irot' && (meta[property.start]! & 1) === 1) return true
    }
  }
  return false
}
