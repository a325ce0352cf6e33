import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'
import { test, type Test } from 'tap'
import { Installation, skipWithout } from '../cluster/installation.js'
import { build, uniqueId, user, type User } from '../helper.js'

/** A proxy in front of PostgreSQL. It counts, for each transaction, how often the client has waited for the server and then sent again. */
async function countingProxy (t: Test, url: string): Promise<{ url: string, transactions: Array<{ trips: number, text: string }> }> {
  const target = new URL(url)
  const [host, port] = [target.hostname, Number(target.port === '' ? 5432 : target.port)]
  const transactions: Array<{ trips: number, text: string }> = []
  const proxy = createServer(client => {
    const server = connect(port, host)
    let current: { trips: number, text: string } | undefined
    let answered = false
    client.on('data', chunk => {
      const text = chunk.toString('latin1')
      if (text.includes('BEGIN ISOLATION')) current = { trips: 0, text: '' }
      if (current !== undefined) {
        if (answered || current.trips === 0) current.trips++
        current.text += text
        if (text.includes('COMMIT\0')) {
          transactions.push(current)
          current = undefined
        }
      }
      answered = false
      server.write(chunk)
    })
    server.on('data', chunk => {
      answered = true
      client.write(chunk)
    })
    for (const [one, other] of [[client, server], [server, client]] as const) one.on('error', () => {}).on('close', () => { other.destroy() })
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  t.teardown(() => { proxy.close() })
  target.hostname = '127.0.0.1'
  target.port = String((proxy.address() as AddressInfo).port)
  return { url: target.href, transactions }
}

test('a transaction that sends messages is three round trips to PostgreSQL', { skip: await skipWithout('PostgreSQL') }, async t => {
  const installation = await Installation.create(t, 'PostgreSQL')
  const { url, transactions } = await countingProxy(t, installation.env['DATABASE_URL']!)
  const app = await build(t, { chat: { databaseUrl: url } })
  const [alice, bob, cleo] = ['alice', 'bob', 'cleo'].map(name => user(app, uniqueId(name))) as [User, User, User]
  const direct = await alice.direct(bob)
  const group = await alice.group([bob, cleo], 'Three')
  const first = await alice.send(direct, 'first', { clientId: 'first' })

  const cases: Record<string, { call: () => Promise<unknown>, trips: number }> = {
    'a message': { call: async () => await alice.send(direct, 'plain'), trips: 3 },
    'a message with a client id': { call: async () => await bob.send(direct, 'with id', { clientId: 'x' }), trips: 3 },
    'several at once': { call: async () => await Promise.all([alice.send(direct, 'a'), bob.send(direct, 'b'), cleo.send(group, 'c', { clientId: 'c' })]), trips: 3 },
    'a repeated one': { call: async () => await alice.call('POST', '/api/chat/messages', { conversationId: direct, text: 'first', clientId: 'first' }), trips: 2 },
    'a message that mentions somebody': { call: async () => await cleo.send(group, 'bob', { mentions: [{ userId: bob.id }] }), trips: 4 },
    'a reply': { call: async () => await bob.send(direct, 'yes', { replyToId: first.id }), trips: 4 },
    reading: { call: async () => await bob.ok('PUT', `/api/chat/conversations/${direct}/read`, { seq: 3 }), trips: 5 }
  }
  for (const [name, { call, trips }] of Object.entries(cases)) {
    transactions.length = 0
    await call()
    // Housekeeping has transactions of its own.
    const sending = transactions.filter(({ text }) => text.includes(alice.id) || text.includes(bob.id) || text.includes(cleo.id))
    t.ok(sending.length > 0, name)
    for (const one of sending) t.ok(one.trips <= trips, `${name}: ${one.trips} of ${trips}`)
  }
})
