import { test, type Test } from 'tap'
import type { ChatAppOptions } from '../../app.js'
import type { StreamEvent } from '../event-reader.js'
import { openEvents } from '../event-reader.js'
import { baseUrl, build, buildListening, call, shared, throwAwayStore, token, travel, user, users, type Travel, type User } from '../helper.js'

const ID = /^[A-Za-z0-9._:-]{1,128}$/

async function scene (t: Test, chat: Partial<ChatAppOptions> = {}) {
  const app = await buildListening(t, { chat })
  const [alice, bob, carol] = users(app, 'alice', 'bob', 'carol') as [User, User, User]
  const id = await alice.direct(bob)
  return { app, alice, bob, carol, id }
}

const names = (events: StreamEvent[]): unknown[] => events.map(({ type, data }) => data.text ?? type)
const marked = ({ data }: StreamEvent): boolean => data.text === 'marker'

test('a stream as it is opened', async (t) => {
  const { app, bob, id } = await scene(t)
  const one = await bob.openStream(t, { conversationId: id }, { 'accept-encoding': 'gzip, br' })
  t.equal(one.status, 200)
  t.match(one.headers['content-type'], /^text\/event-stream\b/)
  t.equal(one.headers['content-encoding'], undefined, 'no compression of its own')
  t.equal(one.headers['x-accel-buffering'], 'no', 'no proxy buffering')
  t.match(one.headers['cache-control'], /no-cache|no-store/)
  const connected = await one.next()
  t.equal(connected.type, 'connected')
  t.match(connected.id, ID)
  t.match(connected.data, {
    message: String, conversationId: id, timestamp: /^\d{4}-.*\.\d{3}Z$/, streamId: String, userId: 'bob', heartbeatMs: 30_000, typingLapseMs: 6000, resumed: false
  })
  const all = await bob.openStream(t)
  const { data, id: position } = await all.next('connected')
  t.equal(data.conversationId, null)
  t.match(position, ID)
  const inQuery = await openEvents(t, `${baseUrl(app)}/api/sse?token=${bob.token}`)
  t.match(await inQuery.next(), { type: 'connected', data: { userId: 'bob' } }, 'with nothing but a URL')
})

test('what is refused, as JSON', async (t) => {
  const app = await build(t)
  const alice = await user(app, 'alice').arrive()
  for (const id of ['nope', 'conv_alice_nobody', '%00', '%0a', '%F0%9F%98%80', 'x'.repeat(301), '__proto__']) {
    t.match(await alice.call('GET', `/api/sse?conversationId=${id}`), { status: 404, body: { statusCode: 404, code: 'NOT_FOUND' } }, id.slice(0, 20))
  }
  t.match(await call(app, 'GET', '/api/sse'), { status: 401, body: { code: 'UNAUTHORIZED' } })
  t.match(await alice.call('GET', '/api/sse?conversationId=a&conversationId=b'), { status: 400, body: { code: 'VALIDATION_FAILED' } })
  t.match(await alice.call('GET', '/api/sse?lastEventId=a&lastEventId=b'), { status: 400, body: { code: 'VALIDATION_FAILED' } })
  const head = await app.inject({ method: 'HEAD', url: '/api/sse', headers: { authorization: `Bearer ${alice.token}` } })
  t.equal(head.statusCode, 404, 'there is no HEAD for it')
  t.equal((await alice.call('POST', '/api/sse')).status, 404)
})

