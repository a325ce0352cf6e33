import { test, type Test } from 'tap'
import type { EventReader } from '../event-reader.js'
import { buildListening, travel, users, type User } from '../helper.js'

async function scene (t: Test) {
  const app = await buildListening(t)
  const [alice, bob, carol] = users(app, 'alice', 'bob', 'carol') as [User, User, User]
  const id = await alice.group([bob, carol])
  return { app, alice, bob, carol, id }
}

/** The `typing` and `message` events up to a message that is sent now. */
async function typingUpToNow (stream: EventReader, sender: User, conversationId: string): Promise<unknown[]> {
  const marker = await sender.send(conversationId, 'marker')
  const events = await stream.until(({ data }) => data.id === marker.id)
  return events.filter(({ type }) => type === 'typing').map(({ data }) => [data.userId, data.isTyping])
}

test('typing is told to all but the one who types', async (t) => {
  const { alice, bob, carol, id } = await scene(t)
  const [mine, theirs, third] = [await alice.stream(t, { conversationId: id }), await bob.stream(t, { conversationId: id }), await carol.stream(t)]
  const { status, body } = await alice.call('POST', '/api/chat/typing', { conversationId: id, isTyping: true, surplus: 1 })
  t.strictSame([status, body], [200, { conversationId: id, isTyping: true }])
  for (const stream of [theirs, third]) {
    const { data, id: eventId } = await stream.next('typing')
    t.strictSame(data, { userId: 'alice', displayName: 'alice', isTyping: true, conversationId: id, timestamp: data.timestamp })
    t.match(data.timestamp, /^\d{4}-.*\.\d{3}Z$/)
    t.equal(eventId, undefined, 'no id: it is not repeated')
  }
  await alice.typing(id, false)
  t.match((await theirs.next('typing')).data, { userId: 'alice', isTyping: false })
  t.strictSame(await typingUpToNow(mine, bob, id), [], 'nothing to the typist')
})

test('repeats tell nothing', async (t) => {
  const { alice, bob, id } = await scene(t)
  const stream = await bob.stream(t, { conversationId: id })
  for (const isTyping of [false, true, true, true, false, false, true]) await alice.typing(id, isTyping)
  await Promise.all(Array.from({ length: 5 }, async () => { await alice.typing(id, true) }))
  t.strictSame(await typingUpToNow(stream, alice, id), [['alice', true], ['alice', false], ['alice', true], ['alice', false]])
})

test('what is refused', async (t) => {
  const { alice, bob, id } = await scene(t)
  const stream = await bob.stream(t, { conversationId: id })
  for (const body of [{ conversationId: id }, { conversationId: id, isTyping: 'true' }, { conversationId: id, isTyping: 1 }, { conversationId: id, isTyping: null },
    { isTyping: true }, { conversationId: 7, isTyping: true }, { conversationId: 'a\nb', isTyping: true }, { conversationId: '', isTyping: true },
    { conversationId: 'a\u0000', isTyping: true }, [], undefined]) {
    t.match(await alice.call('POST', '/api/chat/typing', body), { status: 400, body: { code: 'VALIDATION_FAILED' } }, JSON.stringify(body))
  }
  t.strictSame(await typingUpToNow(stream, alice, id), [])
})

test('a message ends its sender\'s typing, before it', async (t) => {
  const { alice, bob, carol, id } = await scene(t)
  const stream = await bob.stream(t, { conversationId: id })
  await alice.typing(id, true)
  await carol.typing(id, true)
  await alice.send(id, 'done')
  const events = await stream.until(({ type }) => type === 'message')
  t.strictSame(events.filter(({ type }) => type !== 'onlineStatus').map(({ type, data }) => [type, data.userId ?? data.senderId, data.isTyping]), [
    ['typing', 'alice', true], ['typing', 'carol', true], ['typing', 'alice', false], ['message', 'alice', undefined]
  ])
  t.strictSame(await typingUpToNow(stream, alice, id), [], 'once')
})

