import { test, type Test } from 'tap'
import { CHANGES_AT_ONCE } from '../../chat/online-news.js'
import type { ConversationPage } from '../../schemas/conversations.js'
import type { BlockAnswer, BlockList, UserProfile } from '../../schemas/users.js'
import { blockAgainstSends } from '../block-race.js'
import type { EventReader } from '../event-reader.js'
import { build, buildListening, travel, user, users, written, type Answer, type User } from '../helper.js'

const BLOCKED = { status: 403, body: { statusCode: 403, code: 'BLOCKED', error: 'Forbidden', message: 'One of you has blocked the other' } }
const UNKNOWN = { status: 422, body: { code: 'UNKNOWN_USER' } }
const THUMB = encodeURIComponent('👍')

const pathOf = (id: string): string => `/api/chat/blocks/${encodeURIComponent(id)}`
const block = async (who: User, other: User): Promise<BlockAnswer> => await who.ok('PUT', pathOf(other.id))
const unblock = async (who: User, other: User): Promise<BlockAnswer> => await who.ok('DELETE', pathOf(other.id))
const blocks = async (who: User): Promise<BlockList['users']> => (await who.ok<BlockList>('GET', '/api/chat/blocks')).users
const presenceOf = async (who: User, other: User, id: string): Promise<unknown[]> => {
  const shown = async (): Promise<unknown[]> => {
    const { conversations } = await who.ok<ConversationPage>('GET', '/api/chat/conversations')
    return [
      await who.ok<UserProfile>('GET', `/api/chat/users/${other.id}`),
      ...[await who.conversation(id), conversations.find(conversation => conversation.id === id)!].map(({ participants }) =>
        participants.find(({ userId }) => userId === other.id))
    ]
  }
  return [...new Set((await shown() as UserProfile[]).map(({ isOnline, lastSeen }) => `${isOnline} ${lastSeen === null ? 'never' : 'seen'}`))]
}
const mentioned = async (who: User, id: string): Promise<number> => {
  const { conversations } = await who.ok<ConversationPage>('GET', '/api/chat/conversations')
  const { unreadMentionCount } = await who.conversation(id)
  if (conversations.find(conversation => conversation.id === id)?.unreadMentionCount !== unreadMentionCount) throw new Error('the list says something else')
  return unreadMentionCount
}

async function scene (t: Test, make = build) {
  const app = await make(t)
  const [alice, bob, carol] = users(app, 'alice', 'bob', 'carol') as [User, User, User]
  for (const who of [alice, bob, carol]) await who.arrive()
  return { app, alice, bob, carol }
}

/** What a stream tells about who is online and who is blocked, up to a message that is sent now. */
async function toldUntilNow (stream: EventReader, sender: User, conversationId: string): Promise<unknown[]> {
  const { id } = await sender.send(conversationId, 'marker')
  return (await stream.until(({ data }) => data.id === id)).filter(({ type }) => type === 'onlineStatus' || type === 'blocked')
    .map(({ type, data }) => [type, data.userId, data.isOnline ?? data.blocked])
}

test('blocking, unblocking and the list', async t => {
  const { app, alice, bob, carol } = await scene(t)
  const odd = await user(app, 'a/b?c=ü 😀%2F').arrive()
  t.strictSame(await blocks(alice), [])
  t.strictSame(await block(alice, bob), { userId: 'bob', blocked: true, changed: true })
  t.strictSame(await block(alice, bob), { userId: 'bob', blocked: true, changed: false })
  t.strictSame(await block(alice, odd), { userId: odd.id, blocked: true, changed: true }, 'an id is percent-decoded')
  await block(alice, carol)
  const shown = (who: User) => ({ userId: who.id, displayName: who.id, avatar: null, isBot: false })
  t.strictSame(await blocks(alice), [carol, odd, bob].map(shown), 'newest first')
  t.strictSame(await blocks(bob), [], 'who is blocked does not see it')
  t.strictSame(await unblock(alice, odd), { userId: odd.id, blocked: false, changed: true })
  t.strictSame(await unblock(alice, odd), { userId: odd.id, blocked: false, changed: false })
  await unblock(alice, bob)
  await block(alice, bob)
  t.strictSame(await blocks(alice), [bob, carol].map(shown), 'one that was gone is new again')
  t.strictSame(await app.chat.blocks('alice'), { users: [bob, carol].map(shown) }, 'in process')
  t.strictSame(await app.chat.block('bob', 'carol', true), { userId: 'carol', blocked: true, changed: true })
})

