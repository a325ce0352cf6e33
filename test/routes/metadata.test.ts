import { test, type Test } from 'tap'
import type { MessagePage, OwnMessage as Message } from '../../schemas/messages.js'
import { build, buildListening, shared, user, written, type User } from '../helper.js'

/** Two users with a conversation. */
async function scene (t: Test, make = build) {
  const app = await make(t)
  const [alice, bob] = [user(app, 'alice'), user(app, 'bob')]
  return { app, alice, bob, conversationId: await alice.direct(bob) }
}

const SEND = '/api/chat/messages'
const pathOf = ({ id }: Pick<Message, 'id'>): string => `/api/chat/messages/${id}`

/** An object of so many levels, the object itself included. */
const nested = (levels: number, innermost: unknown = 'x', wrap = (value: unknown): unknown => ({ a: value })): Record<string, unknown> => {
  let value = innermost
  for (let level = 1; level < levels; level++) value = wrap(value)
  return { a: value }
}
/** An object of so many bytes as JSON. */
const ofBytes = (bytes: number, filler = 'x'): Record<string, unknown> => {
  const room = bytes - Buffer.byteLength(JSON.stringify({ a: '' }))
  const size = Buffer.byteLength(filler)
  return { a: filler.repeat(Math.floor(room / size)) + 'x'.repeat(room % size) }
}

const KEPT: Array<Record<string, unknown>> = [
  {},
  { orderId: 4711, paid: true, note: null, rate: 0.1, tags: ['a', { b: [] }] },
  { b: 1, a: 2, 10: 'ten', 9: 'nine' },
  { constructor: 'x', prototype: 1, toString: 2, hasOwnProperty: 3, toJSON: 'no function', length: 0, then: null },
  { proto: { __proto: 1, proto__: 2 }, constructor: { name: 'x' } },
  { 'a b\n\t"\\': '\u2028\u2029\u0085\u0001\ufeff', ['🙂'.repeat(64)]: '🙂' },
  { text: '</script>', big: 2 ** 53, small: 5e-324, negative: -1.5e300 },
  nested(8), nested(8, 'x', value => [value]), nested(8, []).a as Record<string, unknown>,
  { many: Array.from({ length: 500 }, () => [[]]) },
  ofBytes(4096), ofBytes(4096, 'é'), ofBytes(4096, '🙂')
]

const TOO_LARGE: unknown[] = [ofBytes(4097), ofBytes(4097, '🙂'), nested(9), nested(8, {}), nested(8, [[]]), nested(2000), nested(9, 'x', value => [value])]

/** As JSON text: some of it could not be written as a literal. */
const INVALID = [
  'true', '1', '"x"', '[]', '[{}]', '{"":1}', `{"${'k'.repeat(65)}":1}`, `{"${'🙂'.repeat(65)}":1}`, `{"a":{"${'k'.repeat(65)}":1}}`, '{"a":[{"":1}]}',
  '{"a":"\\u0000"}', '{"a\\u0000":1}', '{"a":["x\\u0000"]}', '{"a":"\\ud800"}', '{"\\udfff":1}', '{"a":{"b":"\\udc00\\ud800"}}',
  '{"__proto__":1}', '{"__proto__":{}}', '{"a":{"__proto__":null}}', '{"a":[{"\\u005f_proto__":1}]}',
  '{"constructor":{"prototype":1}}', '{"a":{"constructor":{"prototype":{}}}}', '{"a":[{"constr\\u0075ctor":{"prototype":null}}]}'
]

test('metadata is kept as JSON.parse reads it', async t => {
  const { alice, bob, conversationId } = await scene(t, buildListening)
  const stream = await bob.stream(t, { conversationId })
  for (const [label, metadata] of KEPT.entries()) {
    const { body } = await alice.call<Message>('POST', SEND, { conversationId, text: 'x', metadata })
    t.equal(JSON.stringify(body.metadata), JSON.stringify(metadata), `number ${label} is answered`)
    const { data } = await stream.next<Message>('message')
    t.equal(JSON.stringify(data.metadata), JSON.stringify(metadata), 'told')
    t.equal(JSON.stringify((await bob.ok<Message>('GET', pathOf(body))).metadata), JSON.stringify(metadata), 'read')
  }
  t.equal((await alice.send(conversationId, 'x', { metadata: null })).metadata, null)
  t.equal((await alice.send(conversationId, 'x')).metadata, null, 'absent is null')
  const replay = await bob.openStream(t, { conversationId, lastEventId: stream.events[0]!.id! })
  for (const metadata of KEPT) t.equal(JSON.stringify((await replay.next<Message>('message')).data.metadata), JSON.stringify(metadata), 'replayed')
})

