import { test, type Test } from 'tap'
import type { Conversation } from '../../schemas/conversations.js'
import type { OwnMessage as Message, MessagePage } from '../../schemas/messages.js'
import type { EventReader, StreamEvent } from '../event-reader.js'
import { build, buildListening, user, users, type User } from '../helper.js'

const path = (id: string, rest = ''): string => `/api/chat/conversations/${id}${rest}`
const statuses = async (who: User, id: string): Promise<string[]> =>
  (await who.ok<MessagePage>('GET', path(id, '/messages?limit=100'))).messages.map(({ status }) => status)
const unread = async (who: User, id: string): Promise<number> => (await who.conversation(id)).unreadCount
const marksOf = async (who: User, id: string, of: User): Promise<[number, number]> => {
  const { deliveredSeq, readSeq } = (await who.conversation(id)).participants.find(({ userId }) => userId === of.id)!
  return [deliveredSeq, readSeq]
}
const read = async (who: User, id: string, seq: unknown) => await who.call('PUT', path(id, '/read'), { seq })

/** All events up to the marker, which is sent now. */
async function upToNow (stream: EventReader, sender: User, conversationId: string): Promise<StreamEvent[]> {
  const marker = await sender.send(conversationId, 'marker')
  return (await stream.until(({ data }) => data.id === marker.id)).slice(0, -1)
}

async function scene (t: Test) {
  const app = await buildListening(t)
  const [alice, bob, carol] = users(app, 'alice', 'bob', 'carol') as [User, User, User]
  const id = await alice.group([bob, carol])
  return { app, alice, bob, carol, id }
}

test('marking a message marks all before it, and tells one statusUpdate to all', async (t) => {
  const { alice, bob, carol, id } = await scene(t)
  const sent: Message[] = []
  for (let index = 0; index < 4; index++) sent.push(await alice.send(id, `m${index}`))
  const streams = [
    await alice.stream(t, { conversationId: id }), await bob.stream(t, { conversationId: id }), await carol.stream(t, { conversationId: id })
  ]

  const { status, body } = await bob.call('PUT', `/api/chat/messages/${sent[2]!.id}/status`, { status: 'delivered', surplus: 1 })
  t.strictSame([status, body], [200, { messageId: sent[2]!.id, conversationId: id, status: 'delivered', changed: true }])
  t.strictSame(await statuses(alice, id), ['sent', 'sent', 'sent', 'sent'], 'the lowest over the others: carol has nothing yet')
  await carol.mark(sent[3]!, 'read')
  t.strictSame(await statuses(alice, id), ['delivered', 'delivered', 'delivered', 'sent'])
  await bob.mark(sent[1]!, 'read')
  t.strictSame(await statuses(alice, id), ['read', 'read', 'delivered', 'sent'])
  t.strictSame([await marksOf(alice, id, bob), await marksOf(bob, id, carol)], [[3, 2], [4, 4]], 'read implies delivered')

  for (const stream of streams) {
    const events = await stream.durable(3)
    t.strictSame(events.map(({ type, data }) => [type, data.userId, data.status, data.messageId]), [
      ['statusUpdate', 'bob', 'delivered', sent[2]!.id],
      ['statusUpdate', 'carol', 'read', sent[3]!.id],
      ['statusUpdate', 'bob', 'read', sent[1]!.id]
    ])
    const { data, id: eventId } = events[0]!
    t.strictSame(data, { messageId: sent[2]!.id, status: 'delivered', conversationId: id, userId: 'bob', timestamp: data.timestamp, eventSeq: 6 })
    t.match(data.timestamp, /^\d{4}-.*\.\d{3}Z$/)
    t.type(eventId, 'string')
  }
})

