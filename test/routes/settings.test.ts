import { test, type Test } from 'tap'
import type { ChangesPage, Conversation, ConversationPage, ConversationSettings } from '../../schemas/conversations.js'
import type { ChatEvents } from '../../schemas/events.js'
import type { OwnMessage as Message } from '../../schemas/messages.js'
import { deleteEventsBefore } from '../../store/retention.js'
import { build, buildListening, call, shared, travel, user, users, written, type Answer, type User } from '../helper.js'

/** A group whose owner is alice, with an admin and two members. */
async function scene (t: Test, make = build) {
  const app = await make(t)
  const [alice, adam, bob, carol] = users(app, 'alice', 'adam', 'bob', 'carol') as [User, User, User, User]
  const id = await alice.group([adam, bob, carol], 'Group')
  await alice.ok('PUT', `${pathOf(id)}/participants/adam`, { role: 'admin' })
  return { app, alice, adam, bob, carol, id }
}

const DEFAULTS: ConversationSettings = { posting: 'everyone', mentionAll: 'everyone', pinning: 'admins', slowModeSeconds: 0, messageTtlSeconds: null }
const FORBIDDEN = { status: 403, body: { code: 'FORBIDDEN' } }
const RESTRICTED = { status: 403, body: { code: 'POSTING_RESTRICTED' } }
const SLOW = { status: 429, body: { code: 'SLOW_MODE' } }

const pathOf = (id: string): string => `/api/chat/conversations/${id}`
const messagePath = ({ id }: Pick<Message, 'id'>): string => `/api/chat/messages/${id}`
const change = async (who: User, id: string, body: unknown): Promise<Conversation> => await who.ok('PATCH', pathOf(id), body)
const tryChange = async (who: User, id: string, body: unknown): Promise<Answer> => await who.call('PATCH', pathOf(id), body)
const set = async (who: User, id: string, settings: object): Promise<ConversationSettings> => (await change(who, id, { settings })).settings
const trySend = async (who: User, id: string, more: object = {}): Promise<Answer<Message>> =>
  await who.call('POST', '/api/chat/messages', { conversationId: id, text: 'x', ...more })
const changes = async (who: User, id: string, query = ''): Promise<ChangesPage> => await who.ok('GET', `${pathOf(id)}/changes${query}`)
const numbers = ({ changes }: ChangesPage): unknown[] => changes.map(({ data, afterSeq }) => [data.eventSeq, afterSeq])