test('metadata that is refused writes nothing, and tells nothing', async t => {
  const { app, alice, conversationId } = await scene(t)
  const message = await alice.send(conversationId, 'x', { metadata: { kept: 1 } })
  const before = await written(app)
  const calls: Array<['POST' | 'PATCH', string, (metadata: string) => string]> = [
    ['POST', SEND, metadata => `{"conversationId":"${conversationId}","text":"x","metadata":${metadata}}`],
    ['PATCH', pathOf(message), metadata => `{"metadata":${metadata}}`],
    ['PATCH', '/api/chat/me', metadata => `{"metadata":${metadata}}`]
  ]
  for (const [method, url, bodyOf] of calls) {
    const answer = async (metadata: string): Promise<unknown[]> => {
      const { statusCode, payload } = await app.inject({
        method, url, headers: { authorization: `Bearer ${alice.token}`, 'content-type': 'application/json' }, payload: bodyOf(metadata)
      })
      return [statusCode, (JSON.parse(payload) as { code: string }).code]
    }
    for (const metadata of INVALID) t.strictSame(await answer(metadata), [400, 'VALIDATION_FAILED'], `${method} ${url.slice(0, 14)} ${metadata.slice(0, 40)}`)
    for (const metadata of TOO_LARGE) {
      t.strictSame(await answer(JSON.stringify(metadata)), [400, 'METADATA_TOO_LARGE'], `${method} ${JSON.stringify(metadata).slice(0, 40)}`)
    }
    t.strictSame(await answer(`{"a":${'['.repeat(25_000)}${']'.repeat(25_000)}}`), [400, 'METADATA_TOO_LARGE'], 'deeper than a stack')
  }
  t.strictSame(await written(app), before)
  t.strictSame((await alice.ok<Message>('GET', pathOf(message))).metadata, { kept: 1 })
  t.equal((await alice.ok('GET', '/api/chat/me')).metadata, null)
})

test('metadata in process', async t => {
  const { app, conversationId } = await scene(t)
  const send = async (metadata: unknown): Promise<Message> =>
    (await app.chat.sendMessage('alice', { conversationId, text: 'x', metadata: metadata as Record<string, unknown> })).message
  t.strictSame((await send({ at: new Date(0), none: undefined, list: [undefined], nan: NaN })).metadata, { at: '1970-01-01T00:00:00.000Z', list: [null], nan: null })
  const given = { deep: { changed: 'before' } }
  const sending = send(given)
  given.deep.changed = 'after'
  t.strictSame((await sending).metadata, { deep: { changed: 'before' } }, 'the host may change its object meanwhile')

  const cycle: Record<string, unknown> = {}
  cycle.self = cycle
  const deep = nested(200_000)
  const before = await written(app)
  const invalid: unknown[] = [new Date(0), { big: 1n }, cycle, [], 'x', 1, () => {}, { toJSON: () => 'x' }, { toJSON: () => undefined }, JSON.parse('{"__proto__":1}'),
    JSON.parse('{"constructor":{"prototype":1}}'), { get a () { throw new Error('mine') } }, { a: '\ud800' }, { 'a\u0000': 1 }]
  for (const metadata of invalid) await t.rejects(send(metadata), { code: 'VALIDATION_FAILED' }, String(Object.prototype.toString.call(metadata)))
  for (const metadata of [deep, ofBytes(4097), nested(9)]) await t.rejects(send(metadata), { code: 'METADATA_TOO_LARGE' })
  t.strictSame(await written(app), before)
})

