import { test, type Test } from 'tap'
import { CHANGE_EVERY_MS, CHANGES_AT_ONCE } from '../../chat/online-news.js'
import type { OnlineStatusAnswer, User as ShownUser } from '../../schemas/users.js'
import type { EventReader } from '../event-reader.js'
import { buildListening, travel, user, users, type User } from '../helper.js'
import { eventually } from '../hub/eventually.js'

async function scene (t: Test) {
  const app = await buildListening(t)
  const [alice, bob] = users(app, 'alice', 'bob') as [User, User]
  const id = await alice.direct(bob)
  return { app, alice, bob, id }
}

const say = async (who: User, isOnline: boolean): Promise<OnlineStatusAnswer> => await who.ok('PUT', '/api/chat/status/online', { isOnline })
const me = async (who: User): Promise<ShownUser> => await who.ok('GET', '/api/chat/me')

/** Closes a stream, and waits until the server has noticed, so that later times count from there. */
async function leave (who: User, stream: EventReader): Promise<void> {
  const open = async (): Promise<number> => (await who.app.chatDatabase.read.query('SELECT id FROM chat_streams WHERE user_id = ?', who.id)).length
  const before = await open()
  await stream.close()
  await eventually(async () => await open() < before)
}

/** The online statuses that were told, up to a message that is sent now. */
async function statusUpToNow (stream: EventReader, sender: User, conversationId: string): Promise<unknown[]> {
  const marker = await sender.send(conversationId, 'marker')
  const events = await stream.until(({ data }) => data.id === marker.id)
  return events.filter(({ type }) => type === 'onlineStatus').map(({ data }) => [data.userId, data.isOnline])
}

test('a user is online while a stream of theirs is open, and for 15 s after the last one closes', async (t) => {
  const clock = travel(t)
  const { alice, bob, id } = await scene(t)
  const watching = await alice.stream(t, { conversationId: id })
  t.match(await me(bob), { userId: 'bob', displayName: 'bob', avatar: null, isOnline: false, lastSeen: null })

  const first = await bob.stream(t, { conversationId: id })
  const { data, id: eventId } = await watching.next('onlineStatus')
  t.strictSame(data, { userId: 'bob', isOnline: true, lastSeen: data.lastSeen, timestamp: data.timestamp })
  for (const time of [data.lastSeen, data.timestamp]) t.match(time, /^\d{4}-.*\.\d{3}Z$/)
  t.equal(eventId, undefined)
  t.match(await me(bob), { isOnline: true })
  t.match((await alice.conversation(id)).participants, [{ userId: 'alice', isOnline: true }, { userId: 'bob', isOnline: true }])

  const second = await bob.stream(t)
  await leave(bob, first)
  await clock.advance(20_000)
  t.strictSame(await statusUpToNow(watching, bob, id), [], 'another stream is open')

  await leave(bob, second)
  await clock.advance(12_000)
  const third = await bob.stream(t)
  await clock.advance(12_000)
  t.strictSame(await statusUpToNow(watching, bob, id), [], 'back within the grace')
  t.match(await me(bob), { isOnline: true })

  const before = Date.now()
  await leave(bob, third)
  await clock.advance(14_000)
  t.strictSame(await statusUpToNow(watching, bob, id), [], 'not before 15 s')
  await clock.advance(2000)
  const gone = await watching.next('onlineStatus')
  t.match(gone.data, { userId: 'bob', isOnline: false })
  t.ok(Math.abs(Date.parse(String(gone.data.lastSeen)) - before) < 5000, 'last seen when the stream closed')
  t.match(await me(bob), { isOnline: false, lastSeen: gone.data.lastSeen })
})

test('saying so without a stream lasts 90 s and may be repeated', async (t) => {
  const clock = travel(t)
  const { alice, bob, id } = await scene(t)
  const watching = await alice.stream(t, { conversationId: id })
  const answer = await say(bob, true)
  t.strictSame(answer, { userId: 'bob', isOnline: true, lastSeen: answer.lastSeen })
  t.match(answer.lastSeen, /^\d{4}-.*\.\d{3}Z$/)
  t.match((await watching.next('onlineStatus')).data, { userId: 'bob', isOnline: true })
  await clock.advance(60_000)
  await say(bob, true)
  await clock.advance(60_000)
  t.strictSame(await statusUpToNow(watching, bob, id), [], 'prolonged, and on change only')
  await clock.advance(32_000)
  t.match((await watching.next('onlineStatus')).data, { userId: 'bob', isOnline: false })
  t.match(await me(bob), { isOnline: false })
})

