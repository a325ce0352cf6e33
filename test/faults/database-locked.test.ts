import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { lockSqlite, openSqlite } from '../chaos/database.js'
import { Caller, eventually, startServer, temporaryFolder } from './process.js'

const LOCK_MS = 10_000
/** A write waits five seconds for its turn, and as long for the lock. */
const BOUND_MS = 11_000

await t.test('a database that somebody else holds for ten seconds', async t => {
  const file = join(temporaryFolder(t), 'chat.db')
  const server = await startServer(t, file, { HEARTBEAT_MS: '500' })
  const anna = new Caller(server, 'anna')
  const ben = new Caller(server, 'ben')
  const conversationId = await anna.direct(ben)
  const one = await ben.stream(t, { conversationId })
  const all = await ben.stream(t)
  await Promise.all([one, all].map(async stream => await stream.next('connected')))
  await anna.send(conversationId, 'before', 'before')
  await Promise.all([one, all].map(async stream => await stream.next('message')))

  const release = await lockSqlite(file)
  const lockedAt = Date.now()

  // Writes all the while, and checks liveness and readiness.
  const acknowledged: string[] = []
  const refusals: number[] = []
  const waits: number[] = []
  let late = 0
  const write = async (clientId: string): Promise<void> => {
    const { status, body, headers, ms } = await anna.send(conversationId, clientId, clientId)
    waits.push(ms)
    if (status === 201) {
      acknowledged.push(clientId)
      return
    }
    refusals.push(status)
    t.equal(body.code, 'UNAVAILABLE')
    t.ok(Number(headers['retry-after']) > 0, 'says when to come again')
  }
  const writes: Array<Promise<void>> = []
  const lives: number[] = []
  const reads: number[] = []
  for (let n = 0; Date.now() < lockedAt + LOCK_MS; n++) {
    writes.push(write(`during ${n}`))
    const probe = await anna.call('GET', '/health/live')
    lives.push(probe.status)
    if (probe.ms > 1000) late++
    // Readers do not block a writer.
    reads.push((await ben.call('GET', `/api/chat/conversations/${conversationId}/messages`)).status)
    if (n === 20) {
      const turnedAway = await ben.stream(t, { conversationId })
      t.equal(turnedAway.status, 200)
      const { data } = await turnedAway.next('disconnect')
      t.match(data, { reason: 'unavailable', retryAfterMs: Number })
      t.equal(turnedAway.retry, data.retryAfterMs)
      await turnedAway.ended
      t.equal(turnedAway.events.length, 1, 'and nothing else')
    }
    await sleep(100)
  }
  release()
  await Promise.all(writes)
  t.ok(refusals.length > 0 && refusals.every(status => status === 503), `${refusals.length} writes were refused with 503`)
  t.ok(Math.max(...waits) < BOUND_MS, `no answer took longer than ${BOUND_MS} ms: ${Math.round(Math.max(...waits))}`)
  t.ok(lives.every(status => status === 200), 'liveness stays')
  t.ok(late <= 2, 'and answers at once')
  t.ok(reads.every(status => status === 200), 'what is written can be read')

  await write('after')
  t.ok(acknowledged.includes('after'), 'it goes on')
  await eventually('ready', async () => (await anna.call('GET', '/health/ready')).status === 200)
  for (const stream of [one, all]) {
    const events = await stream.until(({ data }) => data.clientId === 'after')
    const clientIds = events.filter(({ type }) => type === 'message').map(({ data }) => data.clientId)
    t.strictSame(acknowledged.filter(clientId => !clientIds.includes(clientId)), [], 'everything acknowledged came')
    t.equal(new Set(clientIds).size, clientIds.length, 'once')
    t.notOk(stream.events.some(({ type }) => type === 'disconnect'), 'on a stream that stayed open')
  }
  const database = openSqlite(file)
  t.teardown(async () => { await database.close() })
  const { messages } = await database.snapshot()
  t.strictSame([...acknowledged, 'before'].filter(clientId => messages.filter(message => message.clientId === clientId).length !== 1), [], 'and is there once')
})

await t.test('a start waits for the lock', async t => {
  const file = join(temporaryFolder(t), 'chat.db')
  const server = await startServer(t, file)
  const anna = new Caller(server, 'anna')
  await anna.call('GET', '/api/chat/me')
  await server.kill()
  const release = await lockSqlite(file)
  // Longer than a write would wait.
  setTimeout(release, 6500)
  await server.start()
  t.equal((await anna.call('GET', '/api/chat/me')).status, 200)
})
