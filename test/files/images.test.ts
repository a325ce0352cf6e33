import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
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
  const shifted = await receive('x', Buffer.concat([bytes, uuid, Buffer.from('\0\0\0\x0cfreexxxx')]))
  t.notOk(readFileSync(shifted.path).includes('secret'), 'zeros, where something follows')
  t.equal(shifted.size, bytes.length + 0x22 + 12)
  const open = Buffer.concat([bytes.subarray(0, mdat), Buffer.alloc(4), bytes.subarray(mdat + 4), Buffer.from('secret tail')])
  const cut = await receive('x', open)
  t.notOk(readFileSync(cut.path).includes('secret'))
  for (const { path } of [shifted, cut]) t.ok((await pixels(readFileSync(path))).equals(await pixels(bytes)))
  for (const size of [mdat + 4, bytes.length - 5]) await t.rejects(receive('x', bytes.subarray(0, size)), { code: 'FILE_INVALID' }, `cut at ${size}`)
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
