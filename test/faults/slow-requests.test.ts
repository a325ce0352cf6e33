import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { test, type Test } from 'tap'
import { readFilePart } from '../../plugins/multipart.js'
import { timesOf } from '../../plugins/upload-time.js'
import { buildWithFiles, multipart, onDisk } from '../files/upload.js'
import { eventually } from './process.js'
import { baseUrl, buildListening, listen, token, user, users, type User } from '../helper.js'

const REQUEST_TIMEOUT_MS = 300

/** A connection on which a byte is sent now and then, or none if it is empty, until the server closes it. */
class Dripping {
  readonly socket: Socket
  answer = ''
  #dripping = true

  constructor (t: Test, app: FastifyInstance, start: string, byte = 'x') {
    this.socket = connect(Number(new URL(baseUrl(app)).port), '127.0.0.1')
    this.socket.on('data', chunk => { this.answer += String(chunk) })
    // The server closes it during this write.
    this.socket.on('error', () => {})
    this.socket.write(start)
    t.teardown(() => {
      this.#dripping = false
      this.socket.destroy()
    })
    void this.#drip(byte)
  }

  /** Resolves when the server has closed the connection. */
  async closed (): Promise<string> {
    // Not `once`, which would throw where the connection is reset.
    if (!this.socket.closed) await new Promise<void>(resolve => { this.socket.once('close', () => { resolve() }) })
    return this.answer
  }

  async #drip (byte: string): Promise<void> {
    while (this.#dripping && this.socket.writable) {
      this.socket.write(byte)
      await sleep(20)
    }
  }
}

const post = (path: string, authorization: string): string =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n{"text":"`

test('a request that doesn\'t come in ends, whether it was answered or not', async t => {
  const app = await buildListening(t, { requestTimeout: REQUEST_TIMEOUT_MS, chat: { page: true } })
  const bearer = `Bearer ${token({ sub: 'alice' })}`
  await Promise.all([
    ['a body', post('/api/chat/messages', bearer), /^HTTP\/1\.1 408 [^]*"code":"REQUEST_TIMEOUT"[^]*\}$/],
    ['chunks', post('/api/chat/messages', bearer).replace('Content-Length: 60000', 'Transfer-Encoding: chunked').replace(/\{.*/, 'ffff\r\n'), /^HTTP\/1\.1 408 /],
    ['headers', 'GET /health/live HTTP/1.1\r\nHost: x\r\nX-Slow: ', /^HTTP\/1\.1 408 /],
    ['a body after a 401', post('/api/chat/messages', 'Bearer none'), /^HTTP\/1\.1 401 (?![^]*HTTP\/1\.1)/],
    ['a body after a 404', post('/nowhere', bearer), /^HTTP\/1\.1 4\d\d /],
    ['a body of a GET', 'GET /health/live HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n', /^HTTP\/1\.1 200 (?![^]*HTTP\/1\.1)/]
  ].map(async ([what, start, answer]) => {
    t.match(await new Dripping(t, app, start as string).closed(), answer as RegExp, what as string)
  }))
})

test('streams are not touched by it, and no second answer is written into one', async t => {
  const app = await buildListening(t, { requestTimeout: REQUEST_TIMEOUT_MS, chat: { heartbeatMs: 100 } })
  const [alice, bob] = users(app, 'alice', 'bob') as [User, User]
  const id = await alice.direct(bob)
  const stream = await bob.stream(t, { conversationId: id })
  // Bytes after the request of a stream are the beginning of another request.
  const open = `GET /api/sse HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${user(app, 'bob').token}\r\n\r\n`
  const behind = new Dripping(t, app, `${open}POST /slow`)
  const rubbish = new Dripping(t, app, open, '')
  await once(rubbish.socket, 'data')
  rubbish.socket.write('\r\n\r\nrubbish\r\n\r\n')
  // As long as it takes until another request is given up.
  await new Dripping(t, app, post('/api/chat/messages', `Bearer ${alice.token}`)).closed()
  await new Dripping(t, app, post('/api/chat/messages', `Bearer ${alice.token}`)).closed()
  await alice.send(id, 'still there')
  t.match((await stream.next('message')).data, { text: 'still there' })
  t.ok(stream.comments.length > 0)
  for (const connection of [behind, rubbish]) {
    const answer = await connection.closed()
    t.match(answer, /^HTTP\/1\.1 200 [^]*connected/)
    t.equal(answer.split('HTTP/1.1').length, 2, 'one answer')
  }
})

test('the standalone server\'s own limit is a minute', async t => {
  const app = await buildListening(t)
  t.equal(app.server.requestTimeout, 60_000)
})

const uploadOf = (length: number, authorization = 'x'): string =>
  `POST /api/chat/files HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nContent-Type: ${multipart([]).headers['content-type']}\r\nContent-Length: ${length}\r\n\r\n`

test('an upload may take longer than other requests, as long as it comes in', async t => {
  const { app, dir } = await buildWithFiles(t, { requestTimeout: REQUEST_TIMEOUT_MS })
  await listen(app)
  const bearer = `Bearer ${token({ sub: 'alice' })}`
  const { payload } = multipart([{ bytes: Buffer.alloc(70_000, 'x') }])
  const socket = connect(Number(new URL(baseUrl(app)).port), '127.0.0.1')
  t.teardown(() => { socket.destroy() })
  socket.write(uploadOf(payload.length, bearer))
  socket.write(payload.subarray(0, 66_000))
  await eventually('it is being received', async () => onDisk(dir).length > 0)
  const stranger = new Dripping(t, app, uploadOf(payload.length, 'Bearer none'))
  // It began later, and is given up.
  t.match(await new Dripping(t, app, post('/api/chat/messages', bearer)).closed(), /^HTTP\/1\.1 408 /)
  t.match(await stranger.closed(), /^HTTP\/1\.1 401 /, 'an upload that was refused is not waited for')
  socket.write(payload.subarray(66_000))
  t.match(String((await once(socket, 'data'))[0]), /^HTTP\/1\.1 201 /)
  // The next request on the connection has the usual time.
  socket.write(post('/api/chat/messages', bearer))
  t.match(String((await once(socket, 'data'))[0]), /^HTTP\/1\.1 408 /)
})

test('an upload may not pause for ever, nor go on for ever', async t => {
  t.strictSame(timesOf(26_214_400), { pauseMs: 60_000, totalMs: 1_660_000 })
  const { payload } = multipart([{ bytes: Buffer.alloc(5000) }])
  for (const [what, times, sent] of [
    ['no part yet', { pauseMs: 50, totalMs: 1e6 }, ''],
    ['a pause within the file', { pauseMs: 50, totalMs: 1e6 }, payload.subarray(0, 2000)],
    ['in all', { pauseMs: 1e6, totalMs: 50 }, payload.subarray(0, 2000)]
  ] as const) {
    let ended: (error: unknown) => void = () => {}
    const end = new Promise(resolve => { ended = resolve })
    const server = createServer((request, response) => {
      readFilePart(request, times).then(async ({ content }) => { for await (const chunk of content) void chunk }).then(() => { ended('whole') }, ended)
        .finally(() => { response.end() })
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    socket.write(uploadOf(payload.length))
    socket.write(sent)
    t.match(await end, { code: 'REQUEST_TIMEOUT' }, what)
    socket.destroy()
    server.close()
  }
})