test('what is refused', async t => {
  const { app, alice, bob } = await scene(t)
  t.match(await alice.call('PUT', pathOf('alice')), { status: 400, body: { code: 'SELF_CONVERSATION' } })
  t.match(await alice.call('PUT', pathOf('nobody')), UNKNOWN)
  t.strictSame(await alice.ok('DELETE', pathOf('alice')), { userId: 'alice', blocked: false, changed: false })
  t.strictSame(await alice.ok('DELETE', pathOf('nobody')), { userId: 'nobody', blocked: false, changed: false })
  for (const id of ['\u0000', 'x'.repeat(129), '\u0085']) {
    for (const method of ['PUT', 'DELETE'] as const) t.match(await alice.call(method, pathOf(id)), { status: 404, body: { code: 'NOT_FOUND' } }, JSON.stringify(id))
  }
  for (const id of ['%zz', '%ff']) t.strictSame((await alice.call('PUT', `/api/chat/blocks/${id}`)).body, (await alice.call('GET', `/api/chat/users/${id}`)).body)
  for (const method of ['PUT', 'DELETE', 'GET'] as const) {
    t.equal((await app.inject({ method, url: method === 'GET' ? '/api/chat/blocks' : pathOf('bob') })).statusCode, 401)
  }
  t.strictSame([await blocks(alice), await blocks(bob)], [[], []])
})

test('a user blocks at most 1,000 others, and none is dropped for the next', async t => {
  const { app, alice, bob } = await scene(t)
  const ids = Array.from({ length: 999 }, (_, index) => `x${index}`)
  await app.chatDatabase.transaction(async sql => {
    for (const id of ids) {
      await sql.execute('INSERT INTO chat_users (id, display_name, profile_at, created_at, is_online, is_hidden) VALUES (?, ?, 0, 0, ?, ?)', id, id, false, false)
      await sql.execute('INSERT INTO chat_blocks (user_id, blocked_id, created_at) VALUES (?, ?, 1)', 'alice', id)
    }
  })
  await block(alice, bob)
  const before = await blocks(alice)
  t.equal(before.length, 1000, 'all of them, in one answer')
  t.equal(before[0]!.userId, 'bob')
  t.match(await alice.call('PUT', pathOf('carol')), { status: 409, body: { code: 'TOO_MANY_BLOCKS' } })
  t.match(await alice.call('PUT', pathOf('nobody')), UNKNOWN)
  t.strictSame(await block(alice, bob), { userId: 'bob', blocked: true, changed: false }, 'a repeat needs no room')
  t.strictSame(await blocks(alice), before)
  await alice.ok('DELETE', pathOf('x7'))
  t.match(await alice.ok('PUT', pathOf('carol')), { changed: true })
})

