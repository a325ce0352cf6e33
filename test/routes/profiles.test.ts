import { test, type Test } from 'tap'
import type { Conversation } from '../../schemas/conversations.js'
import type { MessagePage, OwnMessage as Message } from '../../schemas/messages.js'
import type { LoginAnswer, UserProfile } from '../../schemas/users.js'
import { build, buildListening, call, token, user, users, written, type BuildOptions, type User } from '../helper.js'

const PICTURE = 'https://example.com/a.png'
const accounts: BuildOptions = { chat: { accounts: true } }
/** What only the caller sees. */
const nothingUnread = { userVersion: 0, unreadCount: 0, unreadConversations: 0, unreadMentionCount: 0 }
const seconds = (ms = Date.now()): number => Math.floor(ms / 1000)

const me = async (who: User): Promise<UserProfile> => await who.ok('GET', '/api/chat/me')
const change = async (who: User, body: unknown): Promise<UserProfile> => await who.ok('PATCH', '/api/chat/me', body)
const profile = async (reader: User, id: string): Promise<UserProfile> => await reader.ok('GET', `/api/chat/users/${encodeURIComponent(id)}`)

/** Three users; the first two share a direct conversation. */
async function scene (t: Test, options = accounts, make = build) {
  const app = await make(t, options)
  const [alice, bob, mallory] = users(app, 'alice', 'bob', 'mallory') as [User, User, User]
  await mallory.arrive()
  return { app, alice, bob, mallory, conversationId: await alice.direct(bob) }
}

test('a profile is changed, answered and told', async t => {
  const { app, alice, bob, mallory, conversationId } = await scene(t, accounts, buildListening)
  const group = await alice.group([bob])
  const streams = [
    await alice.stream(t), await alice.stream(t, { conversationId }),
    await bob.stream(t), await bob.stream(t, { conversationId: group }), await bob.stream(t, { conversationId })
  ]
  const stranger = await mallory.stream(t)
  const before = await me(alice)
  const shown = { userId: 'alice', displayName: 'alice', avatar: null, isBot: false, isOnline: true, lastSeen: before.lastSeen, metadata: null }
  t.strictSame(before, { ...shown, ...nothingUnread })
  const metadata = { b: 1, a: { 2: 'two', 1: 'one' } }
  const changed = await change(alice, { displayName: 'Alice A.', avatar: PICTURE, metadata, surplus: 1 })
  t.strictSame(changed, { ...before, displayName: 'Alice A.', avatar: PICTURE, metadata })
  t.strictSame(await me(alice), changed)
  t.strictSame(await profile(bob, 'alice'), { ...shown, displayName: 'Alice A.', avatar: PICTURE, metadata }, 'others see no totals')
  for (const stream of streams) {
    const { data: { timestamp, ...data }, id } = await stream.next('userUpdated')
    t.strictSame(data, { userId: 'alice', displayName: 'Alice A.', avatar: PICTURE, metadata })
    t.match(timestamp, /Z$/)
    t.equal(id, undefined, 'ephemeral')
  }
  t.match((await bob.conversation(conversationId)).participants.find(({ userId }) => userId === 'alice'), { displayName: 'Alice A.', avatar: PICTURE })
  t.match((await alice.send(conversationId, 'x')).sender, { displayName: 'Alice A.', avatar: PICTURE })

  const logged = await written(app)
  for (const body of [{}, { surplus: 1 }, { displayName: 'Alice A.' }, { displayName: ' Alice A.\n', avatar: PICTURE }, { avatar: PICTURE }, { metadata }]) t.strictSame(await change(alice, body), changed)
  t.strictSame(await change(alice, { metadata: null }), { ...changed, metadata: null })
  for (const stream of streams) {
    t.strictSame((await stream.next('userUpdated')).data.metadata, null, 'what was the same told nothing')
    t.equal(stream.events.filter(({ type }) => type === 'userUpdated').length, 2)
  }
  t.strictSame(await written(app), logged, 'the log is not touched')
  await mallory.stream(t)
  t.strictSame(stranger.events.filter(({ type }) => type === 'userUpdated'), [], 'a stranger hears nothing')
})

