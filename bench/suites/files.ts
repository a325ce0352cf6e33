import { randomBytes } from 'node:crypto'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import sharp from 'sharp'
import { each } from '../load/caller.js'
import { Pairs, perCall, type Pair } from '../load/pairs.js'
import { tokenOf } from '../load/token.js'
import { cpuMicros, pssKiB } from '../measure/process.js'
import { median, until } from '../measure/statistics.js'
import type { Context, Suite } from '../suite.js'
import { Product } from '../systems/product.js'
import { end, profileArgs, root, spawnServer, temporaryFolder } from '../systems/spawn.js'

const SIZES = { '100 KB': 100_000, '25 MB': 26_214_400 } as const
const CONNECTIONS = 4
const UPLOADS_AT_ONCE = 40
const USER = 'user-1'
const GROUPS = 300
/** Of those who are in every group besides its two. */
const OTHERS = ['anna', 'berta', 'carla', 'dora']
/** As a phone takes it: 12 megapixels. */
const PICTURE = { width: 4000, height: 3000 }

const agent = new Agent({ keepAlive: true, maxSockets: 64 })

interface Answer { status: number, bytes: number, body: string }

async function http (
  port: number, method: string, path: string, headers: Record<string, string>, body: Buffer[] = [], keep = false
): Promise<Answer> {
  return await new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, method, path, agent, headers }, response => {
      let [bytes, text] = [0, '']
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (keep) text += chunk.toString()
      })
      response.on('end', () => { resolve({ status: response.statusCode ?? 0, bytes, body: text }) })
      response.on('error', reject)
    })
    sent.on('error', reject)
    for (const piece of body) sent.write(piece)
    sent.end()
  })
}

const authorization = { authorization: `Bearer ${tokenOf(USER)}` }
const head = Buffer.from('--b\r\nContent-Disposition: form-data; name="file"; filename="x.bin"\r\nContent-Type: application/octet-stream\r\n\r\n')
const tail = Buffer.from('\r\n--b--\r\n')

async function upload (port: number, bytes: Buffer, userId = USER): Promise<string> {
  const length = head.length + bytes.length + tail.length
  const headers = {
    authorization: `Bearer ${tokenOf(userId)}`,
    'content-type': 'multipart/form-data; boundary=b',
    'content-length': String(length)
  }
  const { status, body } = await http(port, 'POST', '/api/chat/files', headers, [head, bytes, tail], true)
  if (status !== 201) throw new Error(`void: ${status} ${body}`)
  return (JSON.parse(body) as { fileId: string }).fileId
}

async function remove (port: number, fileId: string): Promise<void> {
  await http(port, 'DELETE', `/api/chat/files/${fileId}`, authorization)
}

/** CPU of one of so many downloads, in microseconds. */
async function downloads (pid: number, port: number, path: string, headers: Record<string, string>, size: number, count: number): Promise<number> {
  let left = count
  const before = cpuMicros(pid)
  await Promise.all(Array.from({ length: CONNECTIONS }, async () => {
    while (left-- > 0) {
      const { bytes } = await http(port, 'GET', path, headers)
      if (bytes !== size) throw new Error(`void: ${bytes} bytes of ${size}`)
    }
  }))
  return (cpuMicros(pid) - before) / count
}

async function measure (context: Context, product: Product, peer: { pid: number, port: number }, name: keyof typeof SIZES): Promise<void> {
  const size = SIZES[name]
  const bytes = randomBytes(size)
  const isSmall = size < 1_000_000
  const fileId = await upload(product.port, bytes)
  const asked = await http(product.port, 'POST', '/api/chat/files/urls', { ...authorization, 'content-type': 'application/json' },
    [Buffer.from(JSON.stringify({ fileIds: [fileId] }))], true)
  const { url } = (JSON.parse(asked.body) as { urls: Record<string, { url: string }> }).urls[fileId]!
  writeFileSync(join(process.env.STATIC_ROOT!, `${size}.bin`), bytes)
  const count = isSmall ? context.pick(4000, 1000) : context.pick(60, 20)
  // One after the other, so that both see the same machine.
  const round = async (): Promise<Record<'static' | 'signed' | 'token', number>> => ({
    static: await downloads(peer.pid, peer.port, `/${size}.bin`, {}, size, count),
    signed: await downloads(product.pid, product.port, url, {}, size, count),
    token: await downloads(product.pid, product.port, `/api/chat/files/${fileId}`, authorization, size, count)
  })
  // Until V8 has compiled what is used, a small file takes twice as long.
  await round()
  const rounds = await context.repeat(`downloads of ${name}`, round, context.pick(9, 7))
  context.figure('@fastify/static', `CPU a download of ${name}`, 'µs', rounds.map(round => round.static))
  context.figure(product.name, `CPU a download of ${name} by a signed URL`, 'µs', rounds.map(({ signed }) => signed))
  context.figure(product.name, `CPU a download of ${name} with a token`, 'µs', rounds.map(({ token }) => token))
  context.target(`a download of ${name} by a signed URL, of @fastify/static`, median(rounds.map(round => round.signed / round.static)), 1.5, '×')
  context.target(`a download of ${name} with a token, of @fastify/static`, median(rounds.map(round => round.token / round.static)), 1.5, '×')
  const uploads = isSmall ? context.pick(300, 60) : context.pick(20, 6)
  const costs = await context.repeat(`uploads of ${name}`, async () => {
    const before = cpuMicros(product.pid)
    for (let index = 0; index < uploads; index++) await remove(product.port, await upload(product.port, bytes))
    return (cpuMicros(product.pid) - before) / uploads
  }, 3)
  context.figure(product.name, `CPU an upload of ${name}, and deleting it`, 'µs', costs)
}

