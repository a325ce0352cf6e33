/** How a picture has to be turned (EXIF 2.3, 4.6.4 A): 1 to 8, 1 being upright. It is all that is kept of EXIF. */

const TAG = 0x0112
const ENTRIES_MAX = 1000

/** Reads the orientation from TIFF data. What cannot be read is upright. */
export function readOrientation (tiff: Buffer): number {
  if (tiff.length < 8) return 1
  const isLittle = tiff.toString('latin1', 0, 2) === 'II'
  const uint16 = (at: number): number => at + 2 > tiff.length ? 0 : isLittle ? tiff.readUInt16LE(at) : tiff.readUInt16BE(at)
  const directory = isLittle ? tiff.readUInt32LE(4) : tiff.readUInt32BE(4)
  const count = Math.min(uint16(directory), ENTRIES_MAX)
  for (let index = 0; index < count; index++) {
    const entry = directory + 2 + index * 12
    if (uint16(entry) !== TAG) continue
    const orientation = uint16(entry + 8)
    return orientation >= 1 && orientation <= 8 ? orientation : 1
  }
  return 1
}

/** TIFF data that says the orientation and nothing else. */
export function writeOrientation (orientation: number): Buffer {
  const tiff = Buffer.alloc(26)
  tiff.write('II*\0', 0, 'latin1')
  tiff.writeUInt32LE(8, 4)
  tiff.writeUInt16LE(1, 8)
  tiff.writeUInt16LE(TAG, 10)
  tiff.writeUInt16LE(3, 12) // SHORT
  tiff.writeUInt32LE(1, 14)
  tiff.writeUInt16LE(orientation, 18)
  return tiff
}
