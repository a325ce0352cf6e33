import { chatError } from '../../errors.js'
import type { Bytes } from './bytes.js'
import type { Picture, Plan } from './plan.js'

/**
 * Maximum size of a box that is read whole: the one that lists the items of an image, their profile of colours included, or the tracks of an
 * animation.
 */
const READ_MAX = 1024 * 1024

/** Maximum number of boxes of the file itself. What comes behind is no picture. */
const BOXES_MAX = 1000

/** Boxes of the file itself that belong to a picture. All others hold what an application likes: XMP, the film of a live photo, what was deleted. */
const kept = ['ftyp', 'meta', 'mdat']
/** Those that an animation has besides. */
const keptOfAnimations = ['styp', 'moov', 'moof', 'sidx']
/** Boxes within `meta` that say what the items of an image are, and where. */
const keptOfItems = ['hdlr', 'pitm', 'iloc', 'iinf', 'iref', 'iprp', 'idat', 'dinf', 'grpl', 'ipro']
/** Properties of items that are metadata: words and times that somebody has given them. */
const blankedOfProperties = ['udes', 'altt', 'crtt', 'mdft', 'uuid', 'free', 'skip']
/** Boxes in which others are, some of which may be metadata. */
const nests = ['moov', 'trak', 'mdia', 'minf', 'moof', 'traf']
/** Boxes that hold metadata of an animation, or of a track of it. */
const blanked = ['udta', 'meta', 'uuid', 'free', 'skip']

/** Items that are no part of the picture: EXIF, and XMP or whatever else has a media type. */
const isMetadata = (type: string): boolean => type === 'Exif' || type === 'mime' || type === 'uri '

interface Extent { start: number, end: number }
interface Box extends Extent { type: string }
/** A box of the file itself. */
interface FileBox extends Box {
  /** Where its content starts. */
  content: number
  /** It takes the rest of the file. */
  isRest: boolean
}

/** What is written over, and with what: other parts of the file are found by their position, so nothing can be cut out in between. */
type Blank = Extent & { isBox: boolean }

const asBox = ({ start, end }: Extent): Blank => ({ start, end, isBox: true })

/**
 * Overwrites metadata in an AVIF with zeros, and whatever else no picture of it uses, and cuts off what comes behind its end. How the picture has
 * to be turned is a property of the picture, and stays. The orientation is 6 if its sides change places, else 1.
 */
export async function blankAvif (bytes: Bytes, plan: Plan): Promise<Picture> {
  const boxes: FileBox[] = []
  for await (const box of boxesOf(bytes)) boxes.push(box)
  const isAnimated = boxes.some(({ type }) => type === 'moov')
  const isKept = ({ type }: Box): boolean => kept.includes(type) || (isAnimated && keptOfAnimations.includes(type))
  const blanks = boxes.filter(box => !isKept(box)).map(asBox)
  const meta = boxes.find(({ type }) => type === 'meta')
  if (meta === undefined) throw chatError('FILE_INVALID')
  const image = readMeta(await contentOf(bytes, meta), meta.start)
  blanks.push(...image.blanks)
  let end = 0
  for (const box of boxes.filter(isKept)) {
    // Whether the bytes of a box that takes the rest of the file are of the picture, only the items tell.
    const until = box.type === 'mdat' && box.isRest && !isAnimated ? Math.max(box.content, image.end) : box.end
    if (box.type === 'moov' || box.type === 'moof') blanks.push(...blanksIn(await contentOf(bytes, box), box.start))
    if (box.type === 'mdat') {
      blanks.push(...isAnimated ? image.metadata.filter(isWithin(box)) : unused({ start: box.content, end: until }, image.pictures))
    }
    if (box.type === 'meta' && box !== meta) blanks.push(asBox(box))
    end = until
  }
  if (end > bytes.size || image.end > end) throw chatError('FILE_INVALID')
  let position = 0
  for (const { start, end: until, isBox } of blanks.filter(({ start }) => start < end).sort((a, b) => a.start - b.start)) {
    if (start < position || until > end) throw chatError('FILE_INVALID')
    plan.keep(position, isBox ? start + 4 : start)
    if (isBox) plan.add(Buffer.from('free'))
    const zeros = until - start - (isBox ? 8 : 0)
    if (zeros > 0) plan.add({ zeros })
    position = until
  }
  plan.keep(position, end)
  return { orientation: image.isTurned ? 6 : 1, dimensions: image.dimensions }
}

const isWithin = (outer: Extent) => ({ start, end }: Extent): boolean => start >= outer.start && end <= outer.end

/** What of an extent none of these use. */
function unused ({ start, end }: Extent, used: readonly Extent[]): Blank[] {
  const found: Blank[] = []
  let position = start
  for (const piece of [...used].sort((a, b) => a.start - b.start)) {
    if (piece.end <= position || piece.start >= end) continue
    if (piece.start > position) found.push({ start: position, end: piece.start, isBox: false })
    position = piece.end
  }
  if (position < end) found.push({ start: position, end, isBox: false })
  return found
}