test('changing a message\'s metadata', async t => {
  const { app, alice, bob, conversationId } = await scene(t, buildListening)
  const message = await alice.send(conversationId, 'Hi @bob', { metadata: { a: 1, b: 2 }, mentions: [{ userId: 'bob', start: 3, length: 4 }] })
  const stream = await bob.stream(t, { conversationId })
  const patch = async (body: unknown): Promise<Message> => await alice.ok('PATCH', pathOf(message), body)
  const told = async (expected: Message): Promise<void> => {
    const { eventSeq: _, ...data } = (await stream.next<Message & { eventSeq: number }>('messageUpdated')).data
    t.strictSame(data, shared(expected))
  }

  const replaced = await patch({ metadata: { c: 3 } })
  t.strictSame(replaced, { ...message, metadata: { c: 3 } }, 'replaced whole; neither editedAt nor mentions move')
  await told(replaced)
  const cleared = await patch({ metadata: null })
  t.strictSame(cleared, { ...message, metadata: null })
  await told(cleared)

  const before = await written(app)
  t.strictSame(await patch({ metadata: null }), cleared)
  t.strictSame(await patch({ text: message.text }), cleared, 'the same text keeps the mentions with their places')
  t.strictSame(await patch({ text: message.text, metadata: null, mentions: [{ userId: 'bob', start: 3, length: 4 }], mentionsAll: false }), cleared)
  t.strictSame(await written(app), before, 'nothing changed: no event')

  const both = await patch({ text: 'Bye', metadata: { d: 4 } })
  t.match(both, { text: 'Bye', metadata: { d: 4 }, mentions: [{ userId: 'bob', start: null, length: null }] })
  t.type(both.editedAt, 'string')
  await told(both)
  const again = await patch({ metadata: { d: 5 } })
  t.equal(again.editedAt, both.editedAt)
  await told(again)

  const empty = [{}, { surplus: 1 }, { mentions: [] }, { mentionsAll: true }, { text: null }, { text: undefined, metadata: undefined }]
  for (const body of [...empty, { metadata: {}, mentions: [] }, { metadata: {}, mentionsAll: false }]) {
    t.match(await alice.call('PATCH', pathOf(message), body), { status: 400, body: { code: 'VALIDATION_FAILED' } }, JSON.stringify(body))
  }
  t.match(await bob.call('PATCH', pathOf(message), { metadata: {} }), { status: 403, body: { code: 'FORBIDDEN' } })
  await alice.ok('DELETE', pathOf(message))
  t.match(await alice.call('PATCH', pathOf(message), { metadata: {} }), { status: 409, body: { code: 'MESSAGE_DELETED' } })
  const { data } = await stream.next<Message>('messageDeleted')
  t.match(data, { text: '', metadata: null, mentions: [], mentionsAll: false, attachments: [], reactions: [], growing: false, deletedBy: 'alice' })
  const replay = await bob.openStream(t, { conversationId, lastEventId: stream.events[0]!.id! })
  await replay.next('messageDeleted')
  t.notMatch(replay.raw, /"[abcd]":/, 'it does not come back')
})

