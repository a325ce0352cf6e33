import { once } from 'node:events'
import { connect, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import Fastify, { type FastifyInstance } from 'fastify'
import { test, type Test } from 'tap'
import chat from '../index.js'
import { baseUrl, SECRET, throwAwayStore, token } from './helper.js'

/** A host app that speaks HTTP/2, and a connection to it. */
async function host (t: Test): Promise<{ app: FastifyInstance, session: ClientHttp2Session }> {
  const store = await throwAwayStore()
  const app = Fastify({ http2: true }) as unknown as FastifyInstance
  await app.register(chat, { ...store.options, jwt: { secret: SECRET } })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const session = connect(baseUrl(app))
  session.on('error', () => {})
  t.teardown(async () => {
    session.destroy()
    await app.close()
    await store.remove()
  })
  return { app, session }
}

function ask (session: ClientHttp2Session, userId = 'alice'): ClientHttp2Stream {
  const stream = session.request({ ':path': '/api/sse', authorization: `Bearer ${token({ sub: userId })}` })
  stream.on('error', () => {})
  return stream
}

test('streams over HTTP/2', async (t) => {
  const warnings: string[] = []
  const warned = ({ message }: Error): void => { warnings.push(message) }
  process.on('warning', warned)
  t.teardown(() => { process.off('warning', warned) })
  const { app, session } = await host(t)
  let text = ''
  const read = ask(session).setEncoding('utf8').on('data', chunk => { text += String(chunk) })
  const [headers] = await once(read, 'response')
  t.match(headers, { ':status': 200, 'content-type': /^text\/event-stream/ })
  const unread = ask(session)
  await once(unread, 'response')
  unread.pause()
  while (app.hub.streamCount < 2 || !text.includes('event: connected')) await sleep(10)

  const since = performance.now()
  await app.close()
  t.ok(performance.now() - since < 4000, 'who reads nothing doesn\'t hold up the closing')
  t.match(text, /event: disconnect\ndata: \{"reason":"shutdown"/)
  t.strictSame(warnings, [])
})

test('a request over HTTP/2 that is given up leaves no stream', async (t) => {
  const { app, session } = await host(t)
  await Promise.all(Array.from({ length: 20 }, async (_, count) => {
    const stream = ask(session)
    setTimeout(() => { stream.close(8) }, count / 2)
    await once(stream, 'close')
  }))
  // The server has read everything before this, and the streams that were given up are closed.
  await once(ask(session, 'bob'), 'response')
  for (let tries = 0; app.hub.streamCount > 1 && tries < 250; tries++) await sleep(20)
  t.equal(app.hub.streamCount, 1)
  const [headers] = await once(ask(session), 'response')
  t.equal(headers[':status'], 200, 'none counts as the user\'s')
})
