import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { test, type Test } from 'tap'
import { baseUrl, buildListening, token, user, users, type User } from '../helper.js'

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
    if (!this.socket.closed) await once(this.socket, 'close')
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