test('every durable event has an id, and its number in the conversation\'s log', async (t) => {
  const { app, alice, bob, carol } = await scene(t)
  await carol.arrive()
  const all = await bob.stream(t, { echo: 'true' })
  const group = await alice.group([bob], 'Team')
  const one = await bob.stream(t, { conversationId: group, echo: 'true', lastEventId: all.lastEventId! })
  t.match(await one.next(), { type: 'reset' }, 'a position on all conversations is none in one')
  const message = await alice.send(group, 'x')
  await bob.mark(message, 'read')
  await alice.ok('PATCH', `/api/chat/messages/${message.id}`, { text: 'y' })
  await alice.ok('DELETE', `/api/chat/messages/${message.id}`)
  await alice.ok('POST', `/api/chat/conversations/${group}/participants`, { participantIds: ['carol'] })
  await alice.ok('PUT', `/api/chat/conversations/${group}/participants/carol`, { role: 'admin' })
  await carol.ok('DELETE', `/api/chat/conversations/${group}/participants/carol`)
  await alice.send(group, 'marker')
  const expected = ['conversationCreated', 'message', 'statusUpdate', 'messageUpdated', 'messageDeleted', 'participantJoined', 'participantUpdated', 'participantLeft', 'message']
  const events = (await all.until(marked)).filter(({ data }) => data.eventSeq !== undefined)
  t.strictSame(events.map(({ type }) => type), expected)
  t.strictSame(events.map(({ data }) => data.eventSeq), [1, 2, 3, 4, 5, 6, 7, 8, 9])
  const [created] = events
  t.strictSame(created?.data, { conversationId: group, type: 'group', title: 'Team', createdBy: 'alice', timestamp: created?.data.timestamp, eventSeq: 1 })

  const live = (await one.until(marked)).filter(({ data }) => data.eventSeq !== undefined)
  t.strictSame(live.map(({ data }) => data), events.slice(1).map(({ data }) => data), 'the same data on both kinds of stream')
  for (const { type, id } of [...all.events, ...one.events]) {
    if (['typing', 'onlineStatus', 'disconnect'].includes(type)) t.equal(id, undefined, `${type} has none`)
    else t.match(id, ID, type)
  }

  const replay = await bob.openStream(t, { conversationId: group, echo: 'true', lastEventId: live[0]!.id!.replace(/(?<=\.)\d+$/, '0') })
  const replayed = (await replay.until(marked)).filter(({ data }) => data.eventSeq !== undefined)
  t.strictSame(replayed.map(({ type }) => type), expected)
  const now = (await app.inject({ url: `/api/chat/conversations/${group}/messages`, headers: { authorization: `Bearer ${bob.token}` } })).json().messages[0]
  t.strictSame(replayed[1]?.data, { ...shared(now), eventSeq: 2 }, 'each message as it is now')
  t.strictSame(replayed.filter(({ type }) => !type.startsWith('message')).map(({ data }) => data),
    events.filter(({ type }) => !type.startsWith('message')).map(({ data }) => data), 'and the rest as it was told')
})

test('a stream resumes after the last id: each event once, in order, and then live', async (t) => {
  const { alice, bob, id } = await scene(t)
  const first = await bob.stream(t, { conversationId: id })
  const start = first.lastEventId!
  for (const text of ['1', '2', '3']) await alice.send(id, text)
  await first.until(({ data }) => data.text === '2')
  const position = first.lastEventId!
  await first.close()
  await alice.send(id, '4')

  const second = await bob.openStream(t, { conversationId: id }, { 'last-event-id': position })
  const connected = await second.next()
  t.match(connected, { type: 'connected', id: position, data: { resumed: true } }, 'connected names the position resumed from')
  await alice.send(id, '5')
  t.strictSame(names(await second.take(3)), ['3', '4', '5'])
  t.strictSame((await bob.openStream(t, { conversationId: id, lastEventId: position }).then(async stream => names(await stream.take(4)))).slice(1), ['3', '4', '5'], 'by the query')
  t.strictSame((await bob.openStream(t, { conversationId: id, lastEventId: position }, { 'last-event-id': second.lastEventId! }).then(async stream => {
    await alice.send(id, '6')
    return names(await stream.take(2))
  })), ['connected', '6'], 'the header counts')
  t.strictSame(names((await (await bob.openStream(t, { conversationId: id, lastEventId: start })).take(7))), ['connected', '1', '2', '3', '4', '5', '6'],
    'a drop right after connected loses nothing')
})

test('writing goes on while streams resume: no seam', async (t) => {
  const { alice, bob, id } = await scene(t)
  const start = (await bob.stream(t, { conversationId: id })).lastEventId!
  const allStart = (await bob.stream(t)).lastEventId!
  const texts = Array.from({ length: 300 }, (_, index) => `m${index}`)
  const writing = (async () => {
    for (let index = 0; index < texts.length; index += 10) {
      await Promise.all(texts.slice(index, index + 10).map(async text => await alice.send(id, text)))
    }
    await alice.send(id, 'marker')
  })()
  const streams = []
  for (let index = 0; index < 8; index++) {
    streams.push(await bob.openStream(t, { conversationId: id, lastEventId: start }))
    streams.push(await bob.openStream(t, { lastEventId: allStart }))
  }
  await writing
  for (const stream of streams) {
    const events = (await stream.until(marked)).filter(({ type }) => type === 'message')
    t.strictSame(events.map(({ data }) => data.seq), Array.from({ length: 301 }, (_, index) => index + 1))
  }
})