test('typing lapses six seconds after the last time it was said', async (t) => {
  const clock = travel(t)
  const { alice, bob, id } = await scene(t)
  const stream = await bob.stream(t, { conversationId: id })
  await alice.typing(id, true)
  await clock.advance(4000)
  await alice.typing(id, true)
  await clock.advance(4000)
  t.strictSame(await typingUpToNow(stream, alice, id), [['alice', true], ['alice', false]], 'prolonged by the repeat: ended by the message only')

  await alice.typing(id, true)
  await stream.next('typing')
  const said = Date.now()
  await clock.advance(5500)
  t.strictSame(stream.rest().filter(({ type }) => type === 'typing'), [], 'not before')
  await clock.advance(500)
  const { data } = await stream.next('typing')
  t.match(data, { userId: 'alice', isTyping: false })
  t.ok(Date.parse(String(data.timestamp)) - said >= 5900)
  await alice.typing(id, false)
  t.strictSame(await typingUpToNow(stream, alice, id), [], 'it has lapsed already')
})

test('typing ends when the typist\'s last stream that covers the conversation closes', async (t) => {
  const { alice, bob, carol, id } = await scene(t)
  const other = await alice.group([bob])
  const stream = await bob.stream(t)
  const [covering, all, elsewhere] = [
    await alice.stream(t, { conversationId: id }), await alice.stream(t), await alice.stream(t, { conversationId: other })
  ]
  await alice.typing(id, true)
  await stream.next('typing')
  await covering.close()
  await elsewhere.close()
  await carol.send(id, 'still typing')
  await stream.until(({ data }) => data.text === 'still typing')
  t.match(stream.events.findLast(({ type }) => type === 'typing')?.data, { isTyping: true }, 'the stream of all conversations covers it')
  const before = Date.now()
  await all.close()
  const { data } = await stream.next('typing')
  t.match(data, { userId: 'alice', conversationId: id, isTyping: false })
  t.ok(Date.now() - before < 6000)
})

test('closing a stream that never covered the conversation ends no typing in it', async (t) => {
  const { alice, bob, carol, id } = await scene(t)
  const other = await alice.group([bob])
  const stream = await bob.stream(t)
  const elsewhere = await alice.stream(t, { conversationId: other })
  // In both conversations, so that the end of one shows that the close has been handled.
  await alice.typing(id, true)
  await alice.typing(other, true)
  await stream.until(({ type, data }) => type === 'typing' && data.conversationId === other)
  await elsewhere.close()
  t.match((await stream.next('typing')).data, { conversationId: other, isTyping: false })
  await alice.send(other, 'x')
  await carol.send(id, 'still typing')
  const events = await stream.until(({ data }) => data.text === 'still typing')
  t.strictSame(events.filter(({ type }) => type === 'typing'), [])
})

test('who is removed types no longer', async (t) => {
  const { alice, bob, id } = await scene(t)
  const stream = await bob.stream(t, { conversationId: id })
  await alice.typing(id, true)
  await alice.ok('DELETE', `/api/chat/conversations/${id}/participants/alice`)
  const events = await stream.until(({ type }) => type === 'participantLeft')
  t.strictSame(events.map(({ type, data }) => [type, data.isTyping]), [['typing', true], ['typing', false], ['participantLeft', undefined]])
})

test('an echo is opted in to', async (t) => {
  const { alice, bob, id } = await scene(t)
  const [echo, allEcho, plain] = [await alice.stream(t, { conversationId: id, echo: 'true' }), await alice.stream(t, { echo: 'true' }), await alice.stream(t, { conversationId: id, echo: 'false' })]
  await alice.typing(id, true)
  await alice.send(id, 'mine')
  for (const stream of [echo, allEcho]) {
    const events = await stream.until(({ type }) => type === 'message')
    t.strictSame(events.map(({ type, data }) => [type, data.isTyping ?? data.text]), [['typing', true], ['typing', false], ['message', 'mine']])
  }
  await bob.send(id, 'theirs')
  t.match((await plain.next('message')).data, { text: 'theirs' })

  // A replay also contains the user's own messages.
  const start = echo.events[0]!.id!
  const replayed = await alice.openStream(t, { conversationId: id, echo: 'true', lastEventId: start })
  t.strictSame((await replayed.durable(2)).map(({ data }) => data.text), ['mine', 'theirs'])
  const without = await alice.openStream(t, { conversationId: id, lastEventId: start })
  t.strictSame((await without.durable(1)).map(({ data }) => data.text), ['theirs'])
})