test('names and pictures: what they may be', async t => {
  const { app, alice } = await scene(t)
  for (const [displayName, shown] of [['x', 'x'], ['x'.repeat(128), 'x'.repeat(128)], ['🙂'.repeat(128), '🙂'.repeat(128)], [' a\nb\u202e ', 'ab'], [' ', 'alice'], ['\u200b', 'alice']] as const) {
    t.equal((await change(alice, { displayName })).displayName, shown)
  }
  const longest = `https://example.com/${'x'.repeat(2028)}`
  for (const avatar of ['http://example.com/', 'HTTPS://example.com', longest, null]) t.equal((await change(alice, { avatar })).avatar, avatar)
  const before = await me(alice)
  const wrong: Array<Record<string, unknown>> = [
    { displayName: '' }, { displayName: 'x'.repeat(129) }, { displayName: '🙂'.repeat(129) }, { displayName: null }, { displayName: 1 }, { displayName: 'a\u0000' }, { displayName: '\ud800' },
    { avatar: '' }, { avatar: 'x' }, { avatar: 'ftp://example.com' }, { avatar: 'javascript:alert(1)' }, { avatar: 'https://' }, { avatar: `${longest}x` }, { avatar: 'https://example.com/\n' },
    { avatar: 'https://example.com/\ud800' }, { avatar: 1 }, { metadata: [] }, { metadata: 'x' }
  ]
  for (const body of wrong) {
    t.match(await alice.call('PATCH', '/api/chat/me', { metadata: { a: 1 }, ...body }), { status: 400, body: { code: 'VALIDATION_FAILED' } }, JSON.stringify(body).slice(0, 60))
  }
  t.strictSame(await me(alice), before, 'nothing was written when it was refused')
  t.equal((await call(app, 'PATCH', '/api/chat/me', { payload: { metadata: {} } })).status, 401)
})

test('without accounts, names and pictures come with tokens', async t => {
  const { app, alice, bob, conversationId } = await scene(t, {}, buildListening)
  const stream = await bob.stream(t, { conversationId })
  const before = await me(alice)
  for (const body of [{ displayName: 'x' }, { avatar: PICTURE }, { avatar: null }, { displayName: 'alice', metadata: { a: 1 } }]) {
    t.match(await alice.call('PATCH', '/api/chat/me', body), { status: 403, body: { code: 'FORBIDDEN' } }, JSON.stringify(body))
  }
  for (const body of [{ displayName: '' }, { avatar: 'x' }, { displayName: 'x', metadata: [] }]) {
    t.match(await alice.call('PATCH', '/api/chat/me', body), { status: 400, body: { code: 'VALIDATION_FAILED' } }, '400 before 403')
  }
  t.strictSame(await me(alice), before)
  t.strictSame((await change(alice, { metadata: { a: 1 } })).metadata, { a: 1 })
  t.match(await stream.next('userUpdated'), { data: { userId: 'alice', displayName: 'alice', metadata: { a: 1 } } })
  const renamed = user(app, 'alice', { name: 'Alice', picture: PICTURE })
  t.strictSame(await me(renamed), { ...before, displayName: 'Alice', avatar: PICTURE, metadata: { a: 1 } }, 'a token keeps the metadata')
  t.match(await stream.next('userUpdated'), { data: { userId: 'alice', displayName: 'Alice', avatar: PICTURE, metadata: { a: 1 } } }, 'and is told, too')
})

test('a token overwrites a change only if it was issued in a later second', async t => {
  const { app, alice } = await scene(t)
  const name = async (claims: Record<string, unknown>): Promise<string> => (await me(user(app, 'alice', { name: 'Token', ...claims }))).displayName
  await name({ iat: seconds() - 60 })
  const from = seconds()
  await change(alice, { displayName: 'Chosen' })
  const until = seconds()
  t.equal(await name({ iat: from - 60 }), 'Chosen')
  t.equal(await name({ iat: from }), 'Chosen', 'of the second of the change')
  t.equal(await name({ iat: from - 1, picture: PICTURE }), 'Chosen')
  t.equal(await name({}), 'Chosen', 'one without a date is none of a later second')
  t.equal((await me(alice)).displayName, 'Chosen')
  t.equal((await profile(alice, 'alice')).avatar, null)
  t.equal(await name({ iat: until + 2 }), 'Token')
  t.equal(await name({ iat: from, name: 'Old' }), 'Token')

  await change(alice, { metadata: { a: 1 } })
  t.equal(await name({ iat: until + 2, name: 'Newer' }), 'Newer', 'a change of metadata alone does not count')

  const other = await build(t, { chat: { accounts: true } })
  const dora = user(other, 'dora', { name: 'Dora' })
  t.equal((await me(dora)).displayName, 'Dora')
  dora.token = token({ sub: 'dora', name: 'Dora D.' })
  t.equal((await me(dora)).displayName, 'Dora D.', 'where nothing was changed, a token without a date does')
})