test('a direct conversation while either blocks the other', async t => {
  const { app, alice, bob } = await scene(t)
  const id = await alice.direct(bob)
  const send = async (who: User, more: object = {}): Promise<Answer> =>
    await who.call('POST', '/api/chat/messages', { conversationId: id, text: 'x', ...more })
  const first = await Promise.all([alice, bob].map(async who => await who.send(id, 'first', { clientId: 'c' })))
  const second = await Promise.all([alice, bob].map(async who => await who.send(id, 'second')))
  const original = first[1]!
  await alice.ok('PUT', `/api/chat/messages/${original.id}/reactions/${THUMB}`)

  for (const [blocker, blocked] of [[alice, bob], [bob, alice]] as const) {
    await block(blocker, blocked)
    const before = await written(app)
    for (const [index, who] of [alice, bob].entries()) {
      const [own, theirs] = [first[index]!, first[1 - index]!]
      const refused: Array<[string, Answer]> = [
        ['sends', await send(who)],
        ['sends with a clientId', await send(who, { clientId: 'new' })],
        ['replies', await send(who, { replyToId: 'unknown' })],
        ['edits', await who.call('PATCH', `/api/chat/messages/${own.id}`, { text: 'y' })],
        ['edits metadata', await who.call('PATCH', `/api/chat/messages/${own.id}`, { metadata: { a: 1 } })],
        ['the same text again', await who.call('PATCH', `/api/chat/messages/${own.id}`, { text: 'first' })],
        ['types', await who.call('POST', '/api/chat/typing', { conversationId: id, isTyping: true })],
        ['reacts', await who.call('PUT', `/api/chat/messages/${theirs.id}/reactions/${THUMB}`)],
        ['takes a reaction back', await who.call('DELETE', `/api/chat/messages/${theirs.id}/reactions/${THUMB}`)],
        ['settings', await who.call('PATCH', `/api/chat/conversations/${id}`, { metadata: { a: 1 } })],
        ['the same settings again', await who.call('PATCH', `/api/chat/conversations/${id}`, { metadata: null })]
      ]
      for (const [name, { status, body }] of refused) t.strictSame({ status, body }, BLOCKED, `${who.id} ${name}: the same answer for both`)

      t.match(await send(who, { conversationId: 'conv_x_y' }), { status: 404 }, 'what is not there comes first')
      t.match(await who.call('PATCH', '/api/chat/messages/none', { text: 'y' }), { status: 404 })
      t.match(await send(who, { text: '' }), { status: 400 })
      t.match(await send(who, { text: 'first', clientId: 'c' }), { status: 200, body: { id: own.id } }, 'and a repeat')
      t.match(await send(who, { text: 'other', clientId: 'c' }), { status: 409, body: { code: 'CLIENT_ID_REUSED' } })
      t.match(await who.call('PATCH', `/api/chat/messages/${theirs.id}`, { text: 'y' }), { status: 403, body: { code: 'FORBIDDEN' } }, 'and whose it is')
      t.match(await who.call('PATCH', `/api/chat/conversations/${id}`, { title: 'x' }), { status: 409, body: { code: 'NOT_A_GROUP' } })
    }
    t.strictSame(await written(app), before)

    for (const who of [alice, bob]) {
      t.match(await who.call('POST', '/api/chat/typing', { conversationId: id, isTyping: false }), { status: 200 }, 'typing may always end')
      t.match(await who.call('POST', '/api/chat/conversations', { type: 'direct', userId: who === alice ? 'bob' : 'alice' }), { status: 200, body: { id } })
      const { messages } = await who.ok<{ messages: unknown[] }>('GET', `/api/chat/conversations/${id}/messages`)
      t.equal(messages.length, 4, 'the history stays')
      t.match(await who.call('GET', `/api/chat/messages/${original.id}`), { status: 200 })
    }
    await unblock(blocker, blocked)
  }

  await block(alice, bob)
  t.match(await bob.mark(second[0]!, 'read'), { status: 'read', changed: true }, 'marks go on')
  t.match(await alice.ok('PUT', `/api/chat/conversations/${id}/read`, { seq: 4 }), { changed: true })
  for (const [index, who] of [alice, bob].entries()) t.match(await who.ok('DELETE', `/api/chat/messages/${first[index]!.id}`), { text: '' }, 'deleting stays')
  t.match(await alice.call('PUT', `/api/chat/messages/${original.id}/reactions/${THUMB}`), BLOCKED, 'before the state of the message')
  t.match(await bob.call('PATCH', `/api/chat/messages/${original.id}`, { text: 'y' }), BLOCKED)

  await block(bob, alice)
  await unblock(alice, bob)
  t.match(await send(alice), BLOCKED, 'the other still blocks')
  await unblock(bob, alice)
  t.match(await send(alice), { status: 201 })
  t.match(await alice.call('POST', '/api/chat/typing', { conversationId: id, isTyping: true }), { status: 200 })
})

test('ids with an underscore, too, and no other conversation than the one of both', async t => {
  const { app, alice, bob, carol } = await scene(t)
  const odd = user(app, 'a_b_')
  const [ids, others] = [await alice.direct(odd), [await alice.direct(bob), await odd.direct(bob), await carol.direct(odd)]]
  await block(odd, alice)
  for (const who of [alice, odd]) t.match(await who.call('POST', '/api/chat/messages', { conversationId: ids, text: 'x' }), BLOCKED)
  await alice.send(others[0]!, 'x')
  await odd.send(others[1]!, 'x')
  await carol.send(others[2]!, 'x')
})

