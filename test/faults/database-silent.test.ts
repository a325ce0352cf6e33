import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import t, { type Test } from 'tap'
import { callOnce } from '../chaos/api.js'
import { ServerProcess } from '../chaos/server-process.js'
import { requirePostgres, skipWithoutPostgres } from '../postgres.js'
import { Caller, eventually } from './process.js'

/** A connection to PostgreSQL that accepts everything and, once it is dead, delivers nothing, like a lost route. */
async function line (t: Test, target: URL): Promise<{ port: number, cut: () => void, mend: () => void }> {
  let dead = false
  const sockets = new Set<Socket>()
  const server = createServer(client => {
    const upstream = connect(Number(target.port || 5432), target.hostname)
    for (const [from, to] of [[client, upstream], [upstream, client]] as const) {
      sockets.add(from)
      from.on('error', () => {})
      from.on('data', bytes => { if (!dead) to.write(bytes) })
      from.on('close', () => {
        sockets.delete(from)
        to.destroy()
      })
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const endAll = (): void => { for (const socket of sockets) socket.destroy() }
  t.teardown(() => {
    endAll()
    server.close()
  })
  return {
    port: (server.address() as AddressInfo).port,
    cut: () => { dead = true },
    mend () {
      dead = false
      endAll()
    }
  }
}

await t.test('a PostgreSQL that gives no answer', { skip: await skipWithoutPostgres() }, async t => {
  const url = new URL(await requirePostgres())
  const schema = `silent_${randomBytes(6).toString('hex')}`
  t.teardown(async () => {
    const client = new pg.Client(url.href)
    await client.connect()
    await client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
    await client.end()
  })
  const database = await line(t, url)
  const behind = new URL(url)
  behind.hostname = '127.0.0.1'
  behind.port = String(database.port)
  behind.searchParams.set('schema', schema)
  const server = await ServerProcess.create({ DATABASE_URL: behind.href, RATE_LIMIT_PER_MINUTE: '1000' })
  t.teardown(async () => { await server.dispose() })
  await server.start()
  const [anna, ben] = [new Caller(server, 'anna'), new Caller(server, 'ben')]
  const conversationId = await anna.direct(ben)
  const stream = await ben.stream(t, { conversationId })
  await stream.next('connected')

  database.cut()
  const answers = await Promise.all([
    ...Array.from({ length: 12 }, async (_, index) => await anna.send(conversationId, 'x', `c${index}`)),
    ben.call('GET', '/api/chat/conversations'), ben.call('GET', '/api/chat/me'), ben.call('POST', '/api/sse/tickets'), new Caller(server, 'cleo').call('GET', '/api/chat/me')
  ])
  for (const { status, ms, headers, body } of answers) {
    t.match([status, body.code], [503, 'UNAVAILABLE'])
    t.ok(headers['retry-after'])
    t.ok(ms < 14_000, `answered after ${Math.round(ms)} ms`)
  }
  t.equal((await callOnce(server.port, 'GET', '/health/live')).status, 200)
  t.equal((await callOnce(server.port, 'GET', '/health/ready')).status, 503)

  database.mend()
  await eventually('it is ready', async () => (await callOnce(server.port, 'GET', '/health/ready')).status === 200)
  for (let index = 0; index < 12; index++) t.match((await anna.send(conversationId, 'x', `c${index}`)).status, /20[01]/)
  const events = await stream.durable(12)
  t.strictSame(events.map(({ data }) => data.seq), Array.from({ length: 12 }, (_, index) => index + 1), 'the open stream goes on: each once')
})
