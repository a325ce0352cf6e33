import { test } from 'tap'
import { directConversationId } from '../../chat/ids.js'
import type { Conversation, ConversationPage } from '../../schemas/conversations.js'
import type { StreamEvent } from '../event-reader.js'
import { build, buildListening, user, users, type User } from '../helper.js'

const path = (id: string, rest = ''): string => `/api/chat/conversations/${encodeURIComponent(id)}${rest}`
const roles = ({ participants }: Conversation): Record<string, string> =>
  Object.fromEntries(participants.map(({ userId, role }) => [userId, role]))
const shown = ({ type, data }: StreamEvent): unknown[] => [type, data.userId, data.role].filter(part => part !== undefined)

test('a direct conversation has one id, whoever asks first', async (t) => {
  const app = await build(t)
  const [alice, bob] = [user(app, 'alice', { name: 'Alice' }), user(app, 'bob', { name: 'Bob', picture: 'http://example.com/b.png' })]
  await alice.arrive()
  const { status, body } = await bob.call<Conversation>('POST', '/api/chat/conversations', { type: 'direct', userId: 'alice', title: 'ignored' })
  t.equal(status, 201)
  t.strictSame(body, {
    id: 'conv_alice_bob',
    conversationId: 'conv_alice_bob',
    type: 'direct',
    title: null,
    avatar: null,
    description: null,
    metadata: null,
    settings: { posting: 'everyone', mentionAll: 'everyone', pinning: 'admins', slowModeSeconds: 0, messageTtlSeconds: null },
    createdBy: 'bob',
    createdAt: body.createdAt,
    updatedAt: body.createdAt,
    firstSeq: 1,
    lastMessage: null,
    unreadCount: 0,
    unreadMentionCount: 0,
    me: { mutedUntil: null, archived: false, favourite: false, notify: 'all', unreadFrom: null, draft: null },
    participantCount: 2,
    participants: [
      { userId: 'alice', displayName: 'Alice', avatar: null, isBot: false, isOnline: false, lastSeen: null, role: 'member', deliveredSeq: 0, readSeq: 0 },
      { userId: 'bob', displayName: 'Bob', avatar: 'http://example.com/b.png', isBot: false, isOnline: false, lastSeen: null, role: 'member', deliveredSeq: 0, readSeq: 0 }
    ]
  })
  t.match(body.createdAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  const again = await alice.call<Conversation>('POST', '/api/chat/conversations', { type: 'direct', userId: 'bob' })
  t.equal(again.status, 200)
  t.strictSame(again.body, body)
  t.strictSame(await alice.conversation('conv_alice_bob'), body)
})

test('the same direct conversation asked for many times at once is made once', async (t) => {
  const app = await build(t)
  const [alice, bob] = users(app, 'alice', 'bob') as [User, User]
  await Promise.all([alice.arrive(), bob.arrive()])
  const answers = await Promise.all(Array.from({ length: 12 }, async (_, index) => index % 2 === 0
    ? await alice.call<Conversation>('POST', '/api/chat/conversations', { type: 'direct', userId: 'bob' })
    : await bob.call<Conversation>('POST', '/api/chat/conversations', { type: 'direct', userId: 'alice' })))
  t.equal(answers.filter(({ status }) => status === 201).length, 1)
  t.ok(answers.every(({ body }) => body.id === 'conv_alice_bob'))
})

test('ids of direct conversations', async (t) => {
  t.equal(directConversationId('b', 'a'), 'conv_a_b')
  t.equal(directConversationId('\uffff', '😀'), 'conv_\uffff_😀', 'sorted by bytes, not by UTF-16 units')
  const app = await build(t)
  const ids = ['a', 'a_b', 'b', 'b_c', 'c', 'a_b_c', '_', '__', 'x/y?z#%', 'Ä ö', '😀', `long${'ö'.repeat(124)}`, `long_${'😀'.repeat(123)}`, '1', '1_1']
  const everybody = ids.map(id => user(app, id))
  await Promise.all(everybody.map(async one => await one.arrive()))
  const made = new Set<string>()
  for (const [index, one] of everybody.entries()) {
    for (const other of everybody.slice(index + 1)) {
      const conversationId = await one.direct(other)
      made.add(conversationId)
      t.ok([...conversationId].length <= 300, conversationId)
      if (!one.id.includes('_') && !other.id.includes('_')) {
        const [a, b] = [one.id, other.id].sort((x, y) => Buffer.compare(Buffer.from(x), Buffer.from(y)))
        t.equal(conversationId, `conv_${a}_${b}`)
      }
      t.equal((await other.conversation(conversationId)).id, conversationId, 'usable in a path')
    }
  }
  t.equal(made.size, ids.length * (ids.length - 1) / 2, 'no two pairs have one id')
})

test('what is refused when a conversation is made', async (t) => {
  const app = await build(t)
  const alice = await user(app, 'alice').arrive()
  const bob = await user(app, 'bob').arrive()
  const refusals: Array<[unknown, number, string]> = [
    [{ type: 'direct', userId: 'alice' }, 400, 'SELF_CONVERSATION'],
    [{ type: 'direct', userId: 'nobody' }, 422, 'UNKNOWN_USER'],
    [{ type: 'direct' }, 400, 'VALIDATION_FAILED'],
    [{ type: 'direct', userId: 7 }, 400, 'VALIDATION_FAILED'],
    [{ type: 'direct', userId: '' }, 400, 'VALIDATION_FAILED'],
    [{ type: 'direct', userId: 'x'.repeat(129) }, 400, 'VALIDATION_FAILED'],
    [{ type: 'direct', userId: 'a\nb' }, 400, 'VALIDATION_FAILED'],
    [{ type: 'direct', userId: 'a\u0000' }, 400, 'VALIDATION_FAILED'],
    [{ type: 'direct', userId: '\ud800' }, 400, 'VALIDATION_FAILED'],
    [{ type: 'channel', userId: 'bob' }, 400, 'VALIDATION_FAILED'],
    [{ userId: 'bob' }, 400, 'VALIDATION_FAILED'],
    [{ type: 'group' }, 400, 'VALIDATION_FAILED'],
    [{ type: 'group', participantIds: 'bob' }, 400, 'VALIDATION_FAILED'],
    [{ type: 'group', participantIds: [null] }, 400, 'VALIDATION_FAILED'],
    [{ type: 'group', participantIds: [], title: 'x'.repeat(201) }, 400, 'VALIDATION_FAILED'],
    [{ type: 'group', participantIds: [], title: 'a\u0000' }, 400, 'VALIDATION_FAILED'],
    [{ type: 'group', participantIds: [], title: '\udc00' }, 400, 'VALIDATION_FAILED'],
    [{ type: 'group', participantIds: [], title: 7 }, 400, 'VALIDATION_FAILED'],
    [{ type: 'group', participantIds: ['bob', 'nobody'] }, 422, 'UNKNOWN_USER'],
    [{ type: 'group', participantIds: Array.from({ length: 1000 }, (_, index) => `u${index}`) }, 400, 'GROUP_TOO_LARGE'],
    [[], 400, 'VALIDATION_FAILED'],
    [undefined, 400, 'VALIDATION_FAILED']
  ]
  for (const [body, status, code] of refusals) {
    t.match(await alice.call('POST', '/api/chat/conversations', body), { status, body: { code, statusCode: status } }, `${code}: ${JSON.stringify(body)?.slice(0, 60)}`)
  }
  for (const one of [alice, bob]) t.strictSame(await one.ok('GET', '/api/chat/conversations'), { conversations: [], nextCursor: null }, 'nothing was written')
})

test('groups: titles, and their makers', async (t) => {
  const app = await build(t)
  const [alice, bob] = users(app, 'alice', 'bob') as [User, User]
  await bob.arrive()
  const titles = [['Team', 'Team'], ['', null], [' x ', 'x'], ['😀'.repeat(200), '😀'.repeat(200)], ['a\nb', 'ab'], ['\u3164', null], [null, null], [undefined, null]]
  for (const [title, shown] of titles) {
    const { status, body } = await alice.call<Conversation>('POST', '/api/chat/conversations', { type: 'group', title, participantIds: ['bob', 'alice', 'bob'] })
    t.match({ status, body }, { status: 201, body: { type: 'group', title: shown, participantCount: 2 } })
    t.strictSame(roles(body), { alice: 'owner', bob: 'member' })
  }
  const alone = await alice.call<Conversation>('POST', '/api/chat/conversations', { type: 'group', participantIds: [] })
  t.strictSame([alone.status, roles(alone.body)], [201, { alice: 'owner' }])
  t.equal((await alice.send(alone.body.id, 'to myself')).status, 'sent')
})

test('adding, promoting and removing: who may', async (t) => {
  const app = await buildListening(t)
  const [owner, admin, member, other, newcomer] = users(app, 'owner', 'admin', 'member', 'other', 'newcomer') as [User, User, User, User, User]
  await newcomer.arrive()
  const id = await owner.group([admin, member, other])
  const stream = await owner.stream(t, { conversationId: id })
  const put = async (who: User, whom: string, body: unknown) => await who.call<Conversation>('PUT', path(id, `/participants/${whom}`), body)
  const remove = async (who: User, whom: string) => await who.call('DELETE', path(id, `/participants/${whom}`))
  const add = async (who: User, body: unknown) => await who.call<Conversation>('POST', path(id, '/participants'), body)
  const forbidden = { status: 403, body: { code: 'FORBIDDEN' } }

  const promoted = await put(owner, 'admin', { role: 'admin' })
  t.strictSame([promoted.status, roles(promoted.body)], [200, { owner: 'owner', admin: 'admin', member: 'member', other: 'member' }])
  t.equal((await put(owner, 'admin', { role: 'admin' })).status, 200, 'again changes nothing')
  t.match(await put(admin, 'member', { role: 'admin' }), forbidden, 'roles are the owner\'s to give')
  t.match(await put(member, 'member', { role: 'admin' }), forbidden)
  t.match(await put(owner, 'owner', { role: 'member' }), forbidden, 'the owner stays the owner')
  t.match(await put(owner, 'newcomer', { role: 'admin' }), { status: 404, body: { code: 'NOT_FOUND' } })
  for (const body of [{ role: 'owner' }, { role: 'king' }, { role: null }, {}, undefined]) {
    t.match(await put(owner, 'member', body), { status: 400, body: { code: 'VALIDATION_FAILED' } })
  }

  t.match(await add(member, { participantIds: ['newcomer'] }), forbidden)
  t.match(await add(owner, { participantIds: ['newcomer', 'nobody'] }), { status: 422, body: { code: 'UNKNOWN_USER' } })
  for (const body of [{ participantIds: 'newcomer' }, { participantIds: [''] }, { participantIds: [1] }, {}, undefined]) {
    t.match(await add(owner, body), { status: 400, body: { code: 'VALIDATION_FAILED' } })
  }
  const added = await add(admin, { participantIds: ['newcomer', 'member', 'newcomer'] })
  t.strictSame([added.status, added.body.participantCount, roles(added.body).newcomer], [200, 5, 'member'])
  t.equal((await add(owner, { participantIds: [] })).status, 200)

  t.match(await remove(member, 'other'), forbidden)
  t.match(await remove(member, 'nobody'), forbidden)
  t.match(await remove(admin, 'owner'), forbidden, 'nobody removes the owner')
  t.match(await remove(owner, 'nobody'), { status: 404, body: { code: 'NOT_FOUND' } })
  t.match(await remove(owner, '%00'), { status: 404, body: { code: 'NOT_FOUND' } })
  const removed = await remove(admin, 'other')
  t.strictSame([removed.status, removed.body], [204, ''])
  t.match(await other.call('GET', path(id)), { status: 404 })
  t.equal((await remove(member, 'member')).status, 204, 'one may leave')
  t.match(await remove(member, 'member'), { status: 404 })
  t.equal((await put(owner, 'admin', { role: 'member' })).status, 200)

  const events = await stream.until(({ data }) => data.userId === 'admin' && data.role === 'member')
  t.strictSame(events.map(shown), [
    ['participantUpdated', 'admin', 'admin'],
    ['participantJoined', 'newcomer', 'member'],
    ['participantLeft', 'other', 'member'],
    ['participantLeft', 'member', 'member'],
    ['participantUpdated', 'admin', 'member']
  ], 'told once each, and nothing of what was refused')
  const [joined] = events.filter(({ type }) => type === 'participantJoined')
  t.strictSame(joined?.data, { conversationId: id, userId: 'newcomer', displayName: 'newcomer', role: 'member', byUserId: 'admin', timestamp: joined?.data.timestamp, eventSeq: 3 })
  t.strictSame(events.map(({ data }) => data.eventSeq), [2, 3, 4, 5, 6])
})

test('the participants of a direct conversation are fixed', async (t) => {
  const app = await build(t)
  const [alice, bob, carol] = users(app, 'alice', 'bob', 'carol') as [User, User, User]
  await carol.arrive()
  const id = await alice.direct(bob)
  const refusal = { status: 409, body: { code: 'NOT_A_GROUP' } }
  t.match(await alice.call('POST', path(id, '/participants'), { participantIds: ['carol'] }), refusal)
  t.match(await alice.call('PUT', path(id, '/participants/bob'), { role: 'admin' }), refusal)
  t.match(await alice.call('DELETE', path(id, '/participants/bob')), refusal)
  t.match(await alice.call('DELETE', path(id, '/participants/alice')), refusal)
  t.equal((await bob.conversation(id)).participantCount, 2)
})

test('when the owner leaves, the longest-standing admin, else member, is the owner', async (t) => {
  const app = await buildListening(t)
  const [a, b, c, d] = users(app, 'a', 'b', 'c', 'd') as [User, User, User, User]
  const id = await d.group([])
  await Promise.all([a, b, c].map(async one => await one.arrive()))
  for (const next of [c, b, a]) {
    await d.ok('POST', path(id, '/participants'), { participantIds: [next.id] })
    // Joined in different milliseconds.
    await new Promise(resolve => setTimeout(resolve, 2))
  }
  await d.ok('PUT', path(id, '/participants/a'), { role: 'admin' })
  await d.ok('PUT', path(id, '/participants/b'), { role: 'admin' })
  const stream = await c.stream(t, { conversationId: id })
  await d.ok('DELETE', path(id, '/participants/d'))
  t.strictSame(roles(await c.conversation(id)), { a: 'admin', b: 'owner', c: 'member' }, 'an admin before a member, however long they are there')
  await b.ok('PUT', path(id, '/participants/a'), { role: 'member' })
  await b.ok('DELETE', path(id, '/participants/b'))
  t.strictSame(roles(await c.conversation(id)), { a: 'member', c: 'owner' }, 'without an admin the longest-standing member')
  await c.ok('POST', '/api/chat/messages', { conversationId: id, text: 'still here' })
  t.strictSame((await stream.take(5)).map(shown), [
    ['participantLeft', 'd', 'owner'], ['participantUpdated', 'b', 'owner'],
    ['participantUpdated', 'a', 'member'],
    ['participantLeft', 'b', 'owner'], ['participantUpdated', 'c', 'owner']
  ])
  await c.ok('DELETE', path(id, '/participants/c'))
  await a.ok('DELETE', path(id, '/participants/a'))
  t.match(await a.call('GET', path(id)), { status: 404 }, 'the last one may leave, too')
})

test('a group holds at most 1,000, filled in several calls', async (t) => {
  const app = await build(t)
  const owner = await user(app, 'owner').arrive()
  const ids = Array.from({ length: 1000 }, (_, index) => `u${index}`)
  await Promise.all(ids.map(async id => await user(app, id).arrive()))
  const id = (await owner.ok<Conversation>('POST', '/api/chat/conversations', { type: 'group', participantIds: ids.slice(0, 500) })).id
  t.match(await owner.call('POST', path(id, '/participants'), { participantIds: ids }), { status: 400, body: { code: 'GROUP_TOO_LARGE' } }, 'nobody is added when not all fit')
  t.equal((await owner.conversation(id)).participantCount, 501)
  const full = await owner.ok<Conversation>('POST', path(id, '/participants'), { participantIds: ids.slice(0, 999) })
  t.strictSame([full.participantCount, full.participants.length], [1000, 1000])
  t.match(await owner.call('POST', path(id, '/participants'), { participantIds: [ids[999]] }), { status: 400, body: { code: 'GROUP_TOO_LARGE' } })
  t.equal((await owner.call('POST', path(id, '/participants'), { participantIds: [ids[0]] })).status, 200, 'who is in it already needs no place')
  const { conversations: [listed] } = await owner.ok<ConversationPage>('GET', '/api/chat/conversations')
  t.strictSame([listed?.participantCount, listed?.participants.length], [1000, 50], 'the list shows the first fifty')
  t.strictSame(listed?.participants, full.participants.slice(0, 50))
  const whole = await owner.call<Conversation>('POST', '/api/chat/conversations', { type: 'group', participantIds: ids.slice(0, 999) })
  t.strictSame([whole.status, whole.body.participantCount], [201, 1000], 'its maker included')
})

test('the list: mine, latest activity first, paged by a cursor', async (t) => {
  const app = await build(t)
  const [alice, bob, carol] = users(app, 'alice', 'bob', 'carol') as [User, User, User]
  await bob.arrive()
  const ids: string[] = []
  for (let index = 0; index < 7; index++) ids.push(await alice.group([bob], `g${index}`))
  const hidden = await bob.group([carol])
  const list = async (who: User, query = ''): Promise<ConversationPage> => await who.ok('GET', `/api/chat/conversations${query}`)
  const order = async (): Promise<string[]> => (await list(alice)).conversations.map(({ id }) => id)
  // Conversations of the same millisecond have no order: give each one a time of its own.
  for (const id of ids) {
    await alice.send(id, 'x')
    await new Promise(resolve => setTimeout(resolve, 2))
  }
  t.strictSame(await order(), ids.toReversed())
  t.notOk((await order()).includes(hidden))

  const seen: string[] = []
  let cursor: string | null = null
  let pages = 0
  do {
    const page: ConversationPage = await list(alice, `?limit=3${cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`}`)
    seen.push(...page.conversations.map(({ id }) => id))
    cursor = page.nextCursor
    pages++
  } while (cursor !== null)
  t.strictSame([seen, pages], [ids.toReversed(), 3])
  t.equal((await list(alice, '?limit=7')).nextCursor, null, 'no cursor where nothing follows')

  const { nextCursor } = await list(alice, '?limit=2')
  await alice.send(ids[0]!, 'to the top')
  t.strictSame((await list(alice, `?limit=2&cursor=${nextCursor}`)).conversations.map(({ id }) => id), [ids[4], ids[3]], 'a cursor stays where it was')
  t.equal((await order())[0], ids[0], 'a message is activity')

  const message = await alice.send(ids[1]!, 'y')
  await bob.send(ids[2]!, 'later')
  await alice.ok('PATCH', `/api/chat/messages/${message.id}`, { text: 'z' })
  await bob.mark(message, 'read')
  t.equal((await order())[0], ids[2], 'an edit and a receipt are none')

  t.match(await bob.call('GET', `/api/chat/conversations?cursor=${nextCursor}`), { status: 400, body: { code: 'INVALID_CURSOR' } }, 'another user\'s cursor')
  for (const wrong of ['x', '%00', 'MS4x', '../..', 'a'.repeat(256)]) {
    t.match(await alice.call('GET', `/api/chat/conversations?cursor=${wrong}`), { status: 400, body: { code: 'INVALID_CURSOR' } }, wrong)
  }
  const [tag] = JSON.parse(Buffer.from(nextCursor!, 'base64url').toString()) as [string]
  for (const place of [[1e15, 2 ** 40], [2 ** 53, 1], [1, '1'], [1]]) {
    const forged = Buffer.from(JSON.stringify([tag, ...place])).toString('base64url')
    t.match(await alice.call('GET', `/api/chat/conversations?cursor=${forged}`), { status: 400, body: { code: 'INVALID_CURSOR' } }, `forged: ${String(place)}`)
  }
  for (const query of ['limit=0', 'limit=101', 'limit=x', 'limit=2.5', `cursor=${'a'.repeat(257)}`, 'cursor=a&cursor=b']) {
    t.match(await alice.call('GET', `/api/chat/conversations?${query}`), { status: 400, body: { code: 'VALIDATION_FAILED' } }, query)
  }
})

test('a conversation as its participants see it', async (t) => {
  const app = await build(t)
  const [alice, bob] = users(app, 'alice', 'bob') as [User, User]
  const id = await alice.direct(bob)
  await alice.send(id, 'one')
  const message = await bob.send(id, 'two')
  await alice.mark(message, 'delivered')
  const mine = await alice.conversation(id)
  t.strictSame(mine.lastMessage, { ...message, status: 'delivered' })
  t.equal(mine.unreadCount, 1)
  t.equal(mine.updatedAt, message.createdAt)
  t.match(mine.participants, [{ userId: 'alice', deliveredSeq: 2, readSeq: 0 }, { userId: 'bob', deliveredSeq: 0, readSeq: 0 }])
  t.equal((await bob.conversation(id)).unreadCount, 1)
  const { conversations } = await alice.ok<ConversationPage>('GET', '/api/chat/conversations')
  t.strictSame(conversations, [mine], 'the list shows the same')
  await bob.ok('DELETE', `/api/chat/messages/${message.id}`)
  t.match((await alice.conversation(id)).lastMessage, { text: '', seq: 2 }, 'a tombstone is still the last message')
})