test('what the owner changes is answered, told and shown', async t => {
  const { alice, adam, bob, id } = await scene(t, buildListening)
  const before = await bob.conversation(id)
  t.match(before, { title: 'Group', avatar: null, description: null, metadata: null, settings: DEFAULTS, firstSeq: 1 })
  const [stream, own] = [await bob.stream(t, { conversationId: id }), await alice.stream(t)]
  const body = {
    title: 'Títle 👍',
    avatar: 'https://example.com/a.png',
    description: 'Two\nlines',
    metadata: { b: 1, a: [{ 2: 'two' }] },
    settings: { posting: 'admins', mentionAll: 'admins', pinning: 'everyone', slowModeSeconds: 5 }
  }
  const answer = await change(alice, id, body)
  const after = { ...body, settings: { ...DEFAULTS, ...body.settings } }
  t.match(answer, after)
  t.strictSame(Object.keys(answer.metadata!), ['b', 'a'], 'metadata keep their order')
  const { timestamp, eventSeq, ...told } = (await stream.next<ChatEvents['conversationUpdated']>('conversationUpdated')).data
  t.strictSame(told, {
    conversationId: id, ...after, changed: ['title', 'avatar', 'description', 'metadata', 'settings'], userId: 'alice', displayName: 'alice'
  })
  t.strictSame((await own.next('conversationUpdated')).data, { ...told, timestamp, eventSeq }, 'all are told, the caller too')
  t.ok(timestamp > before.updatedAt)
  const { title, avatar, description, metadata, settings, ...rest } = await bob.conversation(id)
  t.strictSame({ title, avatar, description, metadata, settings }, after)
  const { title: _, avatar: _1, description: _2, metadata: _3, settings: _4, ...restBefore } = before
  const offline = (value: unknown): unknown => JSON.parse(JSON.stringify(value).replaceAll(/"isOnline":(true|false)|"lastSeen":("[^"]*"|null)/g, '"_":0'))
  t.strictSame(offline(rest), offline(restBefore), 'nothing else changes, unread counts included')
  t.match((await bob.ok<ConversationPage>('GET', '/api/chat/conversations')).conversations[0], after, 'in the list')

  await change(adam, id, { title: null, avatar: null, description: null, metadata: null })
  t.match((await stream.next('conversationUpdated')).data,
    { title: null, avatar: null, description: null, metadata: null, settings: after.settings, changed: ['title', 'avatar', 'description', 'metadata'], userId: 'adam', eventSeq: eventSeq + 1 })
  t.match(await bob.conversation(id), { title: null, avatar: null, description: null, metadata: null, settings: after.settings }, 'an admin clears them')
})

test('what is not named stays, inside settings too', async t => {
  const { alice, adam, bob, id } = await scene(t, buildListening)
  const stream = await bob.stream(t, { conversationId: id })
  t.strictSame(await set(alice, id, { slowModeSeconds: 7 }), { ...DEFAULTS, slowModeSeconds: 7 })
  t.strictSame(await set(adam, id, { posting: 'admins' }), { ...DEFAULTS, slowModeSeconds: 7, posting: 'admins' })
  t.strictSame(await set(alice, id, { mentionAll: 'admins', pinning: 'everyone' }),
    { ...DEFAULTS, slowModeSeconds: 7, posting: 'admins', mentionAll: 'admins', pinning: 'everyone' })
  t.strictSame(await set(alice, id, { slowModeSeconds: 0, posting: 'everyone', mentionAll: 'everyone' }), { ...DEFAULTS, pinning: 'everyone' })
  t.strictSame(await set(alice, id, { pinning: 'admins' }), DEFAULTS)
  t.match(await change(alice, id, { description: 'x' }), { title: 'Group', description: 'x', settings: DEFAULTS })
  const told = (await stream.until(({ data }) => data.description === 'x')).map(({ data }) => data.changed)
  t.strictSame(told, [['settings'], ['settings'], ['settings'], ['settings'], ['settings'], ['description']])
})

test('a change of several at once is one of each', async t => {
  const { alice, adam, id } = await scene(t)
  await Promise.all([
    change(alice, id, { title: 'New' }), change(adam, id, { description: 'x' }), set(alice, id, { slowModeSeconds: 9 }), set(adam, id, { posting: 'nobody' })
  ])
  t.match(await alice.conversation(id), { title: 'New', description: 'x', settings: { ...DEFAULTS, slowModeSeconds: 9, posting: 'nobody' } })
})

test('what changes nothing writes nothing', async t => {
  const { app, alice, bob, id } = await scene(t, buildListening)
  const body = { title: 'New', avatar: 'https://example.com/', description: '', metadata: { a: 1 }, settings: { posting: 'admins' } }
  const answer = await change(alice, id, body)
  const stream = await bob.stream(t, { conversationId: id })
  const before = await written(app)
  for (const same of [
    body, {}, { settings: {} }, { title: ' New\n' }, { metadata: { a: 1 } }, { settings: { posting: 'admins', messageTtlSeconds: null } }, { description: '' }, { unknown: 1 },
    { settings: { unknown: 1 } }, { conversationId: 'x', type: 'direct', createdBy: 'bob', firstSeq: 9, me: {} }
  ]) {
    t.strictSame(await change(alice, id, same), { ...answer, participants: (await alice.conversation(id)).participants }, JSON.stringify(same))
  }
  t.strictSame(await written(app), before)
  await change(alice, id, { title: 'Newer', description: '' })
  const [told] = await stream.durable(1)
  t.match(told!.data, { title: 'Newer', changed: ['title'] }, 'only what changed is named')
})

test('the time of the latest activity and the order of the list stay', async t => {
  const { alice, bob, id } = await scene(t)
  const newer = await alice.group([bob])
  const list = async (): Promise<unknown> =>
    (await bob.ok<ConversationPage>('GET', '/api/chat/conversations')).conversations.map(({ id, updatedAt, unreadCount }) => [id, updatedAt, unreadCount])
  const before = await list()
  await change(alice, id, { title: 'New', settings: { slowModeSeconds: 1 } })
  t.strictSame(await list(), before)
  t.equal((before as string[][])[0]![0], newer)
})

test('limits', async t => {
  const { app, alice, bob, id } = await scene(t)
  const longest = `https://example.com/${'x'.repeat(2028)}`
  for (const [body, shown] of [
    [{ title: '🙂'.repeat(200) }, { title: '🙂'.repeat(200) }], [{ title: ' a\nb\u202e ' }, { title: 'ab' }], [{ title: '\u200b ' }, { title: null }], [{ title: '' }, { title: null }],
    [{ description: '🙂'.repeat(2000) }, { description: '🙂'.repeat(2000) }], [{ description: ' a\n\tb ' }, { description: ' a\n\tb ' }],
    [{ avatar: longest }, { avatar: longest }], [{ avatar: 'HTTP://example.com' }, { avatar: 'HTTP://example.com' }],
    [{ metadata: { a: 'x'.repeat(4088) } }, { metadata: { a: 'x'.repeat(4088) } }], [{ metadata: {} }, { metadata: {} }],
    [{ settings: { slowModeSeconds: 3600 } }, { settings: { slowModeSeconds: 3600 } }], [{ settings: { slowModeSeconds: 0 } }, { settings: DEFAULTS }]
  ] as const) t.match(await change(alice, id, body), shown, JSON.stringify(body).slice(0, 60))
  const before = await alice.conversation(id)
  const rows = await written(app)
  const wrong: unknown[] = [
    { title: 'x'.repeat(201) }, { title: '🙂'.repeat(201) }, { title: 1 }, { title: 'a\u0000' }, { title: '\ud800' }, { title: [] },
    { description: 'x'.repeat(2001) }, { description: '🙂'.repeat(2001) }, { description: 'a\u0000' }, { description: '\ud800' }, { description: {} },
    { avatar: '' }, { avatar: 'x' }, { avatar: 'ftp://example.com' }, { avatar: 'javascript:alert(1)' }, { avatar: 'https://' }, { avatar: `${longest}x` },
    { avatar: 'https://example.com/\u0000' }, { avatar: 'https://example.com/\ud800' }, { avatar: 1 },
    { metadata: [] }, { metadata: 'x' }, { metadata: { '': 1 } }, { metadata: { a: '\u0000' } },
    { settings: null }, { settings: 'x' }, { settings: [] }, { settings: { posting: 'members' } }, { settings: { posting: null } }, { settings: { mentionAll: 'nobody' } },
    { settings: { pinning: 'nobody' } }, { settings: { slowModeSeconds: -1 } }, { settings: { slowModeSeconds: 3601 } }, { settings: { slowModeSeconds: 1.5 } },
    { settings: { slowModeSeconds: '1' } }, { settings: { slowModeSeconds: null } }, { settings: { messageTtlSeconds: 'x' } }, null, []
  ]
  for (const body of wrong) {
    const named = body === null || typeof body !== 'object' || Array.isArray(body) ? body : { description: 'never', ...body }
    t.match(await tryChange(alice, id, named), { status: 400, body: { code: /^(VALIDATION_FAILED|INVALID_JSON)$/ } }, JSON.stringify(body)?.slice(0, 60))
  }
  t.match(await tryChange(alice, id, { metadata: { a: 'x'.repeat(4089) } }), { status: 400, body: { code: 'METADATA_TOO_LARGE' } })
  for (const messageTtlSeconds of [60, 86_400, 315_360_000, 1, 0, -1]) {
    t.match(await tryChange(alice, id, { description: 'never', settings: { posting: 'nobody', messageTtlSeconds } }), { status: 404, body: { code: 'FEATURE_OFF' } }, `${messageTtlSeconds}`)
  }
  t.strictSame(await alice.conversation(id), before)
  t.strictSame(await written(app), rows, 'what is refused writes nothing')
  t.equal((await call(app, 'PATCH', pathOf(id), { payload: {} })).status, 401)
  t.equal((await bob.conversation(id)).title, null)
})

test('who may, and in which order it is judged', async t => {
  const { app, alice, adam, bob, carol, id } = await scene(t)
  const direct = await alice.direct(bob)
  const mallory = await user(app, 'mallory').arrive()
  await carol.ok('DELETE', `${pathOf(id)}/participants/carol`)
  const before = await written(app)
  const unknown = await tryChange(alice, 'group_0', { title: 'x' })
  t.match(unknown, { status: 404, body: { code: 'NOT_FOUND' } })
  for (const [who, where] of [[mallory, id], [carol, id], [carol, direct], [alice, '%00'], [alice, 'x'.repeat(300)]] as const) {
    for (const body of [{ title: 'x' }, {}, { settings: { messageTtlSeconds: 60 } }, { metadata: {} }]) {
      const { status, body: answer } = await tryChange(who, where, body)
      t.strictSame({ status, body: answer }, { status: 404, body: unknown.body }, `${who.id} ${where.slice(0, 20)}`)
    }
  }
  t.match(await tryChange(mallory, id, { title: 1 }), { status: 400 }, '400 before 404')
  for (const body of [{ title: 'x' }, {}, { settings: {} }, { metadata: { a: 1 } }]) t.match(await tryChange(bob, id, body), FORBIDDEN, JSON.stringify(body))
  t.match(await tryChange(bob, id, { avatar: 'x' }), { status: 400 }, '400 before 403')
  for (const body of [{ title: 'x' }, { title: null }, { avatar: null }, { description: null }, { settings: {} }, { settings: { messageTtlSeconds: 60 } }, { metadata: {}, title: 'x' }]) {
    for (const who of [alice, bob]) t.match(await tryChange(who, direct, body), { status: 409, body: { code: 'NOT_A_GROUP' } }, `${who.id} ${JSON.stringify(body)}`)
  }
  t.strictSame(await written(app), before)
  t.strictSame((await change(bob, direct, { metadata: { a: 1 } })).metadata, { a: 1 }, 'in a direct conversation, both may set its metadata')
  t.strictSame((await change(alice, direct, { metadata: null })).metadata, null)
  t.match(await change(alice, direct, {}), { type: 'direct' })
  t.equal((await change(adam, id, { title: 'by an admin' })).title, 'by an admin')
})

test('the table of permissions', async t => {
  const { app, alice, adam, bob, carol, id } = await scene(t)
  const react = async (who: User, message: Message): Promise<Answer> => await who.call('PUT', `${messagePath(message)}/reactions/%F0%9F%91%8D`)
  const remove = async (who: User, message: Message): Promise<Answer> => await who.call('DELETE', messagePath(message))
  /** The statuses of: send, typing, @all, edit own, react, settings, delete one's own, a member's, the owner's. */
  const attempts = async (who: User, where: string, own: Message, members: Message, owners: Message): Promise<string> => {
    const answers: Array<Pick<Answer, 'status'>> = []
    for (const attempt of [
      async () => await trySend(who, where), async () => await who.call('POST', '/api/chat/typing', { conversationId: where, isTyping: true }),
      async () => await trySend(who, where, { mentionsAll: true }), async () => await who.call('PATCH', messagePath(own), { text: 'edited' }),
      async () => await react(who, members), async () => await tryChange(who, where, { description: 'x' }),
      async () => await remove(who, own), async () => await remove(who, members), async () => await remove(who, owners)
    ]) answers.push(await attempt())
    return answers.map(({ status }) => status).join(' ')
  }
  const table: Record<ConversationSettings['posting'], Array<[who: User, statuses: string]>> = {
    everyone: [[alice, '201 200 201 200 200 200 200 200 200'], [adam, '201 200 201 200 200 200 200 200 403'], [bob, '201 200 403 200 200 403 200 403 403']],
    admins: [[alice, '201 200 201 200 200 200 200 200 200'], [adam, '201 200 201 200 200 200 200 200 403'], [bob, '403 403 403 200 200 403 200 403 403']],
    nobody: [[alice, '403 403 403 403 403 200 200 200 200'], [adam, '403 403 403 403 403 200 200 200 403'], [bob, '403 403 403 403 403 403 200 403 403']]
  }
  for (const [posting, rows] of Object.entries(table)) {
    await set(alice, id, { posting: 'everyone', mentionAll: 'admins' })
    const messages: Message[][] = []
    for (const [who] of rows) messages.push([await who.send(id, 'own'), await carol.send(id, 'a member\'s'), await alice.send(id, 'the owner\'s')])
    await set(alice, id, { posting })
    for (const [index, [who, statuses]] of rows.entries()) {
      const [own, members, owners] = messages[index] as [Message, Message, Message]
      t.equal(await attempts(who, id, own, members, owners), statuses, `${posting}, ${who.id}`)
    }
  }
  const direct = await alice.direct(bob)
  const [own, theirs] = [await alice.send(direct, 'own'), await bob.send(direct, 'theirs')]
  t.equal(await attempts(alice, direct, own, theirs, theirs), '201 200 201 200 200 409 200 403 403', 'direct')
  t.equal((await tryChange(bob, direct, { metadata: {} })).status, 200)
  const stranger = await user(app, 'mallory').arrive()
  t.equal(await attempts(stranger, id, own, theirs, theirs), Array(9).fill(404).join(' '), 'a stranger')
  for (const who of [alice, adam, bob, carol]) t.equal((await changes(who, id)).changes[0]!.type, 'conversationCreated', `${who.id} reads the changes`)
})

test('announcements: members read, react, edit and delete their own', async t => {
  const { app, alice, adam, bob, carol, id } = await scene(t, buildListening)
  const first = await bob.send(id, 'first', { clientId: 'c1' })
  await set(alice, id, { posting: 'admins' })
  const before = await written(app)
  t.match(await trySend(bob, id), RESTRICTED)
  t.match(await trySend(bob, id, { replyToId: 'none' }), RESTRICTED, '403 before 422')
  t.match(await bob.call('POST', '/api/chat/typing', { conversationId: id, isTyping: true }), RESTRICTED)
  t.match(await trySend(bob, id, { clientId: 'c1', text: 'first' }), { status: 200, body: { id: first.id } }, 'a repeat is answered first')
  t.match(await trySend(bob, id, { clientId: 'c1', text: 'other' }), { status: 409, body: { code: 'CLIENT_ID_REUSED' } })
  await bob.typing(id, false)
  t.strictSame(await written(app), before)
  const stream = await carol.stream(t, { conversationId: id })
  for (const who of [alice, adam]) {
    await who.typing(id, true)
    await stream.until(({ type, data }) => type === 'typing' && data.userId === who.id && data.isTyping === true)
    await who.send(id, `by ${who.id}`)
  }
  await bob.mark((await alice.conversation(id)).lastMessage!, 'read')
  t.equal((await bob.conversation(id)).unreadCount, 0)
  await bob.ok('PUT', `${messagePath(first)}/reactions/%F0%9F%91%8D`)
  t.equal((await bob.ok<Message>('PATCH', messagePath(first), { text: 'edited' })).text, 'edited')
  t.equal((await bob.ok<Message>('DELETE', messagePath(first))).deletedBy, 'bob')
  await alice.ok('PUT', `${pathOf(id)}/participants/bob`, { role: 'admin' })
  await bob.send(id, 'an admin now')
})

test('frozen: nobody sends, types, edits or reacts, but deletes stay', async t => {
  const { app, alice, adam, bob, id } = await scene(t)
  const first = await bob.send(id, 'first', { clientId: 'c1' })
  const own = await alice.send(id, 'own')
  await alice.ok('PUT', `${messagePath(first)}/reactions/%F0%9F%91%8D`)
  await set(alice, id, { posting: 'nobody' })
  const before = await written(app)
  for (const who of [alice, adam, bob]) {
    t.match(await trySend(who, id), RESTRICTED, who.id)
    t.match(await who.call('POST', '/api/chat/typing', { conversationId: id, isTyping: true }), RESTRICTED)
    await who.typing(id, false)
    for (const method of ['PUT', 'DELETE'] as const) t.match(await who.call(method, `${messagePath(first)}/reactions/%F0%9F%91%8D`), RESTRICTED)
  }
  for (const body of [{ text: 'x' }, { metadata: { a: 1 } }, { text: 'own' }]) t.match(await alice.call('PATCH', messagePath(own), body), RESTRICTED)
  t.match(await alice.call('PATCH', messagePath(own), {}), { status: 400 })
  t.match(await alice.call('PATCH', messagePath(first), { text: 'x' }), FORBIDDEN, 'not one\'s own, frozen or not')
  t.match(await trySend(bob, id, { clientId: 'c1', text: 'first' }), { status: 200, body: { id: first.id } })
  t.strictSame(await written(app), before)
  t.match(await alice.ok('PUT', `${messagePath(first)}/status`, { status: 'read' }), { changed: true })
  t.match(await bob.ok('DELETE', messagePath(first)), { deletedBy: 'bob', reactions: [] })
  t.match(await alice.ok('DELETE', messagePath(own)), { deletedBy: 'alice' })
  await set(adam, id, { posting: 'everyone' })
  await bob.send(id, 'thawed')
})

test('@all by who may', async t => {
  const { app, alice, adam, bob, id } = await scene(t)
  const [everybody, plain] = [await bob.send(id, 'all', { mentionsAll: true, clientId: 'c1' }), await bob.send(id, 'plain')]
  await set(alice, id, { mentionAll: 'admins' })
  const before = await written(app)
  t.match(await trySend(bob, id, { mentionsAll: true }), FORBIDDEN)
  t.match(await trySend(bob, id, { mentionsAll: true, replyToId: 'none' }), FORBIDDEN, '403 before 422')
  t.match(await bob.call('PATCH', messagePath(plain), { text: 'plain', mentionsAll: true }), FORBIDDEN, 'by an edit neither')
  t.match(await trySend(bob, id, { mentionsAll: true, clientId: 'c1', text: 'all' }), { status: 200, body: { id: everybody.id } })
  t.strictSame(await written(app), before)
  t.equal((await bob.ok<Message>('PATCH', messagePath(everybody), { text: 'edited' })).mentionsAll, true, 'what was told stays')
  t.equal((await bob.ok<Message>('PATCH', messagePath(everybody), { text: 'again', mentionsAll: true })).mentionsAll, true)
  t.equal((await bob.ok<Message>('PATCH', messagePath(everybody), { text: 'again', mentionsAll: false })).mentionsAll, false)
  t.match(await bob.call('PATCH', messagePath(everybody), { text: 'again', mentionsAll: true }), FORBIDDEN)
  t.equal((await bob.send(id, 'x', { mentions: [{ userId: 'alice' }] })).mentions.length, 1, 'others may be named')
  for (const who of [alice, adam]) t.equal((await who.send(id, 'x', { mentionsAll: true })).mentionsAll, true)
  const direct = await bob.direct(alice)
  t.equal((await bob.send(direct, 'x', { mentionsAll: true })).mentionsAll, true)
})

test('slow mode', async t => {
  const time = travel(t)
  const { app, alice, adam, bob, carol, id } = await scene(t)
  const first = await bob.send(id, 'first', { clientId: 'c1' })
  await set(alice, id, { slowModeSeconds: 60 })
  const before = await written(app)
  const slow = await trySend(bob, id)
  t.match(slow, SLOW, 'a message of before the setting counts')
  const wait = Number(slow.headers['retry-after'])
  t.ok(wait > 50 && wait <= 60, `Retry-After: ${wait}`)
  t.match(await trySend(bob, id, { clientId: 'c1', text: 'first' }), { status: 200, body: { id: first.id } }, 'a repeat is answered first')
  t.match(await trySend(bob, id, { clientId: 'c1', text: 'other' }), { status: 409, body: { code: 'CLIENT_ID_REUSED' } })
  t.match(await trySend(bob, id, { replyToId: 'none' }), { status: 422 })
  t.strictSame(await written(app), before)
  await bob.ok('DELETE', messagePath(first))
  t.match(await trySend(bob, id), SLOW, 'a deleted message counts')
  await carol.send(id, 'the first of another member')
  for (const who of [alice, adam]) for (let count = 0; count < 3; count++) await who.send(id, 'exempt')
  await bob.send(await bob.direct(alice), 'elsewhere')
  await time.advance(wait * 1000)
  t.equal((await trySend(bob, id)).status, 201, 'after what Retry-After says')
  t.match(await trySend(bob, id), SLOW)
  await alice.ok('PUT', `${pathOf(id)}/participants/bob`, { role: 'admin' })
  t.equal((await trySend(bob, id)).status, 201)
  await alice.ok('PUT', `${pathOf(id)}/participants/bob`, { role: 'member' })
  t.match(await trySend(bob, id), SLOW)
  await bob.ok('DELETE', `${pathOf(id)}/participants/bob`)
  await alice.ok('POST', `${pathOf(id)}/participants`, { participantIds: ['bob'] })
  t.match(await trySend(bob, id), SLOW, 'leaving and coming back does not help')
  t.match(await bob.ok('PATCH', messagePath((await bob.conversation(id)).lastMessage!), { text: 'edited' }), { text: 'edited' }, 'an edit need not wait')
  await set(adam, id, { slowModeSeconds: 0 })
  t.equal((await trySend(bob, id)).status, 201)
})

test('slow mode against parallel sends: exactly one is accepted', async t => {
  const { alice, bob, carol, id } = await scene(t)
  await set(alice, id, { slowModeSeconds: 3600 })
  const answers = await Promise.all(Array.from({ length: 20 }, async (_, index) => await trySend([bob, carol][index % 2]!, id, { clientId: `c${index}` })))
  const accepted = answers.map(({ status }, index) => [status, index % 2])
  for (const who of [0, 1]) {
    t.equal(accepted.filter(([status, sender]) => status === 201 && sender === who).length, 1)
    t.equal(accepted.filter(([status, sender]) => status === 429 && sender === who).length, 9)
  }
  t.ok(answers.every(({ status, headers }) => status === 201 || Number(headers['retry-after']) === 3600), 'each says how long')
  const repeated = await Promise.all(Array.from({ length: 20 }, async (_, index) => await trySend([bob, carol][index % 2]!, id, { clientId: `c${index}` })))
  t.strictSame(repeated.map(({ status }) => status), answers.map(({ status }) => status === 201 ? 200 : 429))
})

test('what a setting decides at the moment when it is made', async t => {
  const { alice, bob, id } = await scene(t)
  await bob.send(id, 'just now')
  const [, sent] = await Promise.all([set(alice, id, { slowModeSeconds: 3600 }), trySend(bob, id)])
  const { changes: told } = await changes(alice, id)
  const at = told.findLast(({ type }) => type === 'conversationUpdated')!.afterSeq
  t.equal(sent.status, at === 2 ? 201 : 429, 'slow from the setting on, in the same transaction too')
  t.equal((await alice.conversation(id)).lastMessage!.seq, sent.status === 201 ? 2 : 1)

  const other = await alice.group([bob])
  const outcomes = await Promise.all(Array.from({ length: 30 }, async (_, index) => {
    if (index === 15) await set(alice, other, { posting: 'nobody' })
    return index === 15 ? undefined : await trySend(bob, other)
  }))
  const frozen = (await changes(alice, other)).changes.at(-1)!
  t.equal(outcomes.filter(answer => answer?.status === 201).length, frozen.afterSeq, 'none is numbered after the freeze')
})

test('owner and admins delete messages of others', async t => {
  const { app, alice, adam, bob, carol, id } = await scene(t, buildListening)
  const [byOwner, byAdmin, byBob, byCarol] = [
    await alice.send(id, 'of the owner'), await adam.send(id, 'of the admin'),
    await bob.send(id, 'secret', { metadata: { a: 1 }, mentions: [{ userId: 'carol' }], mentionsAll: true }), await carol.send(id, 'of carol')
  ]
  const reply = await alice.send(id, 'reply', { replyToId: byBob.id })
  await bob.ok('PUT', `${messagePath(byBob)}/reactions/%F0%9F%91%8D`)
  const stream = await carol.stream(t, { conversationId: id })
  const before = await written(app)
  t.match(await bob.call('DELETE', messagePath(byCarol)), FORBIDDEN, 'a member')
  t.match(await adam.call('DELETE', messagePath(byOwner)), FORBIDDEN, 'an admin, of the owner\'s')
  t.match(await user(app, 'mallory').call('DELETE', messagePath(byBob)), { status: 404 })
  t.match(await alice.call('PATCH', messagePath(byBob), { text: 'x' }), FORBIDDEN, 'nobody edits for others')
  t.strictSame({ ...await written(app), users: 0 }, { ...before, users: 0 })

  const deleted = await adam.ok<Message>('DELETE', messagePath(byBob))
  t.match(deleted, { senderId: 'bob', sender: { displayName: 'bob' }, text: '', metadata: null, mentions: [], mentionsAll: false, reactions: [], myReactions: [], replyCount: 1, deletedBy: 'adam' })
  const { data: { eventSeq: _, ...told } } = await stream.next<Message & { eventSeq: number }>('messageDeleted')
  t.strictSame(told, shared(deleted), 'told')
  t.strictSame(await carol.ok('GET', messagePath(byBob)), deleted, 'read')
  t.equal((await carol.ok<Message>('GET', messagePath(reply))).replyTo!.text, '')
  const rows = await written(app)
  for (const who of [adam, alice, bob]) t.strictSame(await who.ok('DELETE', messagePath(byBob)), deleted, `${who.id} again: nothing changes`)
  t.strictSame(await written(app), rows)
  t.equal((await carol.conversation(id)).unreadMentionCount, 0)

  await carol.ok('DELETE', `${pathOf(id)}/participants/carol`)
  t.match(await adam.ok('DELETE', messagePath(byCarol)), { senderId: 'carol', sender: { userId: 'carol', displayName: 'carol' }, deletedBy: 'adam' }, 'of who has left')
  t.match(await alice.ok('DELETE', messagePath(byAdmin)), { deletedBy: 'alice' }, 'the owner, of an admin')
  const watching = await bob.stream(t, { conversationId: id })
  await alice.ok('DELETE', `${pathOf(id)}/participants/alice`)
  t.match((await watching.next('participantUpdated')).data, { userId: 'adam', role: 'owner', byUserId: 'alice' })
  t.match(await adam.ok('DELETE', messagePath(byOwner)), { deletedBy: 'adam' }, 'who is the owner no more')
  const replay = await bob.openStream(t, { conversationId: id, lastEventId: stream.events[0]!.id!, echo: 'true' })
  const again = (await replay.until(({ data }) => data.deletedBy === 'adam' && data.id === byOwner.id)).filter(({ type }) => type === 'messageDeleted')
  t.strictSame(again.map(({ data }) => [data.id, data.deletedBy]), [[byBob.id, 'adam'], [byCarol.id, 'adam'], [byAdmin.id, 'alice'], [byOwner.id, 'adam']], 'replayed')
  t.notMatch(replay.raw, 'secret')
})

test('an admin deletes those of another admin and their own, and in a direct conversation nobody those of the other', async t => {
  const { app, alice, adam, bob, id } = await scene(t)
  await alice.ok('PUT', `${pathOf(id)}/participants/bob`, { role: 'admin' })
  const [one, two] = [await bob.send(id, 'x'), await bob.send(id, 'y')]
  t.match(await adam.ok('DELETE', messagePath(one)), { deletedBy: 'adam' })
  t.match(await bob.ok('DELETE', messagePath(two)), { deletedBy: 'bob' })
  const direct = await alice.send(await alice.direct(bob), 'x')
  const before = await written(app)
  t.match(await bob.call('DELETE', messagePath(direct)), FORBIDDEN)
  t.strictSame(await written(app), before)
})

test('a replayed change says how the conversation is now', async t => {
  const { alice, bob, id } = await scene(t, buildListening)
  const stream = await bob.stream(t, { conversationId: id })
  await change(alice, id, { title: 'One', metadata: { secret: 1 } })
  await change(alice, id, { description: 'x' })
  await change(alice, id, { title: 'Two', metadata: null, settings: { slowModeSeconds: 3 } })
  const live = (await stream.durable(3)).map(({ data }) => data)
  t.strictSame(live.map(({ title, description, changed }) => [title, description, changed]),
    [['One', null, ['title', 'metadata']], ['One', 'x', ['description']], ['Two', 'x', ['title', 'metadata', 'settings']]])
  const now = { title: 'Two', avatar: null, description: 'x', metadata: null, settings: { ...DEFAULTS, slowModeSeconds: 3 } }
  const replay = await bob.openStream(t, { conversationId: id, lastEventId: stream.events[0]!.id! })
  t.strictSame((await replay.durable(3)).map(({ data }) => data), live.map(data => ({ ...data, ...now })))
  t.notMatch(replay.raw, 'secret')
  t.strictSame(replay.events.filter(({ type }) => type === 'conversationUpdated').map(({ id }) => id), stream.events.filter(({ type }) => type === 'conversationUpdated').map(({ id }) => id))
})

test('changes: what other chats show as messages', async t => {
  const { app, alice, adam, bob, carol, id } = await scene(t)
  await alice.send(id, 'one')
  await change(alice, id, { title: 'New' })
  await bob.send(id, 'two')
  await alice.ok('DELETE', messagePath(await bob.send(id, 'three')))
  await carol.ok('DELETE', `${pathOf(id)}/participants/carol`)
  await alice.ok('POST', `${pathOf(id)}/participants`, { participantIds: ['carol'] })
  const before = await bob.conversation(id)
  const page = await changes(bob, id)
  t.equal(page.hasMore, false)
  t.strictSame(page.changes.map(({ type, data, afterSeq }) => [type, data.userId, data.byUserId, afterSeq]), [
    ['conversationCreated', undefined, undefined, 0],
    ['participantUpdated', 'adam', 'alice', 0],
    ['conversationUpdated', 'alice', undefined, 1],
    ['participantLeft', 'carol', 'carol', 3],
    ['participantJoined', 'carol', 'alice', 3]
  ], 'the first participants are in conversationCreated alone')
  t.match(page.changes[0]!.data, { conversationId: id, type: 'group', title: 'New', createdBy: 'alice', eventSeq: 1, timestamp: String })
  t.strictSame(Object.keys(page.changes[2]!.data),
    ['conversationId', 'title', 'avatar', 'description', 'metadata', 'settings', 'changed', 'userId', 'displayName', 'timestamp', 'eventSeq'])
  t.strictSame(await bob.conversation(id), before, 'they count as unread for nobody')
  t.equal((await bob.send(id, 'four')).seq, 4, 'and take no seq')
  const all = numbers(page)
  t.strictSame(numbers(await changes(bob, id, '?from=1')), all.slice(2), 'from is inclusive')
  t.strictSame(numbers(await changes(bob, id, '?to=1')), all.slice(0, 3), 'to is inclusive')
  t.strictSame(numbers(await changes(bob, id, '?from=1&to=1')), all.slice(2, 3))
  t.strictSame(numbers(await changes(bob, id, '?from=2&to=2')), [])
  t.strictSame(numbers(await changes(bob, id, '?from=3&to=1')), [])
  t.strictSame(numbers(await changes(bob, id, `?to=${Number.MAX_SAFE_INTEGER}&from=0&after=0`)), all)
  t.strictSame(numbers(await changes(bob, id, `?from=${Number.MAX_SAFE_INTEGER}`)), [])
  t.strictSame(numbers(await changes(bob, id, `?after=${Number.MAX_SAFE_INTEGER}`)), [])
  const paged: unknown[] = []
  for (let after = 0, more = true; more;) {
    const { changes: some, hasMore } = await changes(bob, id, `?limit=2&after=${after}`)
    paged.push(...some)
    t.equal(hasMore, paged.length < all.length)
    after = Number(some.at(-1)!.data.eventSeq)
    more = hasMore
  }
  t.strictSame(paged, page.changes, 'page by page, ascending')
  t.equal((await changes(bob, id, '?limit=5')).hasMore, false, 'a full page need not have more')
  t.strictSame(page.changes, (await changes(adam, id, '?limit=200')).changes, 'the same for everybody')
  for (const query of ['limit=0', 'limit=201', 'limit=x', 'from=-1', 'to=-1', 'after=-1', 'from=1.5', 'after=x', 'limit=1&limit=2']) {
    t.match(await bob.call('GET', `${pathOf(id)}/changes?${query}`), { status: 400, body: { code: 'VALIDATION_FAILED' } }, query)
  }
  const unknown = await bob.call('GET', `${pathOf('group_0')}/changes`)
  t.match(unknown, { status: 404, body: { code: 'NOT_FOUND' } })
  await carol.ok('DELETE', `${pathOf(id)}/participants/carol`)
  for (const [who, where] of [[carol, id], [await user(app, 'mallory').arrive(), id], [bob, '%00']] as const) {
    const { status, body } = await who.call('GET', `${pathOf(where)}/changes`)
    t.strictSame({ status, body }, { status: 404, body: unknown.body }, who.id)
  }
  t.equal((await call(app, 'GET', `${pathOf(id)}/changes`)).status, 401)
})

test('50 changes by default; of a direct conversation, too', async t => {
  const { alice, bob, id } = await scene(t)
  for (let index = 0; index < 60; index++) await change(alice, id, { title: `${index}` })
  const page = await changes(bob, id)
  t.strictSame([page.changes.length, page.hasMore], [50, true])
  t.strictSame([(await changes(bob, id, '?limit=200')).changes.length, (await changes(bob, id, '?limit=62')).hasMore], [62, false])
  const direct = await alice.direct(bob)
  await change(bob, direct, { metadata: { a: 1 } })
  t.strictSame((await changes(alice, direct)).changes.map(({ type, afterSeq }) => [type, afterSeq]), [['conversationCreated', 0], ['conversationUpdated', 0]])
})

test('changes go with the log when it is pruned', async t => {
  const { app, alice, bob, id } = await scene(t)
  await change(alice, id, { title: 'One' })
  const { changes: before } = await changes(bob, id)
  t.equal(before.length, 3)
  await app.chatDatabase.transaction(async sql => await deleteEventsBefore(sql, Date.now() + 60_000, 3))
  t.strictSame((await changes(bob, id)).changes, before.slice(3))
  await change(alice, id, { title: 'Two' })
  t.strictSame((await changes(bob, id)).changes.map(({ type, data }) => [type, data.eventSeq]), [['conversationUpdated', 4]])
  t.equal((await bob.conversation(id)).title, 'Two')
})

test('changes that only a newer version knows are passed over', async t => {
  const { app, alice, bob, id } = await scene(t)
  for (const title of ['One', 'Two', 'Three']) await change(alice, id, { title })
  await app.chatDatabase.transaction(async sql => { await sql.execute('UPDATE chat_events SET type = ? WHERE seq IN (2, 3, 4)', 'fromTheFuture') })
  t.strictSame((await changes(bob, id)).changes.map(({ data }) => data.eventSeq), [1, 5])
  const page = await changes(bob, id, '?after=1&limit=1')
  t.strictSame([page.changes.map(({ data }) => data.eventSeq), page.hasMore], [[5], false], 'a page is not empty while there are more')
})

test('in process', async t => {
  const { app, alice, id } = await scene(t)
  await set(alice, id, { posting: 'admins', slowModeSeconds: 3 })
  const after = await app.chat.updateConversation('alice', id, { title: undefined, settings: { posting: undefined, slowModeSeconds: 4 } } as never)
  t.match(after, { title: 'Group', settings: { posting: 'admins', slowModeSeconds: 4 } }, 'undefined is not named')
  await t.rejects(app.chat.updateConversation('bob', id, { title: 'x' }), { code: 'FORBIDDEN' })
  await t.rejects(app.chat.updateConversation('alice', id, { title: 1 } as never), { code: 'VALIDATION_FAILED' })
  await t.rejects(app.chat.updateConversation('alice', id, { avatar: 'x' }), { code: 'VALIDATION_FAILED' })
  t.equal((await app.chat.changes('bob', id)).changes.at(-1)!.type, 'conversationUpdated')
  await t.rejects(app.chat.changes('bob', id, { limit: 0 }), { code: 'VALIDATION_FAILED' })
})
