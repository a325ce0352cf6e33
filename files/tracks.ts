/** What the beginning of a film or a recording says of its tracks. Undefined where it does not say so: they may follow further back. */
interface Tracks { hasVideo: boolean, hasSound: boolean }

/** What a recording of sound alone is. WebM and MP4 hold both, and their first bytes are the same. */
const SOUND: Record<string, (head: Buffer) => Tracks | undefined> = { 'video/webm': webmTracks, 'video/mp4': mp4Tracks }

/** `video/webm` and `video/mp4` without a video track, such as a voice message, are `audio/webm` and `audio/mp4`. */
export function typeOfTracks (type: string, head: Buffer): string {
  const tracks = SOUND[type]?.(head)
  return tracks?.hasSound === true && !tracks.hasVideo ? type.replace('video/', 'audio/') : type
}

type Part = [id: number, from: number, to: number]

// ---- WebM (RFC 8794, RFC 9559)

const [SEGMENT, TRACKS, TRACK, TRACK_TYPE, CLUSTER] = [0x18538067, 0x1654ae6b, 0xae, 0x83, 0x1f43b675]

function webmTracks (head: Buffer): Tracks | undefined {
  const segment = findIn(elements(head, 0, head.length), SEGMENT)
  if (segment === undefined) return undefined
  const tracks = findIn(elements(head, segment[1], Math.min(segment[2], head.length)), TRACKS)
  if (tracks === undefined || tracks[2] > head.length) return undefined
  const kinds: number[] = []
  for (const [id, from, to] of elements(head, tracks[1], tracks[2])) {
    if (id !== TRACK) continue
    const kind = findIn(elements(head, from, to), TRACK_TYPE)
    if (kind?.[2] === undefined || kind[2] > kind[1] + 1) return undefined
    kinds.push(head[kind[1]] ?? 0)
  }
  return { hasVideo: kinds.some(kind => kind !== 2), hasSound: kinds.includes(2) }
}

function * elements (bytes: Buffer, from: number, to: number): Iterable<Part> {
  for (let at = from; at < to;) {
    const idLength = Math.clz32(bytes[at]!) - 23
    const sizeAt = at + idLength
    const sizeLength = Math.clz32(bytes[sizeAt] ?? 0) - 23
    const start = sizeAt + sizeLength
    if (idLength > 4 || sizeLength > 8 || start > to) return
    const id = bytes.readUIntBE(at, idLength)
    if (id === CLUSTER) return
    let size = (bytes[sizeAt]! & ((1 << (8 - sizeLength)) - 1))
    let isUnknown = size === (1 << (8 - sizeLength)) - 1
    for (let index = sizeAt + 1; index < start; index++) {
      size = size * 256 + bytes[index]!
      isUnknown &&= bytes[index] === 0xff
    }
    // A recorder does not know how long a segment becomes.
    const end = isUnknown ? Infinity : start + size
    yield [id, start, end]
    at = end
  }
}

// ---- MP4 (ISO/IEC 14496-12)

const nameOf = (name: string): number => Buffer.from(name, 'latin1').readUInt32BE()

function mp4Tracks (head: Buffer): Tracks | undefined {
  const movie = findIn(boxes(head, 0, head.length), nameOf('moov'))
  if (movie === undefined || movie[2] > head.length) return undefined
  const kinds: number[] = []
  for (const [id, from, to] of boxes(head, movie[1], movie[2])) {
    if (id !== nameOf('trak')) continue
    const media = findIn(boxes(head, from, to), nameOf('mdia'))
    const handler = media && findIn(boxes(head, media[1], media[2]), nameOf('hdlr'))
    if (handler === undefined || handler[2] - handler[1] < 12) return undefined
    kinds.push(head.readUInt32BE(handler[1] + 8))
  }
  return { hasVideo: kinds.includes(nameOf('vide')), hasSound: kinds.includes(nameOf('soun')) }
}

function * boxes (bytes: Buffer, from: number, to: number): Iterable<Part> {
  for (let at = from; at + 8 <= to;) {
    const size = bytes.readUInt32BE(at)
    const isLong = size === 1
    if (isLong && at + 16 > to) return
    const end = isLong ? at + Number(bytes.readBigUInt64BE(at + 8)) : size === 0 ? Infinity : at + size
    const start = at + (isLong ? 16 : 8)
    if (end < start) return
    yield [bytes.readUInt32BE(at + 4), start, end]
    at = end
  }
}

function findIn (parts: Iterable<Part>, wanted: number): Part | undefined {
  for (const part of parts) if (part[0] === wanted) return part
  return undefined
}
