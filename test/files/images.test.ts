import { createReadStream, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import t, { type Test } from 'tap'
import { loadDecoder } from '../../files/decoder.js'
import { Thumbnails } from '../../files/images.js'
import { Intake, type Draft } from '../../files/intake.js'
import { hugePng, picture, SECRETS } from './pictures.js'

const decoder = await loadDecoder()
const ways = { 'with sharp': new Thumbnails(loadDecoder), 'without sharp': new Thumbnails(async () => undefined), 'not decoded': undefined }
const never = new AbortController().signal

function intake (t: Test, thumbnails: Thumbnails | undefined): { scratch: string, receive: (name: string, bytes: Buffer) => Promise<Draft> } {
  const scratch = mkdtempSync(join(tmpdir(), 'chat-intake-'))
  t.teardown(() => { rmSync(scratch, { recursive: true, force: true }) })
  const made = new Intake({ scratch, maxBytes: 30_000_000, types: [], thumbnails })
  return { scratch, receive: async (name, bytes) => await made.receive(name, pieces(bytes), never) }
}

async function * pieces (bytes: Buffer): AsyncIterable<Buffer> {
  for (let at = 0; at < bytes.length; at += 10_000) yield bytes.subarray(at, at + 10_000)
}

for (const [way, thumbnails] of Object.entries(ways)) {
  const decodes = way === 'with sharp'
  for (const format of ['jpeg', 'png', 'webp', 'gif', 'avif'] as const) {
    await t.test(`${format}: nothing is kept but the picture, ${way}`, async t => {
      const { receive, scratch } = intake(t, thumbnails)
      const bytes = await picture(format, { width: 400, height: 300 })
      t.ok(bytes.includes(SECRETS[0]!), 'the camera writes its name')
      const draft = await receive(`x.${format}`, bytes)
      const stored = readFileSync(draft.path)
      for (const secret of SECRETS) t.notOk(stored.includes(secret), secret)
      t.match(draft, { type: `image/${format}`, size: stored.length, image: { width: 400, height: 300 } })
      const pixels = async (of: Buffer): Promise<Buffer> => await sharp(of, { animated: true }).raw().toBuffer()
      t.ok((await pixels(stored)).equals(await pixels(bytes)), 'not a pixel has changed')
      if (format === 'gif') t.equal((await sharp(stored).metadata()).pages, 3, 'it stays animated')
      if (!decodes) {
        t.equal(draft.thumbnailPath, null)
        t.equal(draft.image!.thumbhash, null)
      } else {
        t.match(await sharp(draft.thumbnailPath!).metadata(), { format: 'webp', width: 320, height: 240 })
        t.match(draft.image!.thumbhash, /^[\w+/]{20,40}={0,2}$/)
      }
      t.equal(readdirSync(scratch).length, decodes ? 2 : 1)
    })
  }

  for (const format of ['jpeg', 'png', 'webp', 'avif'] as const) {
    await t.test(`${format}: a phone that was held upright, ${way}`, async t => {
      const { receive } = intake(t, thumbnails)
      const bytes = await picture(format, { width: 400, height: 300, orientation: 6 })
      const draft = await receive('x', bytes)
      const stored = readFileSync(draft.path)
      for (const secret of SECRETS) t.notOk(stored.includes(secret), secret)
      t.match(draft.image, { width: 300, height: 400 }, 'dimensions of the upright picture')
      const { orientation, autoOrient } = await sharp(stored).metadata()
      t.match(autoOrient, { width: 300, height: 400 }, 'how to turn it is kept')
      if (format !== 'avif') t.equal(orientation, 6)
      if (decodes) t.match(await sharp(draft.thumbnailPath!).metadata(), { width: 240, height: 320 })
    })
  }

  await t.test(`a picture may have 50 megapixels, ${way}`, async t => {
    const { receive, scratch } = intake(t, thumbnails)
    for (const [width, height] of [[100_000, 100_000], [7072, 7072], [50_000_001, 1]] as const) {
      await t.rejects(receive('x.png', hugePng(width, height)), { code: 'FILE_INVALID' }, `${width} × ${height}`)
    }
    t.strictSame(readdirSync(scratch), [])
  })

  await t.test(`what comes behind a picture is cut off, ${way}`, async t => {
    const { receive } = intake(t, thumbnails)
    for (const format of ['jpeg', 'png', 'webp', 'gif', 'avif'] as const) {
      // As the film of a live photo, in a box of its own, and as anything
      for (const tail of ['\0\0\0\x19mpvd<script>alert', '<script>alert(1)</script>PK\x03\x04']) {
        const bytes = await picture(format)
        const { path, type, size } = await receive('x.html', Buffer.concat([bytes, Buffer.from(tail)]))
        t.equal(type, `image/${format}`)
        t.notOk(readFileSync(path).includes('script'), format)
        t.ok(size <= bytes.length, format)
      }
    }
  })

  await t.test(`broken pictures, ${way}`, async t => {
    const { receive, scratch } = intake(t, thumbnails)
    for (const format of ['png', 'webp'] as const) {
      const bytes = await picture(format, { width: 200, height: 200, noise: true })
      await t.rejects(receive('x', bytes.subarray(0, bytes.length / 2)), { code: 'FILE_INVALID' }, `half a ${format}`)
    }
    const jpeg = await picture('jpeg', { width: 200, height: 200, noise: true })
    const half = receive('x', jpeg.subarray(0, jpeg.length / 2))
    if (!decodes) t.equal((await half).image!.width, 200, 'only the header is judged')
    else await t.rejects(half, { code: 'FILE_INVALID' }, 'half a JPEG')
    const crumbs = [...Array(2000)].map((_, index) => Buffer.from(index % 2 === 0 ? '\xff\xfe\x00\x02' : '\xff\xdd\x00\x04\x00\x00', 'latin1'))
    await t.rejects(receive('x', Buffer.concat([jpeg.subarray(0, 20), ...crumbs, jpeg.subarray(20)])), { code: 'FILE_INVALID' }, 'a JPEG of crumbs')
    for (let cut = 3; cut < 60; cut += 3) await receive('x', jpeg.subarray(0, cut)).catch((error: { code: string }) => { t.equal(error.code, 'FILE_INVALID', `cut at ${cut}`) })
    t.ok(readdirSync(scratch).length <= 2)
  })
}

await t.test('an AVIF: boxes that are no part of the picture, and one without an end', async t => {
  const { receive } = intake(t, ways['with sharp'])
  const bytes = await picture('avif', { width: 64, height: 48, noise: true })
  const pixels = async (of: Buffer): Promise<Buffer> => await sharp(of).raw().toBuffer()
  const mdat = bytes.indexOf('mdat') - 4
  const uuid = Buffer.from('\0\0\0\x22uuid<x:xmpmeta secret-xmp/>xxx', 'latin1')
  const shifted = await receive('x', Buffer.concat([bytes, uuid, Buffer.from('\0\0\0\x0emdatsecret')]))
  t.notOk(readFileSync(shifted.path).includes('secret'), 'zeros, where something follows')
  t.equal(shifted.size, bytes.length + 0x22 + 14)
  const open = Buffer.concat([bytes.subarray(0, mdat), Buffer.alloc(4), bytes.subarray(mdat + 4), Buffer.from('secret tail')])
  const cut = await receive('x', open)
  t.notOk(readFileSync(cut.path).includes('secret'))
  for (const { path } of [shifted, cut]) t.ok((await pixels(readFileSync(path))).equals(await pixels(bytes)))
  for (const size of [mdat + 4, bytes.length - 5]) await t.rejects(receive('x', bytes.subarray(0, size)), { code: 'FILE_INVALID' }, `cut at ${size}`)
})

await t.test('what no picture needs, inside of what is kept', async t => {
  const { receive } = intake(t, undefined)
  const secret = 'a secret of nineteen'
  const segment = (code: number, content: string): Buffer => {
    const head = Buffer.from([0xff, code, 0, 0])
    head.writeUInt16BE(2 + content.length, 2)
    return Buffer.concat([head, Buffer.from(content, 'latin1')])
  }
  const blocks = (label: number, ...contents: string[]): Buffer =>
    Buffer.from(`!${String.fromCharCode(label)}${contents.map(content => String.fromCharCode(content.length) + content).join('')}\0`, 'latin1')
  const chunk = (type: string, content: Buffer): Buffer => {
    const head = Buffer.from(`${type}....`, 'latin1')
    head.writeUInt32LE(content.length, 4)
    return Buffer.concat([head, content, Buffer.alloc(content.length % 2)])
  }
  const box = (type: string): Buffer => Buffer.from(`\0\0\0${String.fromCharCode(8 + secret.length)}${type}${secret}`, 'latin1')
  const insert = (bytes: Buffer, at: number, ...pieces: Buffer[]): Buffer => Buffer.concat([bytes.subarray(0, at), ...pieces, bytes.subarray(at)])

  const plain = sharp({ create: { width: 40, height: 30, channels: 3, background: '#888', noise: { type: 'gaussian', mean: 128, sigma: 60 } } })
  const [jpeg, avif, gif, webp] = [await plain.jpeg().toBuffer(), await plain.avif({ effort: 0 }).toBuffer(), await picture('gif'), await plain.webp().toBuffer()]
  const tables = (gif[10]! & 0x80) === 0 ? 13 : 13 + 3 * 2 ** ((gif[10]! & 7) + 1)
  const canvas = Buffer.from([2, 0, 0, 0, 39, 0, 0, 29, 0, 0])
  const place = Buffer.from([0, 0, 0, 0, 0, 0, 39, 0, 0, 29, 0, 0, 100, 0, 0, 0])
  const frame = chunk('ANMF', Buffer.concat([place, webp.subarray(12), chunk('EXIF', Buffer.from(secret))]))
  const animation = Buffer.concat([Buffer.from('WEBP'), chunk('VP8X', canvas), chunk('ANIM', Buffer.alloc(6)), frame, frame])
  const pictures: Array<[what: string, bytes: Buffer, picture: Buffer]> = [
    ['a thumbnail in JFIF', insert(jpeg, 2, segment(0xe0, `JFIF\0\x01\x01\0\0\x01\0\x01\x07\x01${secret}.`)), jpeg],
    ['the end of an Adobe segment', insert(jpeg, 2, segment(0xee, `Adobe\0d\0\0\0\0\x01${secret}`)), jpeg],
    ['a text of a GIF', insert(gif, tables, blocks(0x01, '\0'.repeat(12), secret)), gif],
    ['an unknown extension of a GIF', insert(gif, tables, blocks(0x77, secret)), gif],
    ['more blocks of a loop', insert(gif, tables, blocks(0xff, 'NETSCAPE2.0', '\x01\0\0', secret)), gif],
    ['other blocks of a loop', insert(gif, tables, blocks(0xff, 'NETSCAPE2.0', secret)), gif],
    ['more blocks of a control', insert(gif, tables, blocks(0xf9, '\0\0\0\0', secret)), gif],
    ['a chunk in a frame of a WebP', chunk('RIFF', animation), webp],
    ...['free', 'skip', 'mdat', 'styp', 'moof'].map((type): [string, Buffer, Buffer] => [`a box ${type} of an AVIF`, Buffer.concat([avif, box(type)]), avif]),
    ['a property of an AVIF', Buffer.from(avif.toString('latin1').replace('pixi', 'udes'), 'latin1'), avif]
  ]
  for (const [what, bytes, picture] of pictures) {
    const stored = readFileSync((await receive('x', bytes)).path)
    t.notOk(stored.includes(secret) || stored.includes('udes'), what)
    const pixels = async (of: Buffer): Promise<Buffer> => await sharp(of).raw().toBuffer()
    t.ok((await pixels(stored)).equals(await pixels(picture)), 'the picture is the same')
  }
  const loop = gif.indexOf('NETSCAPE2.0') + 11
  const fiveTimes = insert(Buffer.concat([gif.subarray(0, loop), Buffer.from([3, 1, 5, 0]), gif.subarray(loop + 4)]), loop + 4, Buffer.from(`\x14${secret}`))
  const stored = readFileSync((await receive('x', fiveTimes)).path)
  t.notOk(stored.includes(secret))
  t.match(await sharp(stored).metadata(), { pages: 3, loop: 6 }, 'how often it runs stays: five times again')
})

await t.test('a profile of colours may be large', async t => {
  const profile = 1_800_000
  const made = sharp({ create: { width: 40, height: 30, channels: 3, background: '#888' } })
  const jpeg = await made.jpeg().toBuffer()
  const pieces: Buffer[] = []
  for (let left = profile; left > 0; left -= 60_000) {
    const head = Buffer.from('\xff\xe2..ICC_PROFILE\0\x01\x1e', 'latin1')
    head.writeUInt16BE(head.length - 2 + 60_000, 2)
    pieces.push(head, Buffer.alloc(60_000, 1))
  }
  const avif = await made.avif({ effort: 0 }).toBuffer()
  // As long as a profile, in front of the items of an AVIF
  const [meta, mdat, iloc] = ['meta', 'mdat', 'iloc'].map(type => avif.indexOf(type) - 4) as [number, number, number]
  const space = Buffer.alloc(500_000)
  space.writeUInt32BE(space.length)
  space.write('free', 4)
  const larger = Buffer.concat([avif.subarray(0, mdat), space, avif.subarray(mdat)])
  larger.writeUInt32BE(avif.readUInt32BE(meta) + space.length, meta)
  for (let at = iloc; at < iloc + avif.readUInt32BE(iloc); at++) {
    if (avif.readUInt32BE(at) === mdat + 8) larger.writeUInt32BE(mdat + 8 + space.length, at)
  }
  for (const [way, thumbnails] of Object.entries(ways)) {
    const { receive } = intake(t, thumbnails)
    for (const bytes of [Buffer.concat([jpeg.subarray(0, 2), ...pieces, jpeg.subarray(2)]), larger]) {
      t.match((await receive('x', bytes)).image, { width: 40, height: 30 }, way)
    }
  }
})

await t.test('trouble of the disk is not the picture\'s fault', async t => {
  const bytes = await picture('png')
  const { receive, scratch } = intake(t, new Thumbnails(async () => async source => await decoder!(source, join(scratch, 'nowhere', 'x'))))
  await t.rejects(receive('x', bytes), { code: 'UNAVAILABLE', statusCode: 503 }, 'a thumbnail cannot be written')
  t.strictSame(readdirSync(scratch), [])
  rmSync(scratch, { recursive: true })
  await t.rejects(receive('x', bytes), { code: 'UNAVAILABLE', cause: { code: 'ENOENT' } })
  const own = new Intake({ scratch: tmpdir(), maxBytes: 1e6, types: [], thumbnails: undefined })
  await t.rejects(own.receive('x', createReadStream(join(scratch, 'missing')), never), { code: 'ENOENT' }, 'what the source throws stays')
})

await t.test('an upload ends when it is aborted, even if nothing comes', async t => {
  const { scratch } = intake(t, undefined)
  const abort = new AbortController()
  async function * silent (): AsyncIterable<Buffer> {
    yield Buffer.from('x')
    abort.abort(new Error('gone'))
    await new Promise(() => {})
  }
  await t.rejects(new Intake({ scratch, maxBytes: 1e6, types: [], thumbnails: undefined }).receive('x', silent(), abort.signal), { message: 'gone' })
  t.strictSame(readdirSync(scratch), [])
})

await t.test('random damage never ends otherwise than refused or cleaned', async t => {
  const { receive } = intake(t, undefined)
  let seed = 7
  const random = (below: number): number => { seed = (seed * 1103515245 + 12345) % 2147483648; return seed % below }
  for (const format of ['jpeg', 'png', 'webp', 'gif', 'avif'] as const) {
    const bytes = await picture(format)
    for (let round = 0; round < 60; round++) {
      const damaged = Buffer.from(bytes)
      for (let hits = 0; hits <= random(4); hits++) damaged[12 + random(bytes.length - 12)] = random(256)
      try {
        await receive('x', damaged)
      } catch (error) {
        if ((error as { code: string }).code !== 'FILE_INVALID') throw error
      }
    }
  }
})

await t.test('images are decoded one after the other, and not for those who left', async t => {
  const running = { now: 0, most: 0 }
  const thumbnails = new Thumbnails(async () => async (source, target) => {
    running.most = Math.max(running.most, ++running.now)
    const facts = await decoder!(source, target)
    running.now--
    return facts
  })
  const { receive, scratch } = intake(t, thumbnails)
  const bytes = await picture('png')
  const left = new AbortController()
  const leaving = new Intake({ scratch, maxBytes: 1e6, types: [], thumbnails }).receive('x', pieces(bytes), left.signal)
  left.abort(new Error('gone'))
  await Promise.all([t.rejects(leaving, { message: 'gone' }), ...[...Array(5)].map(async () => await receive('x', bytes))])
  t.equal(running.most, 1)
})