test('a new direct conversation with somebody who blocks or is blocked', async t => {
  const { app, alice, bob, carol } = await scene(t)
  await block(alice, bob)
  const before = await written(app)
  t.match(await alice.call('POST', '/api/chat/conversations', { type: 'direct', userId: 'bob' }), BLOCKED)
  t.match(await bob.call('POST', '/api/chat/conversations', { type: 'direct', userId: 'alice' }), BLOCKED)
  t.match(await bob.call('POST', '/api/chat/conversations', { type: 'direct', userId: 'nobody' }), UNKNOWN)
  t.strictSame(await written(app), before)
  await bob.direct(carol)
  await unblock(alice, bob)
  await bob.direct(alice)
})

test('groups: who is blocked adds nobody who blocks them', async t => {
  const { app, alice, bob, carol } = await scene(t)
  const dora = await user(app, 'dora').arrive()
  await block(alice, bob)
  const id = await bob.group([carol])
  const before = await written(app)
  const add = async (who: User, ...ids: string[]): Promise<Answer> => await who.call('POST', `/api/chat/conversations/${id}/participants`, { participantIds: ids })
  const unknown = await bob.call('POST', '/api/chat/conversations', { type: 'group', participantIds: ['nobody', 'carol'] })
  const blocked = await bob.call('POST', '/api/chat/conversations', { type: 'group', participantIds: ['alice', 'carol'] })
  t.match(blocked, UNKNOWN)
  t.strictSame(blocked.body, unknown.body, 'as if there were no such user')
  t.match(await add(bob, 'dora', 'alice'), UNKNOWN)
  t.strictSame(await written(app), before)
  t.equal((await bob.conversation(id)).participantCount, 2, 'nobody is added')

  t.match(await alice.call('POST', '/api/chat/conversations', { type: 'group', participantIds: ['bob'] }), { status: 201 }, 'who blocks may')
  await bob.ok('PUT', `/api/chat/conversations/${id}/participants/carol`, { role: 'admin' })
  t.match(await add(carol, 'alice', 'dora'), { status: 200 }, 'and others may')
  t.match(await add(bob, 'alice'), { status: 200 }, 'who takes part already is not added')
  t.match(await bob.call('DELETE', `/api/chat/conversations/${id}/participants/alice`), { status: 204 })
  t.match(await add(bob, 'alice'), UNKNOWN)
  await unblock(alice, bob)
  t.match(await add(bob, 'alice'), { status: 200 })
  t.ok(dora)
})

test('groups: messages come as ever, and mentions by who is blocked do not count', async t => {
  const { alice, bob, carol } = await scene(t, buildListening)
  const id = await alice.group([bob, carol])
  const stream = await alice.stream(t)
  const mention = { mentions: [{ userId: 'alice' }] }
  await bob.send(id, 'one', mention)
  await bob.send(id, 'two', { mentionsAll: true })
  await carol.send(id, 'three', mention)
  t.equal(await mentioned(alice, id), 3)
  await block(alice, bob)
  t.equal(await mentioned(alice, id), 1, 'at once')
  t.equal((await bob.conversation(id)).unreadMentionCount, 0)
  t.equal(await mentioned(carol, id), 1, 'for others they count')
  const sent = await bob.send(id, 'four', mention)
  t.equal(await mentioned(alice, id), 1)
  t.match((await stream.until(({ data }) => data.text === 'four')).at(-1)!.data, { id: sent.id, mentions: [{ userId: 'alice' }] })
  t.match(await alice.conversation(id), { unreadCount: 4, lastMessage: { text: 'four' } })
  const { messages } = await alice.ok<{ messages: Array<{ text: string }> }>('GET', `/api/chat/conversations/${id}/messages`)
  t.strictSame(messages.map(({ text }) => text), ['one', 'two', 'three', 'four'])
  await bob.ok('PUT', `/api/chat/messages/${sent.id}/reactions/${THUMB}`)
  await alice.ok('PUT', `/api/chat/messages/${sent.id}/reactions/${THUMB}`)
  t.match(await bob.call('POST', '/api/chat/typing', { conversationId: id, isTyping: true }), { status: 200 })
  await unblock(alice, bob)
  t.equal(await mentioned(alice, id), 4)
})