test('the order in which a call is judged', async t => {
  const { app, alice, bob, conversationId } = await scene(t)
  const message = await alice.send(conversationId, 'x', { clientId: 'c' })
  const [deleted, stranger] = [await alice.send(conversationId, 'y'), user(app, 'mallory')]
  await alice.ok('DELETE', pathOf(deleted))
  const nobody = user(app, 'x')
  nobody.token = 'no token'
  const send = (more: Record<string, unknown>): [string, Record<string, unknown>] => [SEND, { conversationId, text: 'x', ...more }]
  const judged = async (caller: User, method: 'POST' | 'PATCH', [url, body]: [string, unknown]): Promise<unknown> => {
    const answer = await caller.call<{ code?: string }>(method, url, body)
    return answer.body.code ?? answer.status
  }
  const before = await written(app)
  t.equal(await judged(nobody, 'POST', send({ metadata: [] })), 'UNAUTHORIZED', '401 before 400')
  t.equal(await judged(stranger, 'POST', send({ metadata: nested(9) })), 'METADATA_TOO_LARGE', '400 before 404')
  t.equal(await judged(stranger, 'POST', send({ mentions: [{ userId: 'bob', start: 9, length: 1 }] })), 'VALIDATION_FAILED')
  t.equal(await judged(stranger, 'POST', send({ replyToId: 'none' })), 'NOT_FOUND', '404 before 422')
  t.equal(await judged(alice, 'POST', send({ clientId: 'c', replyToId: 'none' })), 'CLIENT_ID_REUSED', 'a repeat before 422')
  t.equal(await judged(alice, 'POST', send({ clientId: 'c', replyToId: deleted.id })), 'CLIENT_ID_REUSED')
  t.equal(await judged(alice, 'POST', send({ replyToId: deleted.id })), 'MESSAGE_DELETED')
  t.equal(await judged(bob, 'PATCH', [pathOf(deleted), { metadata: nested(9) }]), 'METADATA_TOO_LARGE', '400 before 403')
  t.equal(await judged(bob, 'PATCH', [pathOf(deleted), { metadata: {} }]), 'FORBIDDEN', '403 before 409')
  t.equal(await judged(stranger, 'PATCH', [pathOf(deleted), { metadata: {} }]), 'NOT_FOUND')
  t.strictSame({ ...await written(app), users: 0 }, { ...before, users: 0 })
  t.equal(await judged(alice, 'POST', send({ clientId: 'c' })), 200)
  t.equal(message.seq, 1)
})

test('a clientId is for the content that was first sent', async t => {
  const { app, alice, conversationId } = await scene(t)
  const [one, two] = [await alice.send(conversationId, 'one'), await alice.send(conversationId, 'two')]
  const content = {
    conversationId,
    clientId: 'c',
    text: 'Hi @bob',
    replyToId: one.id,
    metadata: { a: { x: 1, y: [1, { p: 1, q: 2 }] }, 2: 'two', 10: 'ten' },
    mentions: [{ userId: 'bob', start: 3, length: 4 }, { userId: 'alice' }, { userId: 'nobody' }],
    mentionsAll: true
  }
  const first = await alice.call<Message>('POST', SEND, content)
  t.equal(first.status, 201)
  const before = await written(app)
  const same = [
    {},
    { type: 'other' },
    { metadata: { 10: 'ten', 2: 'two', a: { y: [1, { q: 2, p: 1 }], x: 1 } } },
    { mentions: [{ length: 4, start: 3, userId: 'bob' }, { userId: 'alice', start: null, length: null }, { userId: 'nobody' }] },
    { surplus: 1 }
  ]
  for (const change of same) {
    const { status, body } = await alice.call<Message>('POST', SEND, { ...content, ...change })
    t.strictSame([status, body], [200, first.body], JSON.stringify(change))
  }
  const other = [
    { text: 'Hi @bob!' },
    { replyToId: two.id }, { replyToId: null }, { replyToId: undefined }, { replyToId: 'none' },
    { metadata: null }, { metadata: undefined }, { metadata: {} }, { metadata: { ...content.metadata, b: null } },
    { metadata: { ...content.metadata, a: { x: 1, y: [{ p: 1, q: 2 }, 1] } } },
    { metadata: { ...content.metadata, a: [['x', 1], ['y', [1, { p: 1, q: 2 }]]] } },
    { metadata: { ...content.metadata, a: { x: '1', y: [1, { p: 1, q: 2 }] } } },
    { mentions: [] }, { mentions: null }, { mentions: undefined },
    { mentions: [...content.mentions].reverse() }, { mentions: content.mentions.slice(0, 2) },
    { mentions: [{ userId: 'bob' }, ...content.mentions.slice(1)] }, { mentions: [...content.mentions, { userId: 'alice' }] },
    { mentionsAll: false }, { mentionsAll: null }, { mentionsAll: undefined }
  ]
  for (const change of other) {
    t.match(await alice.call('POST', SEND, { ...content, ...change }), { status: 409, body: { code: 'CLIENT_ID_REUSED' } }, JSON.stringify(change))
  }
  t.strictSame(await written(app), before)

  await alice.ok('PATCH', pathOf(first.body), { text: 'edited', metadata: null, mentions: [], mentionsAll: false })
  t.match(await alice.call('POST', SEND, content), { status: 200, body: { text: 'edited', metadata: null } }, 'an edit does not change what was first sent')
  await alice.ok('DELETE', pathOf(first.body))
  t.match(await alice.call('POST', SEND, content), { status: 200, body: { text: '', deletedBy: 'alice' } })
  t.match(await alice.call('POST', SEND, { ...content, mentionsAll: false }), { status: 409 })
})

