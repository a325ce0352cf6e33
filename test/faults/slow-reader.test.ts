import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { callOnce } from '../chaos/api.js'
import type { ServerProcess } from '../chaos/server-process.js'
import { SseParser, type SseEvent } from '../chaos/sse-parser.js'
import { mint } from '../chaos/token.js'
import { Caller, eventually, startServer, temporaryFolder } from './process.js'

/** A peer that requests a stream and reads nothing. */
async function silentPeer ({ port }: ServerProcess, userId: string, query: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  await once(socket, 'connect')
  socket.pause()
  // HTTP/1.0: the body arrives without chunks.
  socket.write(`GET /api/sse?${query} HTTP/1.0\r\nAuthorization: Bearer ${mint(userId)}\r\n\r\n`)
  return socket
}

const STEP = 10
/** A text of 12 KB. */
const KERNEL_MESSAGES = 800

async function metric ({ port }: ServerProcess, name: string): Promise<number> {
  const { body } = await callOnce(port, 'GET', '/metrics')
  return Number(new RegExp(`^${name} (.*)$`, 'm').exec(String(body.text))?.[1])
}

/** Sends messages until the condition holds, a few at a time; beyond what the kernel buffers for a peer, slowly. @returns how many */
async function sendUntil (isSo: () => Promise<boolean>, sender: Caller, conversationId: string): Promise<number> {
  let sent = 0
  for (; !await isSo() && sent < 3000; sent += STEP) {
    if (sent > KERNEL_MESSAGES) await sleep(100)
    await Promise.all(Array.from({ length: STEP }, async () => await sender.send(conversationId, '€'.repeat(4000))))
  }
  return sent
}

await t.test('a peer that takes nothing is stale; one that has nothing to take is not', async t => {
  const server = await startServer(t, join(temporaryFolder(t), 'chat.db'), { STALE_AFTER_MS: '1500', HEARTBEAT_MS: '300', STREAM_BUFFER_BYTES: '1000000000' })
  const anna = new Caller(server, 'anna')
  const ben = new Caller(server, 'ben')
  const conversationId = await anna.direct(ben)
  const healthy = await ben.stream(t)
  await healthy.next('connected')
  const silent = await silentPeer(server, 'ben', `conversationId=${conversationId}`)
  t.teardown(() => { silent.destroy() })
  await eventually('both are open', async () => await metric(server, 'chat_streams') === 2)
  // More than the kernel buffers for the peer.
  const sent = await sendUntil(async () => await metric(server, 'chat_streams') < 2, anna, conversationId)
  t.equal(await metric(server, 'chat_streams'), 1, `closed, after ${sent} messages`)
  const events = await healthy.until(({ data }) => data.seq === sent)
  t.equal(events.length, sent, 'the other has got them all')
  t.notOk(healthy.events.some(({ type }) => type === 'disconnect'))
})

await t.test('over its budget, who takes nothing is told too_slow, and can resume', async t => {
  const server = await startServer(t, join(temporaryFolder(t), 'chat.db'), { STREAM_BUFFER_BYTES: '65536' })
  const anna = new Caller(server, 'anna')
  const ben = new Caller(server, 'ben')
  const conversationId = await anna.direct(ben)
  const silent = await silentPeer(server, 'ben', `conversationId=${conversationId}`)
  t.teardown(() => { silent.destroy() })
  await eventually('it is open', async () => await metric(server, 'chat_streams') === 1)
  const sent = await sendUntil(async () => await metric(server, 'chat_streams') < 1, anna, conversationId)
  t.equal(await metric(server, 'chat_streams'), 0, `closed, after ${sent} messages`)
  t.equal(await metric(server, 'chat_streams_too_slow_total'), 1)

  // What the kernel holds for the peer, up to where it was cut.
  const parser = new SseParser()
  const events: SseEvent[] = []
  let head = true
  silent.on('data', (bytes: Buffer) => {
    events.push(...parser.push(head ? bytes.subarray(bytes.indexOf('\r\n\r\n') + 4) : bytes))
    head = false
  })
  silent.resume()
  await once(silent, 'close')
  const lastId = events.findLast(({ id }) => id !== undefined)!.id!
  const resumed = await ben.stream(t, { conversationId }, { 'last-event-id': lastId })
  await anna.send(conversationId, 'end')
  const rest = await resumed.until(({ data }) => data.text === 'end')
  const seqs = [
    ...events.map(({ data }) => JSON.parse(data) as { seq?: number }), ...rest.map(({ data }) => data as { seq?: number })
  ].flatMap(({ seq }) => seq ?? [])
  t.strictSame(seqs, Array.from({ length: sent + 1 }, (_, index) => index + 1), 'everything once, in order')
})

await t.test('who reads more slowly than there is to read falls back to the log, and stays', async t => {
  const server = await startServer(t, join(temporaryFolder(t), 'chat.db'), { STREAM_BUFFER_BYTES: '65536' })
  const anna = new Caller(server, 'anna')
  const ben = new Caller(server, 'ben')
  const conversationId = await anna.direct(ben)
  const socket = connect(server.port, '127.0.0.1')
  t.teardown(() => { socket.destroy() })
  socket.write(`GET /api/sse?conversationId=${conversationId} HTTP/1.0\r\nAuthorization: Bearer ${mint('ben')}\r\n\r\n`)
  const parser = new SseParser()
  const events: SseEvent[] = []
  let head = true
  const take = (bytes: Buffer | null): void => {
    if (bytes === null) return
    events.push(...parser.push(head ? bytes.subarray(bytes.indexOf('\r\n\r\n') + 4) : bytes))
    head = false
  }
  await once(socket, 'readable')
  const sipping = setInterval(() => { take(socket.read(8192) as Buffer | null) }, 200)
  t.teardown(() => { clearInterval(sipping) })
  const sent = await sendUntil(async () => await metric(server, 'chat_streams_fell_behind_total') > 0, anna, conversationId)
  t.ok(await metric(server, 'chat_streams_fell_behind_total') > 0, `after ${sent} messages`)
  clearInterval(sipping)
  const end = new Promise<void>(resolve => {
    socket.on('data', bytes => {
      take(bytes)
      if (events.at(-1)?.data.includes('"the end"') === true) resolve()
    })
  })
  await anna.send(conversationId, 'the end')
  await Promise.race([end, once(socket, 'close')])
  const seqs = events.flatMap(({ type, data }) => type === 'message' ? (JSON.parse(data) as { seq: number }).seq : [])
  t.strictSame(seqs, Array.from({ length: sent + 1 }, (_, index) => index + 1), 'everything once, in order, on one stream')
  t.equal(await metric(server, 'chat_streams_too_slow_total'), 0)
})