test('a long absence is caught up with page by page', async (t) => {
  const { alice, bob, id } = await scene(t)
  const [start, allStart] = [(await bob.stream(t, { conversationId: id })).lastEventId!, (await bob.stream(t)).lastEventId!]
  for (let page = 0; page < 7; page++) await Promise.all(Array.from({ length: 50 }, async () => await alice.send(id, 'x'.repeat(500))))
  await alice.send(id, 'marker')
  for (const query of [{ conversationId: id, lastEventId: start }, { lastEventId: allStart }]) {
    const stream = await bob.openStream(t, query)
    const events = (await stream.until(marked)).filter(({ type }) => type === 'message')
    t.strictSame(events.map(({ data }) => data.seq), Array.from({ length: 351 }, (_, index) => index + 1))
  }
})

test('a position that can\'t be placed is answered with reset, and then the stream goes on', async (t) => {
  const { alice, bob, carol, id } = await scene(t)
  const elsewhere = await scene(t)
  await carol.arrive()
  const group = await alice.group([bob])
  const [one, all] = [(await bob.stream(t, { conversationId: id })).lastEventId!, (await bob.stream(t)).lastEventId!]
  const [foreignGroup, otherDatabase, otherDatabaseAll] = [
    (await bob.stream(t, { conversationId: group })).lastEventId!,
    (await elsewhere.bob.stream(t, { conversationId: id })).lastEventId!, (await elsewhere.bob.stream(t)).lastEventId!
  ]
  const cases: Array<[string, string | undefined, string]> = [
    ['rubbish', id, 'unreadable'], ['x'.repeat(3000), id, 'unreadable'], ['1', id, 'unreadable'], ['null', id, 'unreadable'], [`${one}.1`, id, 'unreadable'],
    [`${one}9999`, id, 'ahead'], [one.replace(/(?<=\.)\d+$/, '99999999999999999999'), id, 'unreadable'],
    [foreignGroup, id, 'foreign'], [otherDatabase, id, 'foreign'], [all, id, 'foreign'],
    ['rubbish', undefined, 'unreadable'], [`${all}99`, undefined, 'ahead'], [one, undefined, 'foreign'], [otherDatabaseAll, undefined, 'foreign']
  ]
  for (const [lastEventId, conversationId, reason] of cases) {
    const stream = await bob.openStream(t, conversationId === undefined ? {} : { conversationId }, { 'last-event-id': lastEventId })
    const label = `${lastEventId.slice(0, 40)} on ${conversationId ?? 'all'}`
    const connected = await stream.next()
    t.match(connected, { type: 'connected', data: { resumed: false } }, label)
    const reset = await stream.next()
    t.strictSame([reset.type, reset.data], ['reset', { conversationId: conversationId ?? null, reason }], label)
    t.match(reset.id, ID)
    await alice.send(id, label)
    t.match(await stream.next('message'), { data: { text: label } }, 'then on')
    await stream.close()

    const again = await bob.openStream(t, { ...(conversationId === undefined ? {} : { conversationId }), lastEventId: reset.id! })
    t.strictSame(names(await again.take(2)), ['connected', label], 'the id of a reset is a position')
    await again.close()
  }
  const empty = await bob.openStream(t, { conversationId: id, lastEventId: '' })
  await alice.send(id, 'marker')
  t.strictSame(names(await empty.until(marked)), ['connected', 'marker'], 'an empty id is none')
})

test('ids of catching up on a node that has not heard of the newest yet are positions on every node', async (t) => {
  const store = await throwAwayStore()
  t.teardown(store.remove)
  const nodes = [await buildListening(t, { chat: store.options }), await buildListening(t, { chat: store.options })] as const
  const [alice, bob] = users(nodes[0], 'alice', 'bob') as [User, User]
  await bob.arrive()
  const [first, second] = [await alice.group([bob]), await alice.group([bob])]
  const start = (await bob.stream(t)).lastEventId!
  const [identity = ''] = start.split('.')
  for (let n = 0; n < 10; n++) for (const id of [first, second]) await alice.send(id, 'x')
  const newest = Number((await bob.stream(t)).lastEventId!.split('.')[2])
  await alice.send(first, 'later')
  await alice.send(second, 'later')
  // Cut in the second conversation, after the first was read.
  const cut = `${identity}.all.1.${newest}.2.5`
  const there = await user(nodes[1], 'bob').openStream(t, { lastEventId: cut })
  t.match(await there.next(), { type: 'connected', data: { resumed: true } })
  for (let later = 0; later < 2;) {
    const { id, data } = await there.next('message')
    if (data.text === 'later') later++
    const again = await user(nodes[0], 'bob').openStream(t, { lastEventId: id! })
    t.match(await again.next(), { type: 'connected', data: { resumed: true } }, id ?? '')
    await again.close()
  }
})

