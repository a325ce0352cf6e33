import { test } from 'tap'
import { Users } from '../../chat/users.js'
import { Queries } from '../../store/queries.js'
import { Writer } from '../../store/writer.js'
import { openEvents } from '../event-reader.js'
import { baseUrl, build, buildListening, call, travel, user } from '../helper.js'

const seconds = (): number => Math.floor(Date.now() / 1000)

test('a user exists from the first request on, also when that is a stream that is refused', async t => {
  const app = await build(t)
  const alice = await user(app, 'alice').arrive()
  for (const [id, conversationId] of [['neo', 'nope'], ['trinity', '%00']] as const) {
    t.equal((await user(app, id).call('GET', `/api/sse?conversationId=${conversationId}`)).status, 404)
    t.equal((await alice.call('POST', '/api/chat/conversations', { type: 'direct', userId: id })).status, 201)
  }
})

test('a refused stream brings the name up to date', async t => {
  const app = await buildListening(t, { chat: { maxStreamsPerUser: 1 } })
  await (await user(app, 'alice', { name: 'Old' }).arrive()).stream(t)
  t.equal((await user(app, 'alice', { name: 'New' }).call('GET', '/api/sse')).status, 429)
  t.equal((await app.chat.user('alice')).displayName, 'New')
})

test('the latest token tells the name, whether it comes with a call or a stream', async t => {
  const app = await buildListening(t)
  const named = (name: string, age: number) => user(app, 'alice', { name, iat: seconds() - age })
  await named('Ann', 300).arrive()
  await named('Anna', 200).stream(t)
  t.match(await named('Ann', 100).ok('GET', '/api/chat/me'), { displayName: 'Ann' })
  await named('Older', 150).stream(t)
  t.match(await app.chat.user('alice'), { displayName: 'Ann' })
  await named('Newest', 50).stream(t)
  t.match(await app.chat.user('alice'), { displayName: 'Newest' })
})

test('another node has changed the name: a later token changes it back, a minute after the last', async t => {
  const clock = travel(t)
  const app = await build(t)
  const named = (name: string, age: number) => user(app, 'alice', { name, iat: seconds() - age })
  await named('Ann', 300).arrive()
  await app.chatDatabase.transaction(async sql => {
    await sql.execute('UPDATE chat_users SET display_name = ?, profile_at = ? WHERE id = ?', 'Anna', (seconds() - 200) * 1000, 'alice')
  })
  await clock.advance(61_000)
  t.match(await named('Ann', 100).ok('GET', '/api/chat/me'), { displayName: 'Ann' })
})

test('whom the host names last has that name, whether it comes with a call or a stream', async t => {
  const app = await buildListening(t, {
    chat: { authenticate: ({ headers }) => ({ userId: 'alice', displayName: String(headers['x-name']) }) }
  })
  const nameOf = async (name: string) => (await call<{ displayName: string }>(app, 'GET', '/api/chat/me', { headers: { 'x-name': name } })).body.displayName
  t.equal(await nameOf('Ann'), 'Ann')
  await (await openEvents(t, `${baseUrl(app)}/api/sse`, { 'x-name': 'Anna' })).next('connected')
  t.equal(await nameOf('Ann'), 'Ann')
})

test('what a token confirms, an older one does not change', async t => {
  const app = await build(t)
  const named = (name: string, age: number) => user(app, 'alice', { name, iat: seconds() - age })
  await named('Ann', 300).arrive()
  const other = new Users(new Queries(app.chatDatabase), new Writer(app.chatDatabase, () => {}))
  const caller = (displayName: string, age: number) => ({ userId: 'alice', displayName, avatar: null, issuedAt: (seconds() - age) * 1000, expiresAt: null })
  await other.ensure(caller('Ann', 100))
  await new Users(new Queries(app.chatDatabase), new Writer(app.chatDatabase, () => {})).ensure(caller('Older', 200))
  t.match(await app.chat.user('alice'), { displayName: 'Ann' })
})