test('status never goes back, and a repeat emits nothing', async (t) => {
  const { alice, bob, id } = await scene(t)
  const [one, two] = [await alice.send(id, 'one'), await alice.send(id, 'two')]
  const stream = await alice.stream(t, { conversationId: id })
  t.match(await bob.mark(two, 'read'), { status: 'read', changed: true })
  t.match(await bob.mark(two, 'read'), { status: 'read', changed: false })
  t.match(await bob.mark(two, 'delivered'), { status: 'read', changed: false }, 'the caller\'s own status now')
  t.match(await bob.mark(one, 'read'), { messageId: one.id, status: 'read', changed: false })
  t.match(await bob.mark(one, 'delivered'), { status: 'read', changed: false })
  const three = await alice.send(id, 'three')
  t.match(await bob.mark(three, 'delivered'), { status: 'delivered', changed: true })
  t.match(await bob.mark(three, 'delivered'), { changed: false })
  t.match(await bob.mark(three, 'read'), { status: 'read', changed: true })
  const events = await upToNow(stream, bob, id)
  t.strictSame(events.map(({ data }) => [data.messageId, data.status]), [[two.id, 'read'], [three.id, 'delivered'], [three.id, 'read']])
})

test('many marks at once leave the highest, each change told once', async (t) => {
  const { alice, bob, id } = await scene(t)
  const sent = await Promise.all(Array.from({ length: 20 }, async (_, index) => await alice.send(id, `m${index}`)))
  const stream = await alice.stream(t, { conversationId: id })
  const answers = await Promise.all(sent.map(async message => await bob.mark(message, 'read')))
  const events = await upToNow(stream, bob, id)
  t.equal(events.length, answers.filter(({ changed }) => changed).length)
  t.strictSame(await marksOf(alice, id, bob), [20, 20])
  const bySeq = events.map(({ data }) => sent.find(message => message.id === data.messageId)!.seq)
  t.strictSame(bySeq, bySeq.toSorted((a, b) => a - b), 'in rising order')
  t.equal(bySeq.at(-1), 20)
})

test('what is refused', async (t) => {
  const { alice, bob, id } = await scene(t)
  const message = await alice.send(id, 'x')
  t.match(await alice.call('PUT', `/api/chat/messages/${message.id}/status`, { status: 'read' }), { status: 403, body: { code: 'OWN_MESSAGE' } })
  for (const body of [{ status: 'sent' }, { status: 'seen' }, { status: null }, { status: ['read'] }, { status: true }, {}, [], undefined]) {
    t.match(await bob.call('PUT', `/api/chat/messages/${message.id}/status`, body), { status: 400, body: { code: 'VALIDATION_FAILED' } })
  }
  for (const wrong of ['nope', '%00', '%0a', 'x'.repeat(65), '%F0%9F%98%80', '%ED%A0%80', '__proto__']) {
    t.match(await bob.call('PUT', `/api/chat/messages/${wrong}/status`, { status: 'read' }), { status: 404, body: { code: 'NOT_FOUND' } }, wrong)
  }
  for (const seq of ['1', 1.5, -1, null, true, [1], undefined, '']) {
    t.match(await read(bob, id, seq), { status: 400, body: { code: 'VALIDATION_FAILED' } }, `seq ${JSON.stringify(seq)}`)
  }
  t.equal(await unread(bob, id), 1, 'nothing was written')
})