test('presence: who is blocked sees who blocks them as offline, in all answers', async t => {
  const { alice, bob, carol } = await scene(t)
  const [direct, group] = [await alice.direct(bob), await alice.group([bob, carol])]
  await alice.ok('PUT', '/api/chat/status/online', { isOnline: true })
  await bob.ok('PUT', '/api/chat/status/online', { isOnline: true })
  t.strictSame(await presenceOf(bob, alice, direct), ['true seen'])
  await block(alice, bob)
  for (const id of [direct, group]) t.strictSame(await presenceOf(bob, alice, id), ['false never'])
  t.strictSame(await presenceOf(alice, bob, group), ['true seen'], 'not the other way round')
  t.strictSame(await presenceOf(carol, alice, group), ['true seen'], 'nor for others')
  t.match(await alice.ok('GET', '/api/chat/me'), { isOnline: true })
  t.match(await bob.ok('PATCH', `/api/chat/conversations/${await bob.group([carol])}`, { title: 'x' }), { title: 'x' })
  await unblock(alice, bob)
  t.strictSame(await presenceOf(bob, alice, group), ['true seen'], 'the truth again')
})

test('presence: events', async t => {
  const { app, alice, bob, carol } = await scene(t, buildListening)
  const [direct, group, apart] = [await alice.direct(bob), await alice.group([bob, carol]), await carol.group([bob])]
  const say = async (isOnline: boolean): Promise<void> => { await alice.ok('PUT', '/api/chat/status/online', { isOnline }) }
  await say(true)
  const [all, one, echo, other, hers] = [
    await bob.stream(t), await bob.stream(t, { conversationId: direct }), await bob.stream(t, { conversationId: group, echo: 'true' }),
    await bob.stream(t, { conversationId: apart }), await carol.stream(t)
  ]
  const until = async (stream: EventReader, id: string): Promise<unknown[]> =>
    (await toldUntilNow(stream, id === apart ? carol : alice, id)).filter(event => (event as unknown[])[1] === 'alice')
  await block(alice, bob)
  const offline = ['onlineStatus', 'alice', false]
  t.strictSame(await until(one, direct).catch(() => 'blocked'), 'blocked', 'alice cannot write there')
  for (const stream of [all, echo]) t.strictSame(await until(stream, group), [offline], 'told once that she is offline')
  t.match(all.events.find(({ type, data }) => type === 'onlineStatus' && data.userId === 'alice')?.data, { isOnline: false, lastSeen: null, timestamp: String })
  t.match((await one.next('onlineStatus')).data, { userId: 'alice', isOnline: false, lastSeen: null })
  t.strictSame(await until(other, apart), [], 'not on a stream of a conversation without her')
  t.strictSame(await until(hers, group), [], 'and nobody else is')

  await say(false)
  await say(true)
  await block(alice, carol)
  await unblock(alice, carol)
  for (const stream of [all, echo]) t.strictSame(await until(stream, group), [], 'nothing while blocked')
  t.strictSame(await until(hers, group), [offline, ['onlineStatus', 'alice', true], offline], 'others are told as ever')
  t.equal(one.events.filter(({ type, data }) => type === 'onlineStatus' && data.userId === 'alice').length, 1)

  await block(alice, bob)
  await unblock(alice, bob)
  await say(false)
  await say(true)
  for (const stream of [all, echo, one]) {
    t.strictSame(await until(stream, stream === one ? direct : group), [offline, ['onlineStatus', 'alice', true]], 'the truth again from the next change on')
  }
  await say(false)
  await block(alice, bob)
  t.strictSame(await until(all, group), [offline], 'who was not shown as online is not told')
  await bob.ok('PUT', '/api/chat/status/online', { isOnline: false })
  t.strictSame((await toldUntilNow(hers, alice, group)).at(-1), ['onlineStatus', 'bob', false])
  t.ok(app)
})

test('presence: who hides before they block is offline for the other, although it was not announced yet', async t => {
  travel(t)
  const { alice, bob, carol } = await scene(t, buildListening)
  const group = await alice.group([bob, carol])
  const say = async (isOnline: boolean): Promise<void> => { await alice.ok('PUT', '/api/chat/status/online', { isOnline }) }
  const stream = await bob.stream(t)
  await alice.stream(t)
  for (let n = 0; n < CHANGES_AT_ONCE; n++) await say(n % 2 === 1)
  await say(false)
  await block(alice, bob)
  const told = (events: unknown[]): unknown[] => events.filter(event => (event as unknown[])[1] === 'alice').slice(-2)
  t.strictSame(told(await toldUntilNow(stream, carol, group)), [['onlineStatus', 'alice', true], ['onlineStatus', 'alice', false]])
})