test('a message of text alone is another one than the same text with more', async t => {
  const { alice, conversationId } = await scene(t)
  const plain = { conversationId, text: 'x', clientId: 'c' }
  const { body } = await alice.call<Message>('POST', SEND, plain)
  for (const same of [{ metadata: null }, { mentions: [] }, { mentions: null, mentionsAll: null, replyToId: null }, { mentionsAll: false }]) {
    t.equal((await alice.call('POST', SEND, { ...plain, ...same })).status, 200, JSON.stringify(same))
  }
  const judge = async (label: string): Promise<void> => {
    t.equal((await alice.call('POST', SEND, plain)).status, 200, label)
    for (const more of [{ metadata: {} }, { mentions: [{ userId: 'bob' }] }, { mentions: [{ userId: 'nobody' }] }, { mentionsAll: true }, { replyToId: body.id }]) {
      t.equal((await alice.call('POST', SEND, { ...plain, ...more })).status, 409, `${label}: ${JSON.stringify(more)}`)
    }
  }
  await judge('sent')
  await alice.ok('PATCH', pathOf(body), { metadata: { a: 1 } })
  await judge('with metadata since')
  await alice.ok('PATCH', pathOf(body), { text: 'edited', mentionsAll: true })
  await judge('edited')
  await alice.ok('DELETE', pathOf(body))
  await judge('deleted')
})

test('one clientId with different contents at the same moment is one message', async t => {
  const { app, alice, conversationId } = await scene(t)
  const before = await written(app)
  const answers = await Promise.all(Array.from({ length: 12 }, async (_, index) =>
    await alice.call<Message>('POST', SEND, { conversationId, text: 'x', clientId: 'c', metadata: { n: index % 4 } })))
  const statuses = answers.map(({ status }) => status)
  t.equal(statuses.filter(status => status === 201).length, 1)
  t.equal(statuses.filter(status => status === 200).length, 2, 'the same content')
  t.equal(statuses.filter(status => status === 409).length, 9)
  t.match(await written(app), { events: before.events! + 1, messages: 1 })
})

test('a message of a version that knew only text is compared by its text alone', async t => {
  const { app, alice, conversationId } = await scene(t)
  const plain = { conversationId, text: 'old', clientId: 'c' }
  const { body: old } = await alice.call<Message>('POST', SEND, plain)
  await app.chatDatabase.transaction(async sql => { await sql.execute('UPDATE chat_messages SET mentions_all = NULL WHERE id = ?', old.id) })
  const judge = async (label: string): Promise<void> => {
    for (const more of [{}, { metadata: { a: 1 } }, { mentions: [{ userId: 'bob' }] }, { mentionsAll: true }, { replyToId: 'none' }]) {
      t.match(await alice.call('POST', SEND, { ...plain, ...more }), { status: 200, body: { id: old.id, mentionsAll: false } }, `${label}: ${JSON.stringify(more)}`)
    }
    t.match(await alice.call('POST', SEND, { ...plain, text: 'new' }), { status: 409 }, label)
  }
  await judge('old')
  await alice.ok('PATCH', pathOf(old), { metadata: { a: 1 } })
  await judge('with metadata since')
  await alice.ok('PATCH', pathOf(old), { text: 'edited', mentionsAll: false })
  await judge('edited')
  await alice.ok('DELETE', pathOf(old))
  await judge('deleted')
  const { messages } = await alice.ok<MessagePage>('GET', `/api/chat/conversations/${conversationId}/messages`)
  t.equal(messages.length, 1)
})