test('an account keeps the name that was chosen', async t => {
  const { app } = await scene(t)
  const credentials = { userId: 'dora', password: 'correct horse' }
  const { body } = await call<LoginAnswer>(app, 'POST', '/api/auth/register', { payload: { ...credentials, displayName: 'Dora' } })
  const dora = user(app, 'dora')
  dora.token = body.token
  t.equal((await change(dora, { displayName: 'Dora D.' })).displayName, 'Dora D.')
  t.equal((await me(dora)).displayName, 'Dora D.', 'the token of before does not overwrite it')
  const { body: session } = await call<LoginAnswer>(app, 'POST', '/api/auth/login', { payload: credentials })
  t.equal(session.user.displayName, 'Dora D.')
  dora.token = session.token
  t.equal((await me(dora)).displayName, 'Dora D.', 'nor does that of a login')
})

test('the profile of who shares a conversation', async t => {
  const { app, alice, bob, mallory, conversationId } = await scene(t)
  await change(bob, { displayName: 'Bob', metadata: { a: 1 } })
  const shown = await profile(alice, 'bob')
  t.strictSame(shown, { userId: 'bob', displayName: 'Bob', avatar: null, isBot: false, isOnline: false, lastSeen: null, metadata: { a: 1 } })
  t.strictSame(await profile(bob, 'bob'), shown, 'one\'s own')
  const unknown = await mallory.call('GET', '/api/chat/users/nobody')
  t.match(unknown, { status: 404, body: { statusCode: 404, code: 'NOT_FOUND', error: 'Not Found', message: 'Not found' } })
  const group = await alice.group([bob, mallory])
  t.strictSame(await profile(mallory, 'bob'), shown)
  await mallory.ok('DELETE', `/api/chat/conversations/${group}/participants/mallory`)
  for (const id of ['bob', 'alice', 'x'.repeat(129), '%00', 'a%0ab', '%ED%A0%80']) {
    const { status, body } = await mallory.call('GET', `/api/chat/users/${id}`)
    t.strictSame({ status, body }, { status: unknown.status, body: unknown.body }, id.slice(0, 20))
  }
  t.equal((await call(app, 'GET', '/api/chat/users/bob')).status, 401)
  const odd = await user(app, 'a/b?c#d%', {}).arrive()
  t.equal((await profile(odd, odd.id)).userId, odd.id)
  const { participants } = await alice.ok<Conversation>('GET', `/api/chat/conversations/${encodeURIComponent(conversationId)}`)
  t.strictSame(participants.map(participant => 'metadata' in participant), [false, false], 'a list of people has no metadata')
})

test('a group of more than 100 does not hear of a profile', async t => {
  const { app, alice, bob } = await scene(t, accounts, buildListening)
  const others = await Promise.all(Array.from({ length: 100 }, async (_, index) => await user(app, `u${index}`).arrive()))
  const [large, mallory] = [await alice.group(others), others[0]!]
  const [far, near] = [await mallory.stream(t), await bob.stream(t)]
  await change(alice, { displayName: 'Alice' })
  await near.next('userUpdated')
  await alice.send(large, 'marker')
  await far.next('message')
  t.strictSame(far.events.filter(({ type }) => type === 'userUpdated'), [])
})

test('changes at once: the last one stays, and all are told in order', async t => {
  const { alice, bob } = await scene(t, accounts, buildListening)
  const stream = await bob.stream(t)
  await Promise.all(Array.from({ length: 12 }, async (_, index) => await change(alice, { displayName: `Name ${index}`, metadata: { index } })))
  const { displayName, metadata } = await me(alice)
  const told = await stream.until(({ type, data }) => type === 'userUpdated' && data.displayName === displayName)
  t.strictSame(told.at(-1)!.data.metadata, metadata)
  await change(alice, { displayName: 'Last' })
  t.equal((await stream.next('userUpdated')).data.displayName, 'Last')
})

test('a new name is shown everywhere', async t => {
  const { alice, bob, conversationId } = await scene(t, accounts, buildListening)
  const stream = await bob.stream(t, { conversationId })
  const original = await alice.send(conversationId, 'x')
  await bob.send(conversationId, 'y', { replyToId: original.id, mentions: [{ userId: 'alice' }] })
  await alice.ok('PUT', `/api/chat/messages/${original.id}/reactions/${encodeURIComponent('👍')}`)
  await change(alice, { displayName: 'Alice A.' })
  const { messages: [first, second] } = await bob.ok<MessagePage>('GET', `/api/chat/conversations/${conversationId}/messages`)
  t.strictSame([first!.sender.displayName, second!.replyTo!.sender.displayName, second!.mentions[0]!.displayName], ['Alice A.', 'Alice A.', 'Alice A.'])
  const replay = await bob.openStream(t, { conversationId, lastEventId: stream.events[0]!.id! })
  const told = await replay.until(({ type }) => type === 'reaction')
  t.strictSame([(told[1]!.data as unknown as Message).sender.displayName, told.at(-1)!.data.displayName], ['Alice A.', 'Alice A.'])
})