test('the event `blocked` goes to one\'s own streams, all of them, and to no others', async t => {
  const { alice, bob, carol } = await scene(t, buildListening)
  const [direct, group] = [await alice.direct(bob), await alice.group([bob, carol])]
  const own = [await alice.stream(t), await alice.stream(t, { conversationId: direct }), await alice.stream(t, { conversationId: group })]
  const others = [await bob.stream(t), await bob.stream(t, { conversationId: group }), await carol.stream(t)]
  const { userVersion } = own[0]!.events[0]!.data as { userVersion: number }
  await block(alice, bob)
  await block(alice, bob)
  await block(alice, carol)
  await unblock(alice, bob)
  await unblock(alice, bob)
  for (const stream of own) {
    const told = [await stream.next('blocked'), await stream.next('blocked'), await stream.next('blocked')]
    t.match(told.map(({ data }) => data), [
      { userId: 'bob', blocked: true, userVersion: userVersion + 1 },
      { userId: 'carol', blocked: true, userVersion: userVersion + 2 },
      { userId: 'bob', blocked: false, userVersion: userVersion + 3 }
    ])
    for (const { data, id } of told) {
      t.strictSame(Object.keys(data), ['userId', 'blocked', 'userVersion', 'timestamp'])
      t.match(data.timestamp, /^\d{4}-.*\.\d{3}Z$/)
      t.equal(id, undefined)
    }
  }
  for (const stream of others) t.notOk((await toldUntilNow(stream, alice, group)).some(event => (event as unknown[])[0] === 'blocked'))
  t.match((await alice.stream(t)).events[0]!.data, { userVersion: userVersion + 3 }, 'what a device that was away compares')
  t.match((await bob.stream(t)).events[0]!.data, { userVersion: 0 })
})

test('after a block is answered, no message of the blocked is accepted', async t => {
  const { alice, bob } = await scene(t)
  await blockAgainstSends(t, alice, bob)
})

test('a block ends typing in the direct conversation at once', async t => {
  const { alice, bob } = await scene(t, buildListening)
  const id = await alice.direct(bob)
  const streams = [await alice.stream(t, { conversationId: id }), await bob.stream(t, { conversationId: id })]
  for (const [blocker, other] of [[alice, bob], [bob, alice]] as const) {
    for (const who of [alice, bob]) await who.ok('POST', '/api/chat/typing', { conversationId: id, isTyping: true })
    for (const stream of streams) t.match((await stream.next('typing')).data, { isTyping: true })
    await block(blocker, other)
    for (const stream of streams) t.match((await stream.next('typing')).data, { isTyping: false })
    await unblock(blocker, other)
  }
})

test('a body that is no JSON', async t => {
  const { app, bob } = await scene(t)
  for (const method of ['PUT', 'DELETE'] as const) {
    const answer = await app.inject({ method, url: pathOf('alice'), headers: { authorization: `Bearer ${bob.token}`, 'content-type': 'application/json' }, payload: '{' })
    t.match(answer.json(), { statusCode: 400, code: 'INVALID_JSON' })
  }
})

test('blocks in one transaction with what they forbid', async t => {
  const { app, alice, bob, carol } = await scene(t)
  const id = await alice.direct(bob)
  const send = async (): Promise<string> => await app.chat.sendMessage('bob', { conversationId: id, text: 'x' }).then(() => 'sent', (error: { code: string }) => error.code)
  const all = await Promise.all([
    send(), app.chat.block('alice', 'bob', true), send(), app.chat.block('bob', 'alice', true), app.chat.block('alice', 'bob', false), send(),
    app.chat.block('bob', 'alice', false), send(),
    app.chat.block('carol', 'bob', true), app.chat.createConversation('bob', { type: 'direct', userId: 'carol' }).catch((error: { code: string }) => error.code),
    app.chat.createConversation('bob', { type: 'group', participantIds: ['carol'] }).catch((error: { code: string }) => error.code)
  ])
  t.strictSame(all.filter(answer => typeof answer === 'string'), ['sent', 'BLOCKED', 'BLOCKED', 'sent', 'BLOCKED', 'UNKNOWN_USER'])
  t.strictSame((await blocks(carol)).map(({ userId }) => userId), ['bob'])
})
