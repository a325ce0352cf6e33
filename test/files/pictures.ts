import sharp from 'sharp'

/** Where the pictures of these tests were taken, and with what. None of it may be stored. */
export const SECRETS = ['Secret Camera 9', '52/1 31/1 12/1', 'xmp-secret']

const xmp = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="xmp-secret"/></rdf:RDF></x:xmpmeta>'

export interface Taken {
  width?: number
  height?: number
  /** As EXIF has it: 6 is a phone held upright. Default: 1. */
  orientation?: number
  /** Pictures of noise are large. Default: false. */
  noise?: boolean
}

/** A picture as a camera writes it: with where and when it was taken. */
export async function picture (format: 'jpeg' | 'png' | 'webp' | 'avif' | 'gif', { width = 40, height = 30, orientation = 1, noise = false }: Taken = {}): Promise<Buffer> {
  const made = noise
    ? sharp({ create: { width, height, channels: 3, background: '#888', noise: { type: 'gaussian', mean: 128, sigma: 60 } } })
    : sharp({ create: { width, height, channels: 3, background: { r: 200, g: 40, b: 40 } } })
  if (format === 'gif') return await animation(width, height)
  return await made
    .withExif({ IFD0: { Make: SECRETS[0]!, Copyright: 'somebody' }, IFD3: { GPSLatitudeRef: 'N', GPSLatitude: SECRETS[1]! } })
    .withXmp(xmp)
    .withMetadata({ orientation })
    .toFormat(format, format === 'avif' ? { effort: 0 } : {})
    .toBuffer()
}

/** An animation of three pictures, with a comment. */
async function animation (width: number, height: number): Promise<Buffer> {
  const colours = ['#f00', '#0f0', '#00f']
  const frames = colours.map(async background => await sharp({ create: { width, height, channels: 3, background } }).png().toBuffer())
  const gif = await sharp(await Promise.all(frames), { join: { animated: true } }).gif({ loop: 0, delay: [100, 100, 100] }).toBuffer()
  const comment = Buffer.from(`!\xfe${String.fromCharCode(SECRETS[0]!.length)}${SECRETS[0]!}\0`, 'latin1')
  const tables = (gif[10]! & 0x80) === 0 ? 13 : 13 + 3 * 2 ** ((gif[10]! & 7) + 1)
  return Buffer.concat([gif.subarray(0, tables), comment, gif.subarray(tables)])
}

/** Header of a PNG that claims this size. */
export function hugePng (width: number, height: number): Buffer {
  const chunk = (type: string, data: Buffer): Buffer => {
    const head = Buffer.alloc(8)
    head.writeUInt32BE(data.length)
    head.write(type, 4, 'latin1')
    return Buffer.concat([head, data, Buffer.alloc(4)])
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width)
  header.writeUInt32BE(height, 4)
  header.set([8, 2, 0, 0, 0], 8)
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), chunk('IHDR', header), chunk('IDAT', Buffer.from([0x78, 0x9c, 3, 0, 0, 0, 0, 1])), chunk('IEND', Buffer.alloc(0))])
}