/** Resolves when the events after a position are deleted: retention runs in the background. Sends nothing that could be deleted, too. */
async function pruned (t: Test, bob: User, conversationId: string, lastEventId: string, clock: Travel): Promise<unknown> {
  for (let tries = 0; tries < 100; tries++) {
    const probe = await bob.openStream(t, { conversationId, lastEventId })
    const [, second] = await probe.take(2)
    await probe.close()
    if (second?.type === 'reset') return second.data
    // One that came too early comes again after a minute.
    await clock.advance(2000)
  }
  return 'never'
}

test('a position older than what is kept is answered with reset', async (t) => {
  const clock = travel(t)
  // About 9 seconds.
  const { alice, bob, id } = await scene(t, { eventRetentionDays: 0.0001, search: false })
  const [one, all] = [await bob.stream(t, { conversationId: id }), await bob.stream(t)]
  const [start, allStart] = [one.lastEventId!, all.lastEventId!]
  await alice.send(id, 'old')
  await one.next('message')
  const kept = one.lastEventId!
  await clock.advance(72_000)
  t.strictSame(await pruned(t, bob, id, start, clock), { conversationId: id, reason: 'pruned' })
  const resumed = await bob.openStream(t, { lastEventId: allStart })
  t.match(await resumed.next('reset'), { data: { conversationId: id, reason: 'pruned' } })
  await alice.send(id, 'marker')
  t.strictSame(names((await resumed.until(marked))).at(-1), 'marker')
  const notOld = await bob.openStream(t, { conversationId: id, lastEventId: kept })
  t.notMatch((await notOld.until(marked)).map(({ type }) => type), ['reset'], 'what has been seen of what is gone is no loss')
  const { messages } = await bob.ok<{ messages: Array<{ text: string }> }>('GET', `/api/chat/conversations/${id}/messages`)
  t.equal(messages[0]?.text, 'old', 'messages stay')
})

test('on a stream of all conversations what was seen before it was pruned is no loss', async (t) => {
  const clock = travel(t)
  const { alice, bob, id } = await scene(t, { eventRetentionDays: 0.0001, search: false })
  const start = (await bob.stream(t, { conversationId: id })).lastEventId!
  await alice.send(id, 'old')
  const other = await alice.group([bob])
  const all = await bob.stream(t)
  await alice.send(other, 'seen')
  await all.next('message')
  await all.close()
  await clock.advance(72_000)
  t.match(await pruned(t, bob, id, start, clock), { reason: 'pruned' })
  await alice.send(id, 'marker')
  const resumed = await bob.openStream(t, { lastEventId: all.lastEventId! })
  const events = await resumed.until(marked)
  t.strictSame(events.filter(({ type }) => type === 'reset').map(({ data }) => data), [])
})

test('a stream of all conversations follows new ones, and shows them from their first event', async (t) => {
  const { app, alice, bob, carol, id } = await scene(t)
  await carol.arrive()
  const stream = await bob.stream(t)
  const direct = await carol.direct(bob)
  await carol.send(direct, 'hello')
  const group = await alice.group([bob])
  await alice.send(group, 'in the group')
  const later = await alice.group([carol])
  await alice.send(later, 'before bob')
  await alice.ok('POST', `/api/chat/conversations/${later}/participants`, { participantIds: ['bob'] })
  await alice.send(later, 'with bob')
  const own = await bob.ok<{ id: string }>('POST', '/api/chat/conversations', { type: 'group', participantIds: [] })
  await alice.send(id, 'marker')
  const events = (await stream.until(marked)).filter(({ type }) => type !== 'onlineStatus')
  t.strictSame(events.map(({ type, data }) => [type, data.conversationId, data.eventSeq, data.text]), [
    ['conversationCreated', direct, 1, undefined], ['message', direct, 2, 'hello'],
    ['conversationCreated', group, 1, undefined], ['message', group, 2, 'in the group'],
    ['participantJoined', later, 3, undefined], ['message', later, 4, 'with bob'],
    ['conversationCreated', own.id, 1, undefined], ['message', id, 2, 'marker']
  ])

  const late = user(app, 'late')
  const early = await late.stream(t)
  await alice.direct(late)
  t.match(await early.next(), { type: 'conversationCreated' }, 'one who had none at all')
})