test('saying false hides until true is said, streams or not', async (t) => {
  const clock = travel(t)
  const { alice, bob, id } = await scene(t)
  const watching = await alice.stream(t)
  const first = await bob.stream(t)
  t.match((await watching.next('onlineStatus')).data, { isOnline: true })
  const answer = await say(bob, false)
  t.match(answer, { userId: 'bob', isOnline: false, lastSeen: String })
  t.match((await watching.next('onlineStatus')).data, { userId: 'bob', isOnline: false, lastSeen: answer.lastSeen })
  await say(bob, false)
  const second = await bob.stream(t)
  t.match((await alice.conversation(id)).participants, [{}, { userId: 'bob', isOnline: false }])
  await leave(bob, first)
  await clock.advance(20_000)
  t.strictSame(await statusUpToNow(watching, bob, id), [], 'nothing more while hidden')

  await say(bob, true)
  t.match((await watching.next('onlineStatus')).data, { isOnline: true })
  await say(bob, true)
  await clock.advance(100_000)
  t.strictSame(await statusUpToNow(watching, bob, id), [], 'with a stream it lasts')
  await say(bob, false)
  await leave(bob, second)
  await clock.advance(20_000)
  t.strictSame(await statusUpToNow(watching, bob, id), [['bob', false]], 'told when it was said, and not again when the stream closed')
})

test('what is refused', async (t) => {
  const { bob } = await scene(t)
  for (const body of [{}, { isOnline: 'true' }, { isOnline: 1 }, { isOnline: null }, [], 'true', undefined]) {
    t.match(await bob.call('PUT', '/api/chat/status/online', body), { status: body === 'true' ? 415 : 400, body: { code: String } }, JSON.stringify(body))
  }
  t.match(await me(bob), { isOnline: false, lastSeen: null })
})

test('who is told: everybody who shares a conversation, once, and nobody else', async (t) => {
  const { app, alice, bob, id } = await scene(t)
  const [carol, dave] = [await user(app, 'carol').arrive(), await user(app, 'dave').arrive()]
  const trio = await alice.group([bob, carol])
  const without = await alice.group([carol, dave])
  const [all, one, other, third, stranger] = [
    await alice.stream(t), await alice.stream(t, { conversationId: id }), await alice.stream(t, { conversationId: without }),
    await carol.stream(t), await dave.stream(t)
  ]
  const [own, echo] = [await bob.stream(t), await bob.stream(t, { echo: 'true' })]
  const ownSingle = await bob.stream(t, { conversationId: trio, echo: 'true' })
  await say(bob, false)
  const expected = [['bob', true], ['bob', false]]
  const about = (events: EventReader['events']): unknown[] =>
    events.filter(({ type, data }) => type === 'onlineStatus' && data.userId === 'bob').map(({ data }) => [data.userId, data.isOnline])

  // Markers in each conversation, from a user whose messages the stream sends.
  await carol.send(trio, 'marker')
  await bob.send(id, 'marker')
  await carol.send(without, 'marker')
  const marked = ({ data }: { data: Record<string, unknown> }): boolean => data.text === 'marker'
  t.strictSame(about(await all.until(({ data }) => data.conversationId === without && data.text === 'marker')), expected, 'a stream of all conversations: once, though two are shared')
  t.strictSame(about(await one.until(marked)), expected)
  t.strictSame(about(await other.until(marked)), [], 'not on a stream of a conversation that bob is no participant of')
  t.strictSame(about(await stranger.until(marked)), [])
  for (const stream of [own, echo, ownSingle]) t.strictSame(about(await stream.until(marked)), [], 'never the user it is about')
  await alice.send(trio, 'marker')
  t.strictSame(about(await third.until(marked)), expected)
})

