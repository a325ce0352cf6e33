import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { lockSqlite } from '../chaos/database.js'
import type { ServerProcess } from '../chaos/server-process.js'
import { mint } from '../chaos/token.js'
import { Caller, startServer, temporaryFolder } from './process.js'

/** A request whose end the server waits for. */
async function halfRequest (t: Test, { port }: ServerProcess, conversationId: string): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => { socket.destroy() })
  socket.on('error', () => {})
  await once(socket, 'connect')
  socket.write(`POST /api/chat/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${mint('anna')}\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"conversationId":"${conversationId}"`)
}

interface World { server: ServerProcess, file: string, conversationId: string, anna: Caller, ben: Caller }

async function withConversation (t: Test): Promise<World> {
  const file = join(temporaryFolder(t), 'chat.db')
  const server = await startServer(t, file)
  const anna = new Caller(server, 'anna')
  const ben = new Caller(server, 'ben')
  return { server, file, anna, ben, conversationId: await anna.direct(ben) }
}

await t.test('a second signal ends it at once', async t => {
  const { server, conversationId, anna } = await withConversation(t)
  // Something that the server waits for. It has arrived when a later request has been answered.
  await halfRequest(t, server, conversationId)
  await anna.call('GET', '/health/live')
  const ended = server.ended()
  server.signal('SIGTERM')
  while ((await anna.call('GET', '/health/ready')).status !== 503);
  server.signal('SIGTERM')
  const { ms, signal } = await ended
  t.equal(signal, null)
  t.ok(ms < 3000, `after ${ms} ms`)
})

await t.test('peers that take nothing, and a request without an end, hold it no longer than ten seconds', async t => {
  const { server, conversationId, anna, ben } = await withConversation(t)
  const streams = await Promise.all(Array.from({ length: 5 }, async () => await ben.stream(t, { conversationId })))
  for (const stream of streams) {
    await stream.next('connected')
    stream.pause()
  }
  for (let n = 0; n < 50; n++) await anna.send(conversationId, '€'.repeat(4000))
  await halfRequest(t, server, conversationId)
  await anna.call('GET', '/health/live')
  const { code, ms } = await server.terminate()
  t.equal(code, 0)
  t.ok(ms < 10_000, `after ${ms} ms`)
})

await t.test('a locked database holds it no longer, either', async t => {
  const { server, file, conversationId, anna, ben } = await withConversation(t)
  const stream = await ben.stream(t, { conversationId })
  await stream.next('connected')
  const release = await lockSqlite(file)
  t.teardown(release)
  const sending = anna.send(conversationId, 'in vain').catch((error: unknown) => error)
  await anna.call('GET', '/health/live')
  const { code, ms } = await server.terminate()
  t.equal(code, 0)
  t.ok(ms < 10_000, `after ${ms} ms`)
  t.match((await stream.until(({ type }) => type === 'disconnect')).at(-1)!.data, { reason: 'shutdown' })
  t.match(await sending, { status: 503, body: { code: 'UNAVAILABLE' } }, 'the request in flight is answered')
})

await t.test('on its way it forgets nothing that it has promised', async t => {
  const { server, conversationId, anna, ben } = await withConversation(t)
  const stream = await ben.stream(t, { conversationId })
  await stream.next('connected')
  const ended = server.ended()
  const sent = Array.from({ length: 100 }, async (_, n) => await anna.send(conversationId, `${n}`, `${n}`))
  await Promise.race(sent)
  server.signal('SIGTERM')
  const answers = await Promise.allSettled(sent)
  t.equal((await ended).code, 0)
  await server.start()
  const lastId = stream.events.findLast(({ id }) => id !== undefined)!.id!
  const resumed = await ben.stream(t, { conversationId }, { 'last-event-id': lastId })
  await anna.send(conversationId, 'end')
  await resumed.until(({ data }) => data.text === 'end')
  const got = [...stream.events, ...resumed.events].filter(({ type }) => type === 'message').map(({ data }) => data.clientId)
  const promised = answers.flatMap((answer, n) => answer.status === 'fulfilled' && answer.value.status === 201 ? [`${n}`] : [])
  t.strictSame(promised.filter(clientId => got.filter(other => other === clientId).length !== 1), [], `${promised.length} promised, each came once`)
})