test('a resumed stream of all conversations misses nothing of any', async (t) => {
  const { alice, bob, carol, id } = await scene(t)
  await carol.arrive()
  const groups = [await alice.group([bob]), await alice.group([bob]), await alice.group([bob, carol])]
  const stream = await bob.stream(t)
  for (const group of groups) await alice.send(group, 'seen')
  await stream.durable(3)
  const position = stream.lastEventId!
  await stream.close()
  const fresh = await carol.direct(bob)
  for (let round = 0; round < 3; round++) for (const group of [...groups, fresh]) await (group === fresh ? carol : alice).send(group, `r${round}`)
  const joined = await alice.group([])
  await alice.send(joined, 'before')
  await alice.ok('POST', `/api/chat/conversations/${joined}/participants`, { participantIds: ['bob'] })
  await alice.ok('DELETE', `/api/chat/conversations/${groups[2]}/participants/bob`)
  await alice.send(groups[2]!, 'without bob')
  await alice.send(id, 'marker')

  const resumed = await bob.openStream(t, {}, { 'last-event-id': position })
  await carol.send(groups[2]!, 'still without bob')
  await alice.send(groups[0]!, 'live')
  // Conversations have no order among each other.
  const awaited = new Set(['live', 'marker', `r2 ${groups[1]}`, `r2 ${fresh}`, `participantJoined ${joined}`])
  const events = (await resumed.until(({ type, data }) => {
    for (const name of [data.text, `${String(data.text)} ${String(data.conversationId)}`, `${type} ${String(data.conversationId)}`]) awaited.delete(String(name))
    return awaited.size === 0
  }))
  const of = (conversationId: string): unknown[] => names([...new Map(events
    .filter(({ data }) => data.conversationId === conversationId && data.eventSeq !== undefined)
    .map(event => [event.data.eventSeq, event])).values()])
  t.strictSame(of(groups[0]!), ['r0', 'r1', 'r2', 'live'])
  t.strictSame(of(groups[1]!), ['r0', 'r1', 'r2'])
  t.strictSame(of(fresh), ['conversationCreated', 'r0', 'r1', 'r2'])
  t.ok(of(joined).includes('participantJoined'), 'one joined meanwhile')
  t.strictSame(of(id), ['marker'])
  t.notOk(events.some(({ data }) => /without bob/.test(String(data.text))), 'nothing of a conversation that was left')
})

test('each id of a stream of all conversations is a position to resume from', async (t) => {
  const { alice, bob, id } = await scene(t)
  const groups = [id, await alice.group([bob]), await alice.group([bob])]
  const start = (await bob.stream(t)).lastEventId!
  for (let round = 0; round < 4; round++) await Promise.all(groups.map(async group => await alice.send(group, `r${round}`)))
  await alice.send(id, 'marker')
  const numbers = (events: StreamEvent[], conversationId: string): number[] =>
    events.filter(({ data }) => data.conversationId === conversationId && data.eventSeq !== undefined).map(({ data }) => Number(data.eventSeq))

  const whole = await bob.openStream(t, { lastEventId: start })
  const awaited = new Set([`marker ${id}`, ...groups.slice(1).map(group => `r3 ${group}`)])
  await whole.until(({ data }) => {
    awaited.delete(`${String(data.text)} ${String(data.conversationId)}`)
    return awaited.size === 0
  })
  // Live events, and those of a catch-up that is cut in the middle.
  const positions = whole.events.map(({ id: position }, index) => ({ position: position!, seen: whole.events.slice(0, index + 1) }))
  for (const { position, seen } of positions.slice(0, -1)) {
    const stream = await bob.openStream(t, {}, { 'last-event-id': position })
    const all = groups.map(group => Math.max(...numbers(whole.events, group)))
    const complete = (): boolean => groups.every(
      (group, index) => Math.max(0, ...numbers(seen, group), ...numbers(stream.events, group)) === all[index]
    )
    while (!complete()) await stream.next()
    for (const group of groups) {
      const union = [...new Set([...numbers(seen, group), ...numbers(stream.events, group)])]
      const expected = [...new Set(numbers(whole.events, group))]
      t.strictSame(union.toSorted((a, b) => a - b), expected, `from ${position}`)
      const got = numbers(stream.events, group)
      t.strictSame(got, got.toSorted((a, b) => a - b), 'in order')
    }
    await stream.close()
  }
})

