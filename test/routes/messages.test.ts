import { test, type Test } from 'tap'
import type { MessagePage, OwnMessage as Message } from '../../schemas/messages.js'
import { build, buildListening, shared, user, users, type User } from '../helper.js'

const SMILE = '😀'

/** Two users with a conversation, which the second one follows. */
async function scene (t: Test) {
  const app = await buildListening(t)
  const alice = user(app, 'alice', { name: 'Alice A.', picture: 'https://example.com/a.png' })
  const bob = user(app, 'bob', { name: 'Bob' })
  const conversationId = await alice.direct(bob)
  return { app, alice, bob, conversationId }
}

const history = async (reader: User, id: string, query = ''): Promise<MessagePage> =>
  await reader.ok('GET', `/api/chat/conversations/${id}/messages${query}`)

test('a message is saved, answered and told to the others as one shape', async (t) => {
  const { alice, bob, conversationId } = await scene(t)
  const [mine, theirs] = [await alice.stream(t, { conversationId }), await bob.stream(t, { conversationId })]
  const before = Date.now()
  const { status, body } = await alice.call<Message>('POST', '/api/chat/messages', { conversationId, text: 'Hello!', clientId: 'c1', surplus: 1 })
  t.equal(status, 201)
  t.strictSame(body, {
    id: body.id,
    messageId: body.id,
    conversationId,
    seq: 1,
    clientId: 'c1',
    senderId: 'alice',
    text: 'Hello!',
    type: 'text',
    status: 'sent',
    createdAt: body.createdAt,
    editedAt: null,
    deletedAt: null,
    deletedBy: null,
    sender: { userId: 'alice', displayName: 'Alice A.', avatar: 'https://example.com/a.png', isBot: false },
    metadata: null,
    replyTo: null,
    replyCount: 0,
    mentions: [],
    mentionsAll: false,
    attachments: [],
    reactions: [],
    growing: false,
    myReactions: []
  })
  t.match(body.createdAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  t.ok(Math.abs(Date.parse(body.createdAt) - before) < 60_000)

  const event = await theirs.next('message')
  const { eventSeq, ...message } = event.data
  t.strictSame(message, shared(body), 'the event holds the message as it was answered')
  t.equal(eventSeq, 2, 'after conversationCreated')
  t.strictSame((await history(bob, conversationId)).messages, [body])
  t.strictSame((await history(alice, conversationId)).messages, [body])

  await bob.send(conversationId, 'Hi')
  t.equal((await mine.next('message')).data.senderId, 'bob', 'the sender gets no event of their own message')
  t.strictSame(mine.events.filter(({ type }) => type === 'message').length, 1)
})

test('the types of messages', async (t) => {
  const { alice, conversationId } = await scene(t)
  t.equal((await alice.send(conversationId, 'x', { type: 'image_2-b' })).type, 'image_2-b')
  t.equal((await alice.send(conversationId, 'x', { type: `a${'z'.repeat(31)}` })).type.length, 32)
  for (const type of ['', 'Image', '1a', '-a', 'a b', 'a'.repeat(33), 'text\n', 7, null, ['text']]) {
    const { status, body } = await alice.call('POST', '/api/chat/messages', { conversationId, text: 'x', type })
    t.match({ status, code: body.code }, { status: 400, code: 'VALIDATION_FAILED' }, `type ${JSON.stringify(type)}`)
  }
  t.equal((await history(alice, conversationId)).messages.length, 2, 'nothing was written when it was refused')
})

test('text is 1 to 4,000 code points, kept to the letter', async (t) => {
  const { alice, bob, conversationId } = await scene(t)
  const stream = await bob.stream(t, { conversationId })
  const texts = [
    ' \t padded \n ', '\r\n', 'a\rb\nc\r\nd', 'one\u2028two\u2029three\u0085four', 'data: x\n\ndata: y', 'event: message\nid: 7\n\n', ': comment',
    '\u0001\u0008\u000b\u001b\u001f\u007f\u009f', '\ufeffbom', `${SMILE}👨‍👩‍👧‍👦🇩🇪`, '"quotes" \\ back\\u0041 </script>', '%00 %0a', 'é e\u0301 ﬁ',
    '__proto__', '{"__proto__":1}', 'null', '0', 'x'.repeat(4000), SMILE.repeat(4000), '\ud7ff\ue000\uffff'
  ]
  for (const text of texts) {
    const label = encodeURIComponent(text.slice(0, 20))
    t.equal((await alice.send(conversationId, text)).text, text, `answered: ${label}`)
    const { data } = await stream.next('message')
    t.equal(data.text, text, `told: ${label}`)
  }
  t.equal(stream.raw.match(/^data:/gm)?.length, stream.events.length, 'each event is one line of data')
  const { messages } = await history(bob, conversationId, '?limit=100')
  t.strictSame(messages.map(({ text }) => text), texts, 'read again')

  const replayed = await bob.openStream(t, { conversationId, lastEventId: stream.events.find(({ type }) => type === 'connected')!.id! })
  for (const text of texts) t.equal((await replayed.next('message')).data.text, text, 'replayed')

  for (const text of ['', 'x'.repeat(4001), SMILE.repeat(4001), 'a\u0000b', '\u0000', '\ud800', 'a\udc00', '\udc00\ud800', 1, null, true, ['a'], {}]) {
    const { status, body } = await alice.call('POST', '/api/chat/messages', { conversationId, text })
    t.match({ status, code: body.code }, { status: 400, code: 'VALIDATION_FAILED' }, JSON.stringify(text).slice(0, 30))
  }
  t.equal((await history(alice, conversationId, '?limit=100')).messages.length, texts.length, 'nothing was written when it was refused')
})

test('seq counts a conversation\'s messages without a hole, also when many write at once', async (t) => {
  const { alice, bob, conversationId } = await scene(t)
  const other = await alice.group([bob])
  const sent = await Promise.all(Array.from({ length: 60 }, async (_, index) =>
    await (index % 2 === 0 ? alice : bob).send(index % 3 === 0 ? other : conversationId, `m${index}`)))
  for (const id of [conversationId, other]) {
    const seqs = sent.filter(message => message.conversationId === id).map(({ seq }) => seq).sort((a, b) => a - b)
    t.strictSame(seqs, seqs.map((_, index) => index + 1), 'gapless')
    const { messages } = await history(alice, id, '?limit=100')
    t.strictSame(messages.map(({ seq }) => seq), seqs)
  }
})

test('a clientId makes a repeated send safe, for ever', async (t) => {
  const { alice, bob, conversationId } = await scene(t)
  const stream = await bob.stream(t, { conversationId })
  const body = { conversationId, text: 'once', clientId: 'id-1' }
  const first = await alice.call<Message>('POST', '/api/chat/messages', body)
  t.equal(first.status, 201)
  const again = await alice.call<Message>('POST', '/api/chat/messages', body)
  t.equal(again.status, 200)
  t.strictSame(again.body, first.body)
  const reused = await alice.call('POST', '/api/chat/messages', { ...body, text: 'other' })
  t.match(reused, { status: 409, body: { code: 'CLIENT_ID_REUSED' } })

  const theirs = await bob.call<Message>('POST', '/api/chat/messages', { ...body, text: 'mine' })
  t.equal(theirs.status, 201, 'another sender\'s clientIds are another matter')
  const group = await alice.group([bob])
  t.equal((await alice.call('POST', '/api/chat/messages', { ...body, conversationId: group, text: 'else' })).status, 201, 'another conversation\'s, too')

  const read = await bob.mark(first.body, 'read')
  t.equal(read.changed, true)
  t.equal((await alice.call<Message>('POST', '/api/chat/messages', body)).body.status, 'read', 'the message as it is now')
  await alice.ok('PATCH', `/api/chat/messages/${first.body.id}`, { text: 'edited' })
  const afterEdit = await alice.call<Message>('POST', '/api/chat/messages', body)
  t.match(afterEdit, { status: 200, body: { id: first.body.id, text: 'edited' } }, 'the text first sent counts')
  t.equal((await alice.call('POST', '/api/chat/messages', { ...body, text: 'edited' })).status, 409)
  await alice.ok('PATCH', `/api/chat/messages/${first.body.id}`, { text: 'edited twice' })
  t.equal((await alice.call('POST', '/api/chat/messages', body)).status, 200, 'after a second edit')
  await alice.ok('DELETE', `/api/chat/messages/${first.body.id}`)
  const afterDelete = await alice.call<Message>('POST', '/api/chat/messages', body)
  t.match(afterDelete, { status: 200, body: { id: first.body.id, text: '' } })
  t.type(afterDelete.body.deletedAt, 'string')
  t.equal((await alice.call('POST', '/api/chat/messages', { ...body, text: '' })).status, 400)
  t.equal((await alice.call('POST', '/api/chat/messages', { ...body, text: 'edited twice' })).status, 409)

  await alice.send(conversationId, 'marker')
  const events = await stream.until(({ data }) => data.text === 'marker')
  t.strictSame(events.filter(({ type, data }) => type === 'message' && data.senderId === 'alice').map(({ data }) => data.text), ['', 'marker'].map(text => text || 'once'),
    'a repeat emits nothing')
  t.equal((await history(bob, conversationId)).messages.length, 3)
})

test('clientIds: what they may be', async (t) => {
  const { alice, conversationId } = await scene(t)
  for (const clientId of ['x', 'x'.repeat(64), SMILE.repeat(64), ' ', 'a\nb', '{}']) {
    t.equal((await alice.send(conversationId, 'x', { clientId })).clientId, clientId)
    t.equal((await alice.call('POST', '/api/chat/messages', { conversationId, text: 'x', clientId })).status, 200)
  }
  t.equal((await alice.send(conversationId, 'x', { clientId: null })).clientId, null)
  t.equal((await alice.send(conversationId, 'x', { clientId: null })).clientId, null)
  for (const clientId of ['', 'x'.repeat(65), 'a\u0000', '\ud800', 1, true, {}]) {
    const { status, body } = await alice.call('POST', '/api/chat/messages', { conversationId, text: 'x', clientId })
    t.match({ status, code: body.code }, { status: 400, code: 'VALIDATION_FAILED' }, JSON.stringify(clientId))
  }
})

test('the same clientId many times at the same moment is one message', async (t) => {
  const { alice, bob, conversationId } = await scene(t)
  const stream = await bob.stream(t, { conversationId })
  const answers = await Promise.all(Array.from({ length: 20 }, async () =>
    await alice.call<Message>('POST', '/api/chat/messages', { conversationId, text: 'same', clientId: 'k' })))
  t.equal(answers.filter(({ status }) => status === 201).length, 1)
  t.equal(answers.filter(({ status }) => status === 200).length, 19)
  t.equal(new Set(answers.map(({ body }) => body.id)).size, 1)

  const contested = await Promise.all(['a', 'b', 'c', 'd'].map(async text =>
    await alice.call<Message>('POST', '/api/chat/messages', { conversationId, text, clientId: 'contested' })))
  t.strictSame(contested.map(({ status }) => status).sort(), [201, 409, 409, 409])
  await alice.send(conversationId, 'marker')
  t.equal((await stream.until(({ data }) => data.text === 'marker')).length, 3)
})

test('editing: by the sender, told to all', async (t) => {
  const { app, alice, bob, conversationId } = await scene(t)
  const stranger = await user(app, 'mallory').arrive()
  const message = await alice.send(conversationId, 'first')
  const [mine, theirs] = [await alice.stream(t, { conversationId }), await bob.stream(t, { conversationId })]
  const edited = await alice.ok<Message>('PATCH', `/api/chat/messages/${message.id}`, { text: 'second\r\n' })
  t.strictSame(edited, { ...message, text: 'second\r\n', editedAt: edited.editedAt })
  t.match(edited.editedAt, /Z$/)
  for (const stream of [mine, theirs]) {
    const { data, id } = await stream.next('messageUpdated')
    t.type(id, 'string')
    const { eventSeq, ...shown } = data
    t.strictSame(shown, shared(edited))
    t.equal(eventSeq, 3)
  }
  t.match(await bob.call('PATCH', `/api/chat/messages/${message.id}`, { text: 'x' }), { status: 403, body: { code: 'FORBIDDEN' } })
  t.match(await stranger.call('PATCH', `/api/chat/messages/${message.id}`, { text: 'x' }), { status: 404, body: { code: 'NOT_FOUND' } })
  t.match(await alice.call('PATCH', '/api/chat/messages/none', { text: 'x' }), { status: 404, body: { code: 'NOT_FOUND' } })
  for (const text of ['', 'x'.repeat(4001), 'a\u0000', '\udfff', 5, null, undefined]) {
    t.match(await alice.call('PATCH', `/api/chat/messages/${message.id}`, { text }), { status: 400, body: { code: 'VALIDATION_FAILED' } })
  }
  await alice.ok('DELETE', `/api/chat/messages/${message.id}`)
  t.match(await alice.call('PATCH', `/api/chat/messages/${message.id}`, { text: 'x' }), { status: 409, body: { code: 'MESSAGE_DELETED' } })
  t.strictSame((await theirs.take(1)).map(({ type }) => type), ['messageDeleted'], 'what was refused told nothing')
})

test('deleting: a tombstone in the same place, once', async (t) => {
  const { app, alice, bob, conversationId } = await scene(t)
  const stranger = await user(app, 'mallory').arrive()
  const [one, two] = [await alice.send(conversationId, 'one', { clientId: 'c' }), await alice.send(conversationId, 'two')]
  const [mine, theirs] = [await alice.stream(t, { conversationId }), await bob.stream(t, { conversationId })]
  t.match(await bob.call('DELETE', `/api/chat/messages/${one.id}`), { status: 403, body: { code: 'FORBIDDEN' } })
  t.match(await stranger.call('DELETE', `/api/chat/messages/${one.id}`), { status: 404, body: { code: 'NOT_FOUND' } })
  const { status, body } = await alice.call<Message>('DELETE', `/api/chat/messages/${one.id}`)
  t.equal(status, 200)
  t.strictSame(body, { ...one, text: '', deletedAt: body.deletedAt, deletedBy: 'alice' })
  t.match(body.deletedAt, /Z$/)
  const again = await alice.call<Message>('DELETE', `/api/chat/messages/${one.id}`)
  t.strictSame([again.status, again.body], [200, body], 'again: the same answer')
  for (const stream of [mine, theirs]) {
    const { data } = await stream.next('messageDeleted')
    const { eventSeq: _, ...shown } = data
    t.strictSame(shown, shared(body))
  }
  await alice.send(conversationId, 'marker')
  t.equal((await theirs.until(({ data }) => data.text === 'marker')).length, 1, 'again: no event')
  const { messages } = await history(bob, conversationId)
  t.strictSame(messages.map(({ seq, text }) => [seq, text]), [[1, ''], [2, 'two'], [3, 'marker']])
  t.equal(two.seq, 2)

  const replay = await bob.openStream(t, { conversationId, lastEventId: (theirs.events[0]!.id!).replace(/(?<=\.)\d+$/, '0') })
  await replay.until(({ data }) => data.text === 'marker')
  t.notMatch(replay.raw, '"text":"one"', 'a deleted message\'s text never comes back out of the log')
})

test('an edit is replayed as the message is now', async (t) => {
  const { alice, bob, conversationId } = await scene(t)
  const stream = await bob.stream(t, { conversationId })
  const message = await alice.send(conversationId, 'v1')
  await alice.ok('PATCH', `/api/chat/messages/${message.id}`, { text: 'v2' })
  const replay = await bob.openStream(t, { conversationId, lastEventId: stream.events[0]!.id! })
  const [, created, updated] = await replay.take(3)
  t.match(created, { type: 'message', data: { text: 'v2', eventSeq: 2 } })
  t.match(updated, { type: 'messageUpdated', data: { text: 'v2', eventSeq: 3 } })
})

test('history is paged by seq', async (t) => {
  const { app, alice, bob, conversationId } = await scene(t)
  await Promise.all(Array.from({ length: 7 }, async (_, index) => await alice.send(conversationId, `m${index}`)))
  const page = async (query: string): Promise<unknown> => {
    const { messages, hasMore } = await history(bob, conversationId, query)
    return [messages.map(({ seq }) => seq), hasMore]
  }
  t.strictSame(await page(''), [[1, 2, 3, 4, 5, 6, 7], false])
  t.strictSame(await page('?limit=3'), [[5, 6, 7], true], 'the newest page')
  t.strictSame(await page('?limit=7'), [[1, 2, 3, 4, 5, 6, 7], false])
  t.strictSame(await page('?before=5&limit=3'), [[2, 3, 4], true], 'bounds are exclusive')
  t.strictSame(await page('?before=4&limit=3'), [[1, 2, 3], false])
  t.strictSame(await page('?before=1'), [[], false])
  t.strictSame(await page('?before=999'), [[1, 2, 3, 4, 5, 6, 7], false])
  t.strictSame(await page('?after=2&limit=3'), [[3, 4, 5], true])
  t.strictSame(await page('?after=4&limit=3'), [[5, 6, 7], false])
  t.strictSame(await page('?after=0&limit=2'), [[1, 2], true])
  t.strictSame(await page('?after=7'), [[], false])
  t.strictSame(await page(`?after=${Number.MAX_SAFE_INTEGER}`), [[], false])
  t.strictSame(await page(`?before=${Number.MAX_SAFE_INTEGER}&limit=1`), [[7], true])
  t.strictSame(await page('?surplus=1&limit=1'), [[7], true], 'unknown parameters are ignored')
  for (const query of ['limit=0', 'limit=101', 'limit=-1', 'limit=1.5', 'limit=x', 'limit=', 'limit=1&limit=2', 'before=x', 'before=-1', 'after=1.5', 'before=1&after=2',
    'before=9007199254740993', 'before=', 'limit=1e2000']) {
    t.match(await bob.call('GET', `/api/chat/conversations/${conversationId}/messages?${query}`), { status: 400, body: { code: 'VALIDATION_FAILED' } }, query)
  }
  await Promise.all(Array.from({ length: 100 }, async (_, index) => await alice.send(conversationId, `n${index}`)))
  t.equal((await history(bob, conversationId)).messages.length, 50, 'fifty unless asked')
  t.equal((await history(bob, conversationId, '?limit=100')).messages.length, 100)
  const stranger = user(app, 'stranger')
  t.match(await stranger.call('GET', `/api/chat/conversations/${conversationId}/messages`), { status: 404, body: { code: 'NOT_FOUND' } })
})

test('the display name and picture of the sender follow their token', async (t) => {
  const { app, alice, bob, conversationId } = await scene(t)
  await alice.send(conversationId, 'x')
  await user(app, 'alice', { name: 'Alice B.' }).arrive()
  const { messages: [message] } = await history(bob, conversationId)
  t.strictSame(message?.sender, { userId: 'alice', displayName: 'Alice B.', avatar: null, isBot: false })
})

test('who is no participant finds nothing', async (t) => {
  const app = await build(t)
  const [alice, bob, mallory] = users(app, 'alice', 'bob', 'mallory') as [User, User, User]
  const conversationId = await alice.direct(bob)
  const message = await alice.send(conversationId, 'x')
  await mallory.arrive()
  const calls: Array<[Parameters<User['call']>[0], (conversation: string, message: string) => string, (conversation: string) => unknown]> = [
    ['POST', () => '/api/chat/messages', conversationId => ({ conversationId, text: 'x' })],
    ['POST', () => '/api/chat/typing', conversationId => ({ conversationId, isTyping: true })],
    ['PUT', (_, id) => `/api/chat/messages/${id}/status`, () => ({ status: 'read' })],
    ['PATCH', (_, id) => `/api/chat/messages/${id}`, () => ({ text: 'x' })],
    ['DELETE', (_, id) => `/api/chat/messages/${id}`, () => undefined],
    ['GET', id => `/api/chat/conversations/${id}`, () => undefined],
    ['GET', id => `/api/chat/conversations/${id}/messages`, () => undefined],
    ['PUT', id => `/api/chat/conversations/${id}/read`, () => ({ seq: 1 })],
    ['POST', id => `/api/chat/conversations/${id}/participants`, () => ({ participantIds: ['mallory'] })],
    ['PUT', id => `/api/chat/conversations/${id}/participants/alice`, () => ({ role: 'admin' })],
    ['DELETE', id => `/api/chat/conversations/${id}/participants/mallory`, () => undefined],
    ['GET', id => `/api/sse?conversationId=${id}`, () => undefined]
  ]
  for (const [method, path, body] of calls) {
    const foreign = await mallory.call(method, path(conversationId, message.id), body(conversationId))
    const unknown = await mallory.call(method, path('conv_nope', 'nope'), body('conv_nope'))
    t.equal(foreign.status, 404, `${method} ${path('…', '…')}`)
    t.strictSame(foreign.body, { statusCode: 404, code: 'NOT_FOUND', error: 'Not Found', message: 'Not found' })
    t.strictSame(foreign.body, unknown.body, 'the same as for one that does not exist')
  }
  t.equal((await history(alice, conversationId)).messages.length, 1)
})