test('reading up to a seq', async (t) => {
  const { alice, bob, carol, id } = await scene(t)
  const sent = [await alice.send(id, '1'), await bob.send(id, '2'), await carol.send(id, '3'), await bob.send(id, '4')]
  const stream = await alice.stream(t, { conversationId: id })
  t.strictSame(await read(bob, id, 0).then(({ body }) => body), { conversationId: id, seq: 0, changed: false })
  t.strictSame(await read(bob, id, 2).then(({ status, body }) => ({ status, ...body })), { status: 200, conversationId: id, seq: 2, changed: true })
  t.strictSame(await read(bob, id, 1).then(({ body }) => body), { conversationId: id, seq: 2, changed: false }, 'the mark now')
  t.strictSame(await read(bob, id, 2).then(({ body }) => body), { conversationId: id, seq: 2, changed: false })
  t.strictSame(await read(bob, id, 999).then(({ body }) => body), { conversationId: id, seq: 4, changed: true }, 'past the end means the end')
  t.strictSame(await read(bob, id, Number.MAX_SAFE_INTEGER).then(({ body }) => body), { conversationId: id, seq: 4, changed: false })
  t.match(await bob.mark(sent[0]!, 'delivered'), { status: 'read', changed: false })
  t.strictSame(await marksOf(alice, id, bob), [4, 4])
  const events = await upToNow(stream, carol, id)
  t.strictSame(events.map(({ data }) => [data.userId, data.status, data.messageId]), [
    ['bob', 'read', sent[0]!.id],
    ['bob', 'read', sent[2]!.id]
  ], 'one for the last message covered that isn\'t one\'s own')
})

test('reading over one\'s own messages only tells nothing', async (t) => {
  const { alice, bob, id } = await scene(t)
  await bob.send(id, '1')
  await bob.send(id, '2')
  const stream = await alice.stream(t, { conversationId: id })
  t.equal((await read(bob, id, 2)).status, 200)
  const theirs = await alice.send(id, '3')
  await read(bob, id, 3)
  const events = await upToNow(stream, bob, id)
  t.strictSame(events.map(({ data }) => data.messageId), [theirs.id])
})

test('reading an empty conversation', async (t) => {
  const { bob, id } = await scene(t)
  t.strictSame((await read(bob, id, 5)).body, { conversationId: id, seq: 0, changed: false })
})

test('unread counts: sending marks nothing, one\'s own are never unread', async (t) => {
  const { alice, bob, carol, id } = await scene(t)
  const counts = async (): Promise<number[]> => await Promise.all([alice, bob, carol].map(async who => await unread(who, id)))
  const [a1] = [await alice.send(id, 'a1')]
  t.strictSame(await counts(), [0, 1, 1])
  const b1 = await bob.send(id, 'b1')
  t.strictSame(await counts(), [1, 1, 2], 'others\' stay as they are until marked')
  t.strictSame([await marksOf(alice, id, alice), await marksOf(alice, id, bob)], [[0, 0], [0, 0]])
  await alice.send(id, 'a2')
  await bob.send(id, 'b2')
  t.strictSame(await counts(), [2, 2, 4])
  await alice.mark(b1, 'delivered')
  t.strictSame(await counts(), [2, 2, 4], 'delivered is not read')
  await bob.mark(a1, 'read')
  t.strictSame(await counts(), [2, 1, 4])
  await alice.mark(b1, 'read')
  t.strictSame(await counts(), [1, 1, 4])
  await read(carol, id, 3)
  t.strictSame(await counts(), [1, 1, 1])
  await read(alice, id, 99)
  await read(bob, id, 99)
  await read(carol, id, 99)
  t.strictSame(await counts(), [0, 0, 0])
  await bob.ok('DELETE', `/api/chat/messages/${b1.id}`)
  t.strictSame(await counts(), [0, 0, 0])
  const late = await alice.send(id, 'a3')
  await alice.ok('DELETE', `/api/chat/messages/${late.id}`)
  const { conversations } = await bob.ok<{ conversations: Conversation[] }>('GET', '/api/chat/conversations')
  t.equal(conversations[0]?.unreadCount, await unread(bob, id), 'the list counts the same')
})