test('who is removed: their streams of it end, that of all stays', async (t) => {
  const { alice, bob, carol, id } = await scene(t)
  await carol.arrive()
  const group = await alice.group([bob, carol])
  const [one, all, theirs] = [await bob.stream(t, { conversationId: group }), await bob.stream(t), await carol.stream(t, { conversationId: group })]
  await alice.ok('DELETE', `/api/chat/conversations/${group}/participants/bob`)
  await alice.send(group, 'without bob')
  await carol.typing(group, true)
  await alice.send(id, 'marker')

  const last = (await one.until(({ type }) => type === 'disconnect')).filter(({ type }) => type !== 'onlineStatus')
  t.strictSame(last.map(({ type }) => type), ['participantLeft', 'disconnect'])
  t.strictSame(last[1]?.data, { reason: 'removed', retryAfterMs: null })
  await one.ended
  const events = (await all.until(marked)).filter(({ type }) => type !== 'onlineStatus')
  t.strictSame(names(events), ['participantLeft', 'marker'], 'it shows participantLeft, and then nothing more of it')
  t.strictSame(names([(await theirs.next('participantLeft')), await theirs.next('message')]), ['participantLeft', 'without bob'])

  t.match(await bob.call('GET', `/api/sse?conversationId=${group}`), { status: 404 })
  await alice.ok('POST', `/api/chat/conversations/${group}/participants`, { participantIds: ['bob'] })
  await alice.send(group, 'welcome back')
  t.strictSame(names((await all.durable(2))), ['participantJoined', 'welcome back'], 'who comes back is shown it again')

  const leaving = await bob.stream(t, { conversationId: group })
  await bob.ok('DELETE', `/api/chat/conversations/${group}/participants/bob`)
  t.match((await leaving.next('disconnect')).data, { reason: 'removed' }, 'leaving is the same')
})

test('who is removed while a stream of theirs opens gets nothing more', async (t) => {
  const { alice, bob, carol } = await scene(t)
  await carol.arrive()
  const group = await alice.group([bob, carol])
  const [watching] = [await carol.stream(t, { conversationId: group })]
  for (let round = 0; round < 36; round++) {
    const opening = [bob.openStream(t, { conversationId: group }), bob.openStream(t), bob.openStream(t, { lastEventId: watching.lastEventId! })]
    // At another point of the opening each time.
    const removing = new Promise(resolve => setTimeout(resolve, round % 12)).then(async () =>
      await alice.ok('DELETE', `/api/chat/conversations/${group}/participants/bob`))
    await Promise.all([removing, ...opening])
    await alice.send(group, `secret${round}`)
    await alice.ok('POST', `/api/chat/conversations/${group}/participants`, { participantIds: ['bob'] })
    await alice.send(group, `open${round}`)
    for (const stream of await Promise.all(opening)) {
      if (stream.status === 200) {
        const events = await stream.until(({ type, data }) => type === 'disconnect' || data.text === `open${round}`)
        const secret = events.some(({ data }) => data.text === `secret${round}`)
        if (secret) t.fail(`round ${round}: ${names(events).join()}`)
      }
      await stream.close()
    }
    await watching.until(({ data }) => data.text === `open${round}`)
  }
  t.pass()
})

