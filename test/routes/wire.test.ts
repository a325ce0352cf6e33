import { once } from 'node:events'
import { Agent, get, type IncomingHttpHeaders } from 'node:http'
import { connect } from 'node:net'
import { test } from 'tap'
import { baseUrl, buildListening, token, user, users, type User } from '../helper.js'

/** The bytes on the wire: a reader that splits at any of Unicode's line ends must not be misled. */
const UNICODE_LINE_ENDS = /[\u0085\u2028\u2029]/

test('no line end of Unicode stands raw in a stream, whatever event it is in, live or replayed', async t => {
  const app = await buildListening(t)
  const text = 'one\u2028two\u2029three\u0085four\r\nfive'
  const [alice, bob] = users(app, 'a\u2028lice', 'b\u2029ob') as [User, User]
  await bob.arrive()
  const all = await bob.stream(t)
  const id = await alice.group([bob], text)
  const from = (await all.next('conversationCreated')).id!
  const one = await bob.stream(t, { conversationId: id })
  await alice.typing(id, true)
  const sent = await alice.send(id, text)
  await alice.ok('PATCH', `/api/chat/messages/${sent.id}`, { text: `${text}!` })
  await bob.mark(sent, 'read')
  const resumed = [await bob.stream(t, { lastEventId: from }), await bob.stream(t, { conversationId: id, lastEventId: 'x' }), await alice.stream(t, { echo: 'true', lastEventId: from })]
  await alice.send(id, 'marker')
  for (const stream of [all, one, ...resumed]) {
    const events = await stream.until(({ data }) => data.text === 'marker')
    t.notMatch(stream.raw, UNICODE_LINE_ENDS)
    for (const { type, data } of events) {
      if (type === 'message' && data.text !== 'marker') t.match(data.text, text, 'and nothing is changed by that')
    }
  }
  // `connected` is not written like other events. It contains the id of the user.
  t.match(resumed[2]!.events[0], { type: 'connected', data: { userId: 'a\u2028lice' } })
  t.notMatch((await user(app, 'c\u2028').stream(t, { lastEventId: '\u2028' })).raw, UNICODE_LINE_ENDS)
})

test('a connection that the client wants closed is closed after the stream', async t => {
  const app = await buildListening(t, { chat: { maxStreams: 1 } })
  const { port } = new URL(baseUrl(app))
  const open = async (version: string, connection?: string): Promise<string> => {
    const socket = connect(Number(port), '127.0.0.1')
    socket.write(`GET /api/sse?token=${token({ sub: 'alice' })} HTTP/${version}\r\nHost: x\r\n${connection === undefined ? '' : `Connection: ${connection}\r\n`}\r\n`)
    let answer = ''
    socket.on('data', chunk => { answer += String(chunk) })
    await once(socket, 'end')
    return answer
  }
  const held = await user(app, 'alice').stream(t)
  for (const [version, connection] of [['1.1', 'close'], ['1.1', 'Close'], ['1.0', undefined]] as const) {
    const answer = await open(version, connection)
    t.match(answer, /^HTTP\/1\.1 200 .*\r\nconnection: close\r\n.*unavailable/is, `HTTP/${version} ${connection}`)
    t.notMatch(answer, /keep-alive/i)
  }

  // A connection that the client does not want closed serves another request.
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => { agent.destroy() })
  const ask = async (path: string): Promise<{ headers: IncomingHttpHeaders, localPort: number | undefined }> => await new Promise(resolve => {
    get(`${baseUrl(app)}${path}`, { agent }, response => {
      const { headers, socket: { localPort } } = response
      response.resume().once('end', () => { resolve({ headers, localPort }) })
    })
  })
  const stream = await ask(`/api/sse?token=${token({ sub: 'alice' })}`)
  t.equal(stream.headers.connection, 'keep-alive')
  t.equal((await ask('/health/live')).localPort, stream.localPort, 'the same connection')

  // A stream that lasts, and then ends.
  await held.close()
  while (app.hub.streamCount > 0) await new Promise(resolve => setImmediate(resolve))
  const lasting = open('1.1', 'close')
  while (app.hub.streamCount === 0) await new Promise(resolve => setImmediate(resolve))
  await app.hub.endAll('shutdown')
  t.match(await lasting, /connection: close.*connected.*shutdown/is)
})