test('groups of more than 100 are none to be told', async (t) => {
  const app = await buildListening(t)
  const [alice, bob] = [await user(app, 'alice').arrive(), await user(app, 'bob').arrive()]
  const crowd = Array.from({ length: 98 }, (_, index) => user(app, `u${index}`))
  await Promise.all(crowd.map(async one => await one.arrive()))
  const id = await alice.group([bob, ...crowd])
  const watching = await alice.stream(t)
  t.equal((await alice.conversation(id)).participantCount, 100)
  await say(bob, true)
  t.strictSame(await statusUpToNow(watching, bob, id), [['bob', true]], 'a hundred are')
  await user(app, 'one more').arrive()
  await alice.ok('POST', `/api/chat/conversations/${id}/participants`, { participantIds: ['one more'] })
  await say(bob, false)
  t.strictSame(await statusUpToNow(watching, bob, id), [])
  await alice.direct(bob)
  await say(bob, true)
  t.strictSame(await statusUpToNow(watching, bob, id), [['bob', true]], 'a smaller conversation that is shared does')
})

test('who has left hears no more, and is heard of no more', async (t) => {
  const { app, alice, bob } = await scene(t)
  const [carol] = [await user(app, 'carol').arrive()]
  const group = await alice.group([carol])
  const [hers, watching] = [await carol.stream(t), await alice.stream(t)]
  await alice.ok('DELETE', `/api/chat/conversations/${group}/participants/carol`)
  await hers.next('participantLeft')
  await watching.next('participantLeft')
  await say(alice, false)
  await say(carol, false)
  await alice.group([carol, bob])
  t.strictSame((await hers.until(({ type }) => type === 'conversationCreated')).map(({ type }) => type), ['conversationCreated'])
  t.strictSame((await watching.until(({ type }) => type === 'conversationCreated')).map(({ type }) => type), ['conversationCreated'])
})

test('what a crashed node has left open is closed within a minute', async (t) => {
  const clock = travel(t)
  const { app, alice, bob, id } = await scene(t)
  const watching = await alice.stream(t, { conversationId: id })
  // As a node on another machine leaves it.
  await app.chatDatabase.transaction(async sql => {
    await sql.execute('INSERT INTO chat_nodes (id, host, pid, expires_at) VALUES (?, ?, ?, ?)', 'dead', 'elsewhere', 1, Date.now() + 20_000)
    await sql.execute('INSERT INTO chat_streams (id, node_id, user_id, conversation_id) VALUES (?, ?, ?, ?)', 'its stream', 'dead', 'bob', null)
    await sql.execute('UPDATE chat_users SET is_online = ? WHERE id = ?', true, 'bob')
  })
  await clock.advance(16_000)
  t.strictSame(await statusUpToNow(watching, bob, id), [], 'not while it may be alive')
  t.match(await me(bob), { isOnline: true })
  await clock.advance(44_000)
  t.match((await watching.next('onlineStatus')).data, { userId: 'bob', isOnline: false })
  t.match(await me(bob), { isOnline: false })
  await eventually(async () => (await app.chatDatabase.read.query('SELECT id FROM chat_nodes')).length === 1)
})

test('a status that flaps is saved each time and told in bounds, at last as it is', async (t) => {
  const { alice, bob, id } = await scene(t)
  const watching = await alice.stream(t, { conversationId: id })
  const start = performance.now()
  for (let change = 1; change <= 36; change++) {
    t.match(await say(bob, change % 2 === 1), { isOnline: change % 2 === 1 })
    t.match(await me(bob), { isOnline: change % 2 === 1 })
  }
  await say(bob, true)
  const told: unknown[] = []
  await watching.until(({ type, data }) => {
    if (type === 'onlineStatus') told.push(data.isOnline)
    return type === 'onlineStatus' && told.length > CHANGES_AT_ONCE && data.isOnline === true
  })
  t.strictSame(told.slice(0, CHANGES_AT_ONCE), Array.from({ length: CHANGES_AT_ONCE }, (_, index) => index % 2 === 0))
  const earned = (performance.now() - start) / CHANGE_EVERY_MS
  t.ok(told.length <= CHANGES_AT_ONCE + earned + 1, `${told.length} of 37 changes are told`)
  t.ok(told.every((isOnline, index) => index === 0 || isOnline !== told[index - 1]), 'changes only')
})
