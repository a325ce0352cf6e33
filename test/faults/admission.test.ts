import { once } from 'node:events'
import { connect, type AddressInfo } from 'node:net'
import { Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { chatError } from '../../errors.js'
import { CommitUnknown } from '../../store/outage.js'
import type { EventReader } from '../event-reader.js'
import { buildListening, user } from '../helper.js'
import { eventually } from './process.js'

// Commits between reading what a stream may follow and the beginning of the stream.

/** Slows transactions down. While one waits, a stream is admitted by what the transaction has not changed yet. */
function slowTransactions ({ chatDatabase }: FastifyInstance, ms: number): void {
  const { transaction } = chatDatabase
  chatDatabase.transaction = async work => await transaction(async (sql, early) => {
    const result = await work(sql, early)
    await sleep(ms)
    return result
  })
}

const SLOW_MS = 60

await t.test('a message that is committed while a stream is admitted comes once', async t => {
  const app = await buildListening(t)
  const anna = user(app, 'anna')
  const ben = user(app, 'ben')
  const conversationId = await anna.direct(ben)
  // Another user already follows it.
  const watcher = await ben.stream(t)
  const first = await anna.send(conversationId, 'first')
  const { id: lastId } = await watcher.next('message')
  slowTransactions(app, SLOW_MS)

  for (const [what, query, headers] of [
    ['all, from now on', {}, {}],
    ['all, resumed', {}, { 'last-event-id': lastId! }],
    ['one, from now on', { conversationId }, {}]
  ] as Array<[string, Record<string, string>, Record<string, string>]>) {
    const sent = anna.send(conversationId, what)
    await sleep(SLOW_MS / 4)
    const stream = await ben.openStream(t, query, headers)
    const { id } = await sent
    await anna.send(conversationId, `${what}, the last`)
    const events = await stream.until(({ data }) => data.text === `${what}, the last`)
    const start = events[0]!
    const seqs = events.filter(({ type }) => type === 'message').map(({ data }) => data.eventSeq as number)
    t.ok(seqs.every((seq, index) => index === 0 || seq === seqs[index - 1]! + 1), `${what}: in order, without a hole: ${seqs.join()}`)
    // On a stream of one conversation, `connected` may come after it: then it is in the history.
    if (!('conversationId' in query)) t.equal(events.filter(({ data }) => data.id === id).length, 1, `${what}: began at ${start.id}`)
    t.notOk(events.some(({ data }) => data.id === first.id), `${what}: nothing from before`)
  }
})

await t.test('who is removed while their stream is admitted gets nothing more', async t => {
  const app = await buildListening(t)
  const anna = user(app, 'anna')
  const ben = user(app, 'ben')
  const cleo = user(app, 'cleo')
  const conversationId = await anna.group([ben, cleo])
  const watcher = await cleo.stream(t)
  await anna.send(conversationId, 'first')
  const { id: lastId } = await watcher.next('message')
  slowTransactions(app, SLOW_MS)

  for (const [what, query, headers] of [
    ['one', { conversationId }, {}],
    ['all', {}, {}],
    ['all, resumed', {}, { 'last-event-id': lastId! }]
  ] as Array<[string, Record<string, string>, Record<string, string>]>) {
    const removed = anna.call('DELETE', `/api/chat/conversations/${conversationId}/participants/ben`)
    await sleep(SLOW_MS / 4)
    const stream = await ben.openStream(t, query, headers)
    t.equal((await removed).status, 204)
    const { id } = await anna.send(conversationId, `${what}: a secret`)
    await watcher.until(({ data }) => data.id === id)
    // An event of another conversation comes last.
    const other = await anna.direct(ben)
    await anna.send(other, `${what}: the end`)
    const events = 'conversationId' in query
      ? (await stream.ended, stream.events)
      : await stream.until(({ data }) => data.text === `${what}: the end`)
    t.notOk(events.some(({ data }) => data.id === id), `${what}: ${events.map(({ type }) => type).join()}`)
    await stream.close()
    await anna.ok('POST', `/api/chat/conversations/${conversationId}/participants`, { participantIds: ['ben'] })
  }
})

await t.test('who is added while their stream is admitted gets what comes then', async t => {
  const app = await buildListening(t)
  const anna = user(app, 'anna')
  const ben = user(app, 'ben')
  const cleo = user(app, 'cleo')
  const conversationId = await anna.group([cleo])
  await cleo.stream(t)
  await ben.arrive()
  slowTransactions(app, SLOW_MS)
  const added = anna.ok('POST', `/api/chat/conversations/${conversationId}/participants`, { participantIds: ['ben'] })
  await sleep(SLOW_MS / 4)
  const stream = await ben.openStream(t)
  await added
  await anna.send(conversationId, 'welcome')
  const types = (await stream.until(({ data }) => data.text === 'welcome')).map(({ type }) => type)
  t.ok(types.includes('participantJoined'), types.join())
})

await t.test('a request that is cut on its way is not answered: an EventSource would give up', async t => {
  const app = await buildListening(t)
  const { port } = app.server.address() as AddressInfo
  const socket = connect(port, '127.0.0.1')
  let answer = ''
  socket.on('data', bytes => { answer += String(bytes) })
  socket.end('GET /api/sse HTTP/1.1\r\nHost: x\r\nAuthoriz')
  await once(socket, 'close')
  t.equal(answer, '')
})

await t.test('a stream that was counted by a commit whose answer was lost is counted no longer', async t => {
  const app = await buildListening(t)
  const ben = await user(app, 'ben').arrive()
  const { chatDatabase } = app
  const { transaction } = chatDatabase
  const counted = async (): Promise<number> =>
    Number((await chatDatabase.read.query<{ count: bigint }>('SELECT count(*) AS count FROM chat_streams'))[0]!.count)
  chatDatabase.transaction = async work => {
    const result = await transaction(work)
    // Another commit of the node, such as that of its lease.
    if (await counted() === 0) return result
    chatDatabase.transaction = transaction
    throw chatError('UNAVAILABLE', { cause: new CommitUnknown('The connection broke during the commit') })
  }
  const stream = await ben.openStream(t)
  t.match(await stream.next(), { type: 'disconnect', data: { reason: 'unavailable' } })
  await eventually('no stream is counted', async () => await counted() === 0)
})

await t.test('a stream that could not be counted says nothing about its user', async t => {
  const app = await buildListening(t)
  const ben = await user(app, 'ben').arrive()
  await ben.ok('PUT', '/api/chat/status/online', { isOnline: true })
  const { chatDatabase } = app
  const until = async (): Promise<number> => Number((await chatDatabase.read.query<{ online_until: bigint }>('SELECT online_until FROM chat_users WHERE id = ?', 'ben'))[0]!.online_until)
  const before = await until()
  const { transaction } = chatDatabase
  chatDatabase.transaction = async () => { throw chatError('UNAVAILABLE') }
  const stream = await ben.openStream(t)
  t.match(await stream.next(), { type: 'disconnect', data: { reason: 'unavailable' } })
  chatDatabase.transaction = transaction
  // Written after everything that resulted from it.
  await user(app, 'anna').arrive()
  t.equal(await until(), before, 'online for as long as they have said')
})

await t.test('what is no refusal ends a stream so that it comes back, and is logged', async t => {
  const logged: string[] = []
  const log = new Writable({ write (line: Buffer, _encoding, done) { logged.push(line.toString()); done() } })
  const turnedAway = async (stream: EventReader): Promise<void> => {
    t.equal(stream.status, 200)
    const { data } = await stream.next('disconnect')
    t.match(data, { reason: 'unavailable', retryAfterMs: Number })
    t.equal(stream.retry, data.retryAfterMs)
    await stream.ended
  }
  const app = await buildListening(t, { log })
  const { admit } = app.chat.streams
  for (const [what, broken] of Object.entries({
    'a mistake before the head': async () => { throw new TypeError('a mistake before the head') },
    'a mistake behind the head': async () => ({ begin () { throw new TypeError('a mistake behind the head') } })
  })) {
    app.chat.streams.admit = broken
    await turnedAway(await user(app, 'anna').openStream(t))
    await eventually('it is logged', () => logged.some(line => line.includes(what)))
  }
  app.chat.streams.admit = admit
  t.ok(await user(app, 'anna').stream(t))

  const host = await buildListening(t, { log, chat: { authenticate: () => { throw new Error('the host has a bad day') } } })
  await turnedAway(await user(host, 'anna').openStream(t))
  await eventually('it is logged', () => logged.some(line => line.includes('the host has a bad day')))
})