/** The most memory that the process takes while so many files come in at once, beyond what it had before, in MiB. */
async function memoryOfUploads (context: Context, product: Product): Promise<void> {
  const bytes = randomBytes(SIZES['25 MB'])
  for (let index = 0; index < 4; index++) await remove(product.port, await upload(product.port, bytes))
  const before = pssKiB(product.pid)
  let most = before
  const watch = setInterval(() => { most = Math.max(most, pssKiB(product.pid)) }, 50)
  try {
    const ids = await Promise.all(Array.from({ length: UPLOADS_AT_ONCE }, async () => await upload(product.port, bytes)))
    for (const id of ids) await remove(product.port, id)
  } finally {
    clearInterval(watch)
  }
  const grown = context.figure(product.name, `memory while ${UPLOADS_AT_ONCE} files of 25 MB come in`, 'MiB', [(most - before) / 1024])
  context.target(`memory of ${UPLOADS_AT_ONCE} uploads of 25 MB at once`, grown, 64, 'MiB')
}

/** What a message with a file costs, in turns with a plain one. The file is uploaded before. */
async function compareMessages (context: Context, product: Product): Promise<void> {
  context.progress('making the groups')
  const groups = new Pairs(product, GROUPS, OTHERS)
  await groups.open()
  const costs = { plain: [] as number[], attachment: [] as number[] }
  const files = new Map<string, string>()
  await context.repeat('messages', async () => {
    const left = [...groups.all]
    await Promise.all(Array.from({ length: CONNECTIONS }, async () => {
      for (let pair = left.pop(); pair !== undefined; pair = left.pop()) {
        files.set(pair.a, await upload(product.port, Buffer.from('A small file'), pair.a))
      }
    }))
    const round = async (more: (pair: Pair) => object): Promise<number> =>
      perCall(await groups.work(each(groups.all, pair => groups.message(pair, more(pair))), 1))
    costs.plain.push(await round(() => ({})))
    costs.attachment.push(await round(({ a }) => ({ attachments: [{ fileId: files.get(a) }] })))
  }, context.pick(9, 5))
  groups.close()
  context.figure('groups of six', 'CPU of a plain message', 'µs', costs.plain)
  context.figure('groups of six', 'CPU of a message with a file', 'µs', costs.attachment)
  context.target('a message with a file, of a plain one\'s', median(costs.attachment.map((cost, index) => cost / costs.plain[index]!)), 1.4, '×')
}

/** How late the event loop is while pictures come in and are decoded. */
async function delayOfDecoding (context: Context, folder: string): Promise<void> {
  const file = join(folder, 'loop-delay.json')
  const product = await Product.start({
    env: { FILES_DIR: join(folder, 'decoded'), BENCH_LOOP_DELAY: file, NODE_OPTIONS: `--import=${join(root, 'bench', 'measure', 'loop-delay.js')}` }
  })
  try {
    const noise = { type: 'gaussian', mean: 128, sigma: 20 } as const
    const picture = await sharp({ create: { ...PICTURE, channels: 3, background: '#888', noise } }).jpeg({ quality: 80 }).toBuffer()
    const ask = async (): Promise<{ p99: number, max: number }> => {
      rmSync(file, { force: true })
      process.kill(product.pid, 'SIGUSR2')
      let answer = ''
      await until(() => {
        try { answer = readFileSync(file, 'utf8') } catch { /* Not yet */ }
        return answer !== ''
      }, 10_000, 'the delay of the event loop')
      return JSON.parse(answer) as { p99: number, max: number }
    }
    await remove(product.port, await upload(product.port, picture))
    const delays = await context.repeat('decoding', async () => {
      await ask()
      const ids = await Promise.all(Array.from({ length: 8 }, async () => await upload(product.port, picture)))
      const delay = await ask()
      for (const id of ids) await remove(product.port, id)
      return delay
    })
    const p99 = context.figure(product.name, 'delay of the event loop while decoding, p99', 'ms', delays.map(({ p99 }) => p99))
    context.figure(product.name, 'delay of the event loop while decoding, most', 'ms', delays.map(({ max }) => max))
    context.target('the event loop while pictures of 12 megapixels are decoded, p99', p99, 50, 'ms')
  } finally {
    await product.stop()
  }
}

const suite: Suite = {
  summary: 'uploads and downloads of files, against @fastify/static with the same files; memory of 40 uploads at once; ' +
    'a message with a file, and the event loop while pictures are decoded',
  async run (context) {
    const folder = temporaryFolder()
    process.env.STATIC_ROOT = folder.path
    const product = await Product.start({ env: { FILES_DIR: join(folder.path, 'files') } })
    const { child, match } = await spawnServer(process.execPath, [...profileArgs(), join(root, 'bench', 'peers', 'static.js')],
      { STATIC_ROOT: folder.path }, /listens on http:\/\/127\.0\.0\.1:(\d+)/)
    try {
      await memoryOfUploads(context, product)
      const peer = { pid: child.pid!, port: Number(match[1]) }
      for (const name of Object.keys(SIZES) as Array<keyof typeof SIZES>) await measure(context, product, peer, name)
      await compareMessages(context, product)
      await delayOfDecoding(context, folder.path)
    } finally {
      agent.destroy()
      await product.stop()
      await end(child)
      folder.remove()
    }
  }
}

export default suite