test('unread counts agree with the history, whatever happens', async (t) => {
  const app = await build(t)
  const everybody = users(app, 'a', 'b', 'c', 'd')
  const id = await everybody[0]!.group(everybody.slice(1))
  const marks = new Map(everybody.map(one => [one.id, 0]))
  const senders: string[] = []
  let seed = 7
  const random = (below: number): number => {
    seed = (seed * 48_271) % 2_147_483_647
    return seed % below
  }
  for (let step = 0; step < 120; step++) {
    const one = everybody[random(4)]!
    if (random(3) > 0) {
      await one.send(id, `m${step}`)
      senders.push(one.id)
    } else {
      const seq = random(senders.length + 2)
      await read(one, id, seq)
      marks.set(one.id, Math.max(marks.get(one.id)!, Math.min(seq, senders.length)))
    }
    const reader = everybody[random(4)]!
    const expected = senders.filter((sender, index) => sender !== reader.id && index + 1 > marks.get(reader.id)!).length
    const count = await unread(reader, id)
    if (count !== expected) t.equal(count, expected, `step ${step}`)
  }
  t.ok(senders.length > 50)
})

test('a group\'s status counts who was there and still is', async (t) => {
  const { app, alice, bob, carol, id } = await scene(t)
  const dave = await user(app, 'dave').arrive()
  const one = await alice.send(id, 'one')
  await bob.mark(one, 'read')
  t.strictSame(await statuses(alice, id), ['sent'], 'carol has not got it')
  await alice.ok('POST', path(id, '/participants'), { participantIds: ['dave'] })
  t.strictSame(await marksOf(alice, id, dave), [1, 1], 'who joins starts with the marks at the last message')
  t.equal(await unread(dave, id), 0)
  t.strictSame((await dave.ok<MessagePage>('GET', path(id, '/messages'))).messages.map(({ text }) => text), ['one'], 'and may read the older history')
  await carol.mark(one, 'read')
  t.strictSame(await statuses(alice, id), ['read'], 'dave wasn\'t there')
  await alice.send(id, 'two')
  t.equal(await unread(dave, id), 1)
  const [, two] = (await dave.ok<MessagePage>('GET', path(id, '/messages'))).messages
  await bob.mark(two!, 'read')
  await carol.mark(two!, 'delivered')
  t.strictSame(await statuses(alice, id), ['read', 'sent'], 'dave was there')
  await alice.ok('DELETE', path(id, '/participants/dave'))
  t.strictSame(await statuses(alice, id), ['read', 'delivered'], 'who has left doesn\'t count')
  await alice.ok('DELETE', path(id, '/participants/carol'))
  t.strictSame(await statuses(alice, id), ['read', 'read'])
  const stream = await alice.stream(t, { conversationId: id })
  await alice.ok('POST', path(id, '/participants'), { participantIds: ['dave'] })
  t.strictSame(await statuses(alice, id), ['read', 'read'], 'who comes back was not there before')
  t.strictSame([await marksOf(alice, id, dave), await unread(dave, id)], [[2, 2], 0])
  t.match(await dave.mark(two!, 'read'), { changed: false, status: 'read' })
  const edited = await alice.ok<Message>('PATCH', `/api/chat/messages/${two!.id}`, { text: 'two!' })
  t.equal(edited.status, 'read', 'an edited message tells its status, too')
  t.match(await stream.next('messageUpdated'), { data: { status: 'read' } })
})

test('alone in a group a message stays sent', async (t) => {
  const { alice, bob, carol, id } = await scene(t)
  await bob.ok('DELETE', path(id, '/participants/bob'))
  await carol.ok('DELETE', path(id, '/participants/carol'))
  await alice.send(id, 'anybody?')
  t.strictSame(await statuses(alice, id), ['sent'])
})

test('who comes back and writes keeps the right counts', async (t) => {
  const { alice, bob, id } = await scene(t)
  await bob.send(id, 'b1')
  await bob.send(id, 'b2')
  await alice.ok('DELETE', path(id, '/participants/bob'))
  await alice.send(id, 'a1')
  await alice.ok('POST', path(id, '/participants'), { participantIds: ['bob'] })
  t.equal(await unread(bob, id), 0)
  await alice.send(id, 'a2')
  await bob.send(id, 'b3')
  await alice.send(id, 'a3')
  t.equal(await unread(bob, id), 2)
  await read(bob, id, 5)
  t.equal(await unread(bob, id), 1)
  t.equal(await unread(alice, id), 3)
})