test('a stream ends when its token expires, unless a fresh one is handed in', async (t) => {
  const clock = travel(t)
  const { app, id } = await scene(t)
  const exp = Math.floor(Date.now() / 1000) + 20
  const brief = user(app, 'bob', { exp })
  const [one, renewed] = [await brief.stream(t, { conversationId: id }), await brief.stream(t)]
  const { data: { streamId, expiresAt } } = renewed.events[0]!
  t.equal(expiresAt, new Date(exp * 1000).toISOString())
  const fresh = user(app, 'bob', { exp: exp + 100 })
  t.strictSame(await fresh.ok('POST', `/api/sse/${String(streamId)}/token`), { streamId, expiresAt: new Date((exp + 100) * 1000).toISOString() })
  t.strictSame(await user(app, 'bob', { exp: exp - 10 }).ok('POST', `/api/sse/${String(streamId)}/token`), { streamId, expiresAt: new Date((exp + 100) * 1000).toISOString() }, 'one that ends sooner takes nothing away')
  t.match(await user(app, 'alice').call('POST', `/api/sse/${String(streamId)}/token`), { status: 404, body: { code: 'NOT_FOUND' } }, 'one\'s own streams only')
  t.match(await fresh.call('POST', '/api/sse/nope/token'), { status: 404 })
  t.match(await call(app, 'POST', `/api/sse/${String(streamId)}/token`), { status: 401 })

  await clock.advance(16_000)
  t.notOk(one.events.some(({ type }) => type === 'disconnect'), 'not before')
  await clock.advance(5000)
  t.strictSame((await one.next('disconnect')).data, { reason: 'token_expired', retryAfterMs: 0 })
  await one.ended
  t.match(await brief.call('GET', '/api/chat/me'), { status: 401, body: { code: 'TOKEN_EXPIRED' } })
  t.match(await brief.call('GET', '/api/sse'), { status: 401, body: { code: 'TOKEN_EXPIRED' } })
  t.notOk(renewed.events.some(({ type }) => type === 'disconnect'))
  await clock.advance(100_000)
  t.match((await renewed.next('disconnect')).data, { reason: 'token_expired' })
})

test('one user\'s streams are limited: the next is refused, none is evicted', async (t) => {
  const { app, alice, bob, id } = await scene(t, { maxStreamsPerUser: 2 })
  const [one, two] = [await bob.stream(t, { conversationId: id }), await bob.stream(t)]
  const refused = await bob.call('GET', '/api/sse')
  t.match(refused, { status: 429, body: { statusCode: 429, code: 'TOO_MANY_STREAMS', error: 'Too Many Requests' } })
  t.match(String(refused.headers['retry-after']), /^[1-9]\d*$/)
  t.equal((await alice.stream(t, { conversationId: id })).status, 200, 'another user\'s are not')
  await alice.send(id, 'both are there')
  t.match([await one.next('message'), await two.next('message')], [{}, {}])
  await one.close()
  // The server must know of the close first.
  let third = await bob.openStream(t)
  for (let tries = 0; third.status === 429 && tries < 200; tries++) third = await bob.openStream(t)
  t.equal(third.status, 200)
  const many = await Promise.all(Array.from({ length: 6 }, async () => await user(app, 'carol').openStream(t)))
  t.strictSame(many.map(({ status }) => status).sort(), [200, 200, 429, 429, 429, 429], 'also when they come at once')
})

test('a full process says when to come back', async (t) => {
  const { alice, bob, id } = await scene(t, { maxStreams: 1 })
  const one = await bob.stream(t, { conversationId: id })
  const turned = await alice.openStream(t)
  t.equal(turned.status, 200)
  t.match(turned.headers['content-type'], /^text\/event-stream/)
  const { type, data } = await turned.next()
  t.match([type, data], ['disconnect', { reason: 'unavailable', retryAfterMs: Number }])
  t.equal(turned.retry, data.retryAfterMs)
  await turned.ended
  t.strictSame(one.rest(), [])
})

test('a process is full also when all come at once', async (t) => {
  const { app } = await scene(t, { maxStreams: 3 })
  const streams = await Promise.all(Array.from({ length: 12 }, async (_, index) => await user(app, `u${index}`).openStream(t)))
  const first = await Promise.all(streams.map(async stream => (await stream.next()).type))
  t.strictSame(first.sort(), [...Array.from({ length: 3 }, () => 'connected'), ...Array.from({ length: 9 }, () => 'disconnect')])
  t.equal(app.hub.streamCount, 3)
  await call(app, 'GET', '/api/sse?conversationId=nope', { headers: { authorization: `Bearer ${token({ sub: 'u0' })}` } })
  await Promise.all(streams.map(async stream => { await stream.close() }))
  for (let tries = 0; app.hub.streamCount > 0 && tries < 200; tries++) await new Promise(resolve => setTimeout(resolve, 10))
  await user(app, 'u0').stream(t)
})

test('a token that expires between two milliseconds, or after the last day', async (t) => {
  const { app } = await scene(t)
  for (const [exp, expiresAt] of [[4_000_000_000.123456, '2096-10-02T07:06:40.123Z'], [1e13, '+275760-09-13T00:00:00.000Z'], [1e300, '+275760-09-13T00:00:00.000Z']] as const) {
    const bob = user(app, 'bob', { exp })
    const stream = await bob.openStream(t)
    const { type, data } = await stream.next()
    t.match([type, data], ['connected', { expiresAt }], String(exp))
    t.match(await bob.call('POST', `/api/sse/${String(data.streamId)}/token`), { status: 200, body: { expiresAt } })
    const { ticket } = await bob.ok<{ ticket: string }>('POST', '/api/sse/tickets')
    const byTicket = await openEvents(t, `${baseUrl(app)}/api/sse?ticket=${ticket}`)
    t.match(await byTicket.next(), { type: 'connected', data: { expiresAt } })
  }
})

