import t from 'tap'
import { callOnce } from '../chaos/api.js'
import { connect } from '../event-reader.js'
import { eventually } from '../faults/process.js'
import { databaseOf, guess, HOUR, isOnline, isTyping, Person, SECOND, skipKind, startNode, step, waitFor, type Kind } from './scene.js'

/** The wall clock of a server is set while it works. Nothing lasts longer or shorter, and no order changes. */

t.setTimeout(240_000)
t.jobs = 2

const cases: Array<[Kind, string, number]> = [
  ['SQLite', 'back 30 s', -30 * SECOND],
  ['SQLite', 'forward 1 h', HOUR],
  ['SQLite', 'back 1 h', -HOUR],
  ['PostgreSQL', 'back 1 h', -HOUR]
]

for (const [kind, name, offset] of cases) {
  t.test(`${kind}, ${name}`, { skip: await skipKind(kind), buffered: true }, async t => {
    const node = await startNode(t, await databaseOf(t, kind))
    const [ann, bob, cid] = ['ann', 'bob', 'cid'].map(id => new Person(id)) as [Person, Person, Person]
    const withBob = await ann.direct(node, bob)
    const withCid = await ann.direct(node, cid)
    const annsStream = await ann.stream(t, node)
    const bobsStream = await bob.stream(t, node)
    const cidsStream = await cid.stream(t, node)

    // Before the step
    const first = await ann.send(node, withBob, 'first')
    const edited = await ann.edit(node, first, 'second')
    t.strictSame(await ann.list(node), [withBob, withCid])
    const ticket = await ann.ticket(node)
    const dora = new Person('dora')
    await dora.register(node)
    t.equal((await guess(node, 'mallory', 11)).status, 429, 'locked')
    await bob.typing(node, withBob)
    await annsStream.until(isTyping(bob, true))
    await cidsStream.close()
    const closedAt = performance.now()

    await step(node, offset)
    await bob.typing(node, withBob)
    const typedAt = performance.now()

    // Order
    await ann.send(node, withCid, 'to cid')
    t.strictSame(await ann.list(node), [withCid, withBob], 'the latest activity comes first')
    const editedAgain = await ann.edit(node, first, 'third')
    t.ok(String(editedAgain.editedAt) > String(edited.editedAt), 'a later edit is later')
    const second = await ann.send(node, withBob, 'after it')
    t.ok(String(second.createdAt) > String(first.createdAt), 'a later message is later')
    t.strictSame(await ann.list(node), [withBob, withCid])
    const conversation = await ann.conversation(node, withBob)
    t.ok(String(conversation.updatedAt) >= String(second.createdAt))
    const deleted = await ann.ok(node, 'DELETE', `/api/chat/messages/${String(first.id)}`)
    t.ok(String(deleted.deletedAt) > String(editedAgain.editedAt), 'deleted after the edit')
    await bob.ok(node, 'PUT', `/api/chat/conversations/${withBob}/read`, { seq: 2 })

    // Durations
    t.equal((await dora.call(node, 'GET', '/api/chat/me')).status, 200, 'a token of the server\'s own is good')
    const locked = await guess(node, 'mallory', 1)
    t.equal(locked.status, 429, 'still locked')
    t.ok(Number(locked.headers['retry-after']) <= 60, `and for a minute at most: ${locked.headers['retry-after']} s`)
    const byTicket = await connect(`${node.server.origin}/api/sse?ticket=${ticket}`, {})
    t.equal(byTicket.status, 200, 'a ticket is good')
    await byTicket.close()

    await eventually('typing lapses', () => annsStream.events.findLast(({ type }) => type === 'typing')?.data.isTyping === false)
    t.ok(performance.now() - typedAt > 5 * SECOND, 'typing lapses 6 s after it was prolonged')
    await waitFor([annsStream], isOnline(cid, false), 30 * SECOND)
    t.ok(performance.now() - closedAt > 14 * SECOND, 'who has left is online for 15 s')
    t.notOk(annsStream.events.some(isOnline(bob, false)), 'who hasn\'t stays online')

    // Streams
    await ann.send(node, withBob, 'last')
    await bobsStream.until(({ data }) => data.text === 'last')
    t.notOk([...annsStream.events, ...bobsStream.events].some(({ type }) => type === 'disconnect'), 'streams stay open')
    const instants = bobsStream.events.filter(({ data }) => data.eventSeq !== undefined && data.conversationId === withBob)
      .map(({ type, data }) => String(data.timestamp ?? data.deletedAt ?? data.editedAt ?? data.createdAt) + ` ${type}`)
    t.strictSame(instants, [...instants].sort(), 'a conversation\'s events are in the order of their instants')
    t.equal((await callOnce(node.server.port, 'GET', '/health/ready')).status, 200)
  })
}

t.test('a server that starts again with another wall clock', { buffered: true }, async t => {
  const node = await startNode(t, await databaseOf(t, 'SQLite'))
  const ann = new Person('ann')
  const bob = new Person('bob')
  const conversation = await ann.direct(node, bob)
  const other = await ann.direct(node, new Person('cid'))
  await guess(node, 'mallory', 10)
  for (const offset of [HOUR, -HOUR]) {
    await ann.send(node, conversation)
    t.strictSame(await ann.list(node), [conversation, other])
    await step(node, offset)
    if (offset > 0) await node.server.kill()
    else await node.server.terminate()
    await node.server.start()
    const locked = await guess(node, 'mallory', 1)
    t.equal(locked.status, 429, 'still locked')
    t.ok(Number(locked.headers['retry-after']) <= 60)
    await ann.send(node, other)
    t.strictSame(await ann.list(node), [other, conversation])
  }
})

t.test('a peer that has taken nothing for a moment isn\'t stale when the clock is set forward', { buffered: true }, async t => {
  const node = await startNode(t, { ...await databaseOf(t, 'SQLite'), STREAM_BUFFER_BYTES: '1000000000' })
  const ann = new Person('ann')
  const bob = new Person('bob')
  const conversation = await ann.direct(node, bob)
  const slow = await bob.stream(t, node)
  const quick = await bob.stream(t, node)
  slow.pause()
  // More than the kernel buffers for the peer.
  const count = 1000
  for (let sent = 0; sent < count; sent += 50) {
    await Promise.all(Array.from({ length: 50 }, async () => await ann.send(node, conversation, '€'.repeat(4000))))
  }
  await step(node, HOUR)
  // Meanwhile, its backlog is checked several times.
  await ann.typing(node, conversation)
  await quick.until(isTyping(ann, false))
  slow.resume()
  const events = await slow.until(({ data }) => data.seq === count, 60 * SECOND)
  t.equal(events.filter(({ type }) => type === 'message').length, count)
})