/** The boxes of the file, up to the first bytes that are none. Their size includes the head (ISO/IEC 14496-12, 4.2). */
async function * boxesOf (bytes: Bytes): AsyncGenerator<FileBox> {
  for (let at = 0, left = BOXES_MAX; at + 8 <= bytes.size && left > 0; left--) {
    bytes.position = at
    const head = await bytes.take(16)
    const short = head.readUInt32BE()
    const type = head.toString('latin1', 4, 8)
    const size = short === 0 ? bytes.size - at : short === 1 && head.length === 16 ? Number(head.readBigUInt64BE(8)) : short
    if (size < 8 || !/^[\w ]{4}$/.test(type)) return
    yield { type, start: at, end: at + size, content: at + (short === 1 ? 16 : 8), isRest: short === 0 }
    at += size
  }
}

async function contentOf (bytes: Bytes, { start, end }: Extent): Promise<Buffer> {
  if (end - start > READ_MAX || end > bytes.size) throw chatError('FILE_INVALID')
  bytes.position = start
  const pieces: Buffer[] = []
  while (bytes.position < end) pieces.push(Buffer.from(await bytes.take(end - bytes.position)))
  return Buffer.concat(pieces)
}

/** Metadata in the tracks of an animation. */
function blanksIn (moov: Buffer, at: number): Blank[] {
  const found: Blank[] = []
  const look = (start: number, end: number): void => {
    for (const box of boxesIn(moov, start, end)) {
      if (blanked.includes(box.type)) found.push(blankOf(box, at))
      else if (nests.includes(box.type)) look(box.start, box.end)
    }
  }
  asInvalid(() => { look(8, moov.length) })
  return found
}

/** A box within another one that starts at this position. */
const blankOf = ({ start, end }: Box, at: number): Blank => asBox({ start: at + start - 8, end: at + end })

interface Image {
  /** Boxes of `meta` and items within it that are metadata. */
  blanks: Blank[]
  /** Items outside of it that are metadata, and those that are not. */
  metadata: Blank[]
  pictures: Extent[]
  /** Where the last item ends. */
  end: number
  isTurned: boolean
  dimensions: Picture['dimensions']
}

/** What the box `meta` says (8.11). `at` is where it begins in the file. */
function readMeta (meta: Buffer, at: number): Image {
  return asInvalid(() => {
    const all = boxesIn(meta, 12, meta.length)
    const boxes = new Map(all.map(box => [box.type, box]))
    const [items, places, properties] = [boxes.get('iinf'), boxes.get('iloc'), boxes.get('iprp')]
    const ofMetadata = items === undefined ? new Set() : itemsIn(meta, items)
    const extents = (places === undefined ? [] : placesIn(meta, places)).map(({ id, start, end, isInMeta }) => {
      const base = isInMeta ? at + (boxes.get('idat')?.start ?? 0) : 0
      return { isMetadata: ofMetadata.has(id), isInMeta, start: base + start, end: base + end, isBox: false }
    })
    const outside = extents.filter(({ isInMeta }) => !isInMeta)
    const found = properties === undefined ? [] : propertiesIn(meta, properties)
    const primary = properties === undefined ? [] : propertiesOf(meta, properties, found, boxes.get('pitm'))
    const size = primary.find(({ type }) => type === 'ispe')
    return {
      blanks: [
        ...all.filter(({ type }) => !keptOfItems.includes(type)).map(box => blankOf(box, at)),
        ...found.filter(({ type }) => blankedOfProperties.includes(type)).map(box => blankOf(box, at)),
        ...extents.filter(({ isInMeta, isMetadata }) => isInMeta && isMetadata)
      ],
      metadata: outside.filter(({ isMetadata }) => isMetadata),
      pictures: outside.filter(({ isMetadata }) => !isMetadata),
      end: Math.max(0, ...extents.map(({ end }) => end).filter(Number.isFinite)),
      isTurned: primary.some(({ type, start }) => type === 'irot' && (meta[start]! & 1) === 1),
      dimensions: size && { width: meta.readUInt32BE(size.start + 4), height: meta.readUInt32BE(size.start + 8) }
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

/** Where items are: in the file, or in the box `idat`. One without a length takes all that follows. */
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
      const length = uint(lengthBytes)
      found.push({ id, isInMeta, start, end: length === 0 ? Infinity : start + length })
    }
  }
  return found
}

/** All properties of items. */
function propertiesIn (meta: Buffer, iprp: Box): Box[] {
  const ipco = boxesIn(meta, iprp.start, iprp.end).find(({ type }) => type === 'ipco')
  return ipco === undefined ? [] : boxesIn(meta, ipco.start, ipco.end)
}

/** Those of the primary item, such as `ispe`, its dimensions, and `irot`, how it is turned (ISO/IEC 23008-12, 6.5). */
function propertiesOf (meta: Buffer, iprp: Box, properties: readonly Box[], pitm: Box | undefined): Box[] {
  const ipma = boxesIn(meta, iprp.start, iprp.end).find(({ type }) => type === 'ipma')
  if (ipma === undefined || pitm === undefined) return []
  const primary = meta.readUIntBE(pitm.start + 4, meta[pitm.start] === 0 ? 2 : 4)
  const uint = numbersIn(meta, ipma)
  const [version, flags] = [uint(1), uint(3)]
  const found: Box[] = []
  for (let items = uint(4); items > 0; items--) {
    const id = uint(version < 1 ? 2 : 4)
    for (let count = uint(1); count > 0; count--) {
      const index = (flags & 1) === 1 ? uint(2) & 0x7fff : uint(1) & 0x7f
      const property = properties[index - 1]
      if (id === primary && property !== undefined) found.push(property)
    }
  }
  return found
}