test('closing the app tells the streams, each with a waiting time of its own', async (t) => {
  const { app, bob, id } = await scene(t)
  const streams = await Promise.all(Array.from({ length: 8 }, async (_, index) => await bob.stream(t, index % 2 === 0 ? { conversationId: id } : {})))
  await app.close()
  const waits = new Set<unknown>()
  for (const stream of streams) {
    const { data } = await stream.next('disconnect')
    t.match(data, { reason: 'shutdown', retryAfterMs: Number })
    t.ok(Number(data.retryAfterMs) > 0)
    t.equal(stream.retry, data.retryAfterMs)
    waits.add(data.retryAfterMs)
    await stream.ended
  }
  t.ok(waits.size > 1, 'jittered')
})

test('heartbeats are comments', async (t) => {
  const { bob } = await scene(t, { heartbeatMs: 100 })
  const stream = await bob.stream(t)
  t.equal(stream.events[0]?.data.heartbeatMs, 100)
  await stream.untilRaw(raw => raw.includes('\n\n: heartbeat\n: heartbeat\n: heartbeat\n'))
  t.strictSame(stream.rest(), [])
  t.ok(stream.comments.every(comment => comment === 'heartbeat'))
})

test('a ticket opens one stream, once, in place of a token', async (t) => {
  const clock = travel(t)
  const { app, alice, bob, id } = await scene(t)
  const group = await alice.group([bob])
  const ticket = async (body?: unknown): Promise<string> => {
    const { status, body: answer } = await bob.call('POST', '/api/sse/tickets', body)
    t.equal(status, 201)
    t.match(answer, { ticket: /^[\w-]{20,}$/, expiresAt: /Z$/ })
    return String(answer.ticket)
  }
  const open = async (query: Record<string, string>) => await openEvents(t, `${baseUrl(app)}/api/sse?${new URLSearchParams(query).toString()}`)
  const forAll = await ticket()
  const stream = await open({ ticket: forAll })
  t.match(await stream.next(), { type: 'connected', data: { userId: 'bob', conversationId: null } })
  t.equal((await open({ ticket: forAll })).status, 401, 'once')
  const forOne = await ticket({ conversationId: id })
  t.equal((await open({ ticket: forOne, conversationId: group })).status, 401, 'for what it was asked for')
  t.match(await (await open({ ticket: await ticket({ conversationId: id }), conversationId: id })).next(), { type: 'connected', data: { conversationId: id } })
  t.match(await call(app, 'GET', '/api/sse?ticket=nope'), { status: 401, body: { code: 'INVALID_TICKET' } })
  t.match(await bob.call('POST', '/api/sse/tickets', { conversationId: 'nope' }), { status: 404 })
  t.match(await bob.call('POST', '/api/sse/tickets', { conversationId: 7 }), { status: 400 })
  t.match(await call(app, 'POST', '/api/sse/tickets'), { status: 401 })
  const stale = await ticket()
  await clock.advance(31_000)
  t.equal((await open({ ticket: stale })).status, 401, 'for half a minute')

  const brief = user(app, 'bob', { exp: Math.floor(Date.now() / 1000) + 10 })
  const ofBrief = await brief.ok<{ ticket: string }>('POST', '/api/sse/tickets')
  const ending = await open({ ticket: ofBrief.ticket })
  await ending.next('connected')
  await clock.advance(12_000)
  t.match((await ending.next('disconnect')).data, { reason: 'token_expired' }, 'the stream ends with the token that asked for it')
})

test('a token in the header goes before one in the query', async (t) => {
  const { app, bob } = await scene(t)
  const open = async (query: string, authorization?: string) =>
    await openEvents(t, `${baseUrl(app)}/api/sse?token=${query}`, authorization === undefined ? {} : { authorization })
  t.match(await (await open(token({ sub: 'other' }), `Bearer ${bob.token}`)).next(), { data: { userId: 'bob' } })
  t.equal((await open(bob.token, 'Bearer nonsense')).status, 401)
  t.equal((await open('nonsense')).status, 401)
})
