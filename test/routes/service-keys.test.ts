import { createHash } from 'node:crypto'
import { Writable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { WRONG_KEYS_MAX } from '../../plugins/service-keys.js'
import type { ConversationPage } from '../../schemas/conversations.js'
import type { UserPage } from '../../schemas/users.js'
import { openEvents } from '../event-reader.js'
import { baseUrl, build, buildListening, call, user, users, type Answer, type User } from '../helper.js'

const KEY = `csk_${'orders-0123456789_'.repeat(2)}`
const OTHER = `csk_${'b'.repeat(28)}`
const SERVICE_KEYS = `orders:${KEY}, crm:sha256:${createHash('sha256').update(OTHER).digest('hex')}`

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** A call with a service key, for a user. */
async function as<Body = Record<string, unknown>> (
  app: FastifyInstance, userId: string | undefined, method: Method, url: string, payload?: object, key = KEY
): Promise<Answer<Body>> {
  const acting = userId === undefined ? {} : { 'x-chat-user': encodeURIComponent(userId) }
  return await call(app, method, url, { headers: { authorization: `Bearer ${key}`, ...acting }, ...(payload === undefined ? {} : { payload }) })
}

await t.test('a service acts for a user, on every route', async t => {
  let log = ''
  const app = await buildListening(t, {
    log: new Writable({ write (chunk, _encoding, done) { log += String(chunk); done() } }),
    chat: { serviceKeys: SERVICE_KEYS, rateLimitPerMinute: 60, files: false }
  })
  const [alice, bob, odd] = users(app, 'alice', 'bob', 'Zoë/ 100%') as [User, User, User]
  const id = await alice.direct(bob)
  await odd.arrive()

  t.match(await as(app, 'alice', 'GET', '/api/chat/me'), { status: 200, body: { userId: 'alice' } })
  t.match(await as(app, odd.id, 'GET', '/api/chat/me', undefined, OTHER), { status: 200, body: { userId: odd.id } }, 'by a key of which only the hash is configured')
  t.match((await as<ConversationPage>(app, 'alice', 'GET', '/api/chat/conversations')).body.conversations, [{ id }])
  const stream = await openEvents(t, `${baseUrl(app)}/api/sse`, { authorization: `Bearer ${KEY}`, 'x-chat-user': 'bob' })
  await stream.next('connected')
  t.match(await as(app, 'alice', 'POST', '/api/chat/messages', { conversationId: id, text: 'hello' }), { status: 201, body: { senderId: 'alice' } })
  t.match(await stream.next('message'), { data: { text: 'hello' } })
  const { body: ticket } = await as<{ ticket: string }>(app, 'bob', 'POST', '/api/sse/tickets', {})
  await (await openEvents(t, `${baseUrl(app)}/api/sse?ticket=${ticket.ticket}`)).next('connected')
  t.match((await alice.conversation(id)).participants, [{ displayName: 'alice', isBot: false }, { displayName: 'bob' }], 'names stay')
  t.match(await as(app, odd.id, 'GET', `/api/chat/conversations/${id}`), { status: 404 }, 'with the rights of that user')

  const refused = async (headers: Record<string, string>, url = '/api/chat/me'): Promise<unknown[]> => {
    const { status, body } = await call<{ code: string }>(app, 'GET', url, { headers: { authorization: `Bearer ${KEY}`, ...headers } })
    return [status, body.code]
  }
  for (const malformed of ['', '%', '%ff', '%00', 'a b', '.', 'a'.repeat(129), 'Zo\u00eb', 'a, b']) t.strictSame(await refused({ 'x-chat-user': malformed }), [400, 'BAD_REQUEST'], malformed)
  t.strictSame(await refused({}), [400, 'BAD_REQUEST'], 'for nobody')
  t.strictSame(await refused({ 'x-chat-user': 'nobody' }), [422, 'UNKNOWN_USER'])
  t.strictSame(await refused({ 'x-chat-user': 'nobody' }, '/api/chat/conversations?limit=x'), [422, 'UNKNOWN_USER'], 'before the request is looked at')
  for (const url of ['/api/sse', '/api/chat/me', '/api/admin/users']) {
    for (const headers of [{}, { 'x-chat-user': 'alice' }]) t.strictSame(await refused({ authorization: '', ...headers }, `${url}?token=${KEY}`), [401, 'UNAUTHORIZED'], `${url}: not in a URL`)
  }
  const { body: { paths } } = await call<{ paths: Record<string, Record<string, { security?: unknown[] }>> }>(app, 'GET', '/api/openapi.json')
  for (const [path, methods] of Object.entries(paths)) {
    if (!/^\/api\/(chat|sse)/.test(path)) continue
    for (const [method, { security }] of Object.entries(methods)) {
      if (security?.length === 0) continue
      const { status, body } = await as(app, undefined, method.toUpperCase() as Method, path.replaceAll(/\{\w+\}/g, 'x'), method === 'get' ? undefined : {})
      t.strictSame([status, body.code], [400, 'BAD_REQUEST'], `${method} ${path}: for nobody`)
    }
  }
  t.match(await call(app, 'GET', '/api/chat/me', { headers: { authorization: `Bearer ${alice.token}`, 'x-chat-user': 'bob' } }), { body: { userId: 'alice' } }, 'with a token, the header says nothing')

  for (let calls = 0; calls < 70; calls++) t.equal((await as(app, 'alice', 'GET', '/api/chat/me')).status, 200, 'not limited')
  const own = await Promise.all(Array.from({ length: 70 }, async () => (await alice.call('GET', '/api/chat/me')).status))
  t.ok(own.includes(429), 'the user is')

  app.log.error(new Error(`bad ${KEY}`), `key ${KEY}`)
  await call(app, 'GET', `/api/chat/${KEY}?key=${KEY}`, { headers: { 'x-key': KEY } })
  t.match(log, /"service":"orders"/, 'the name is logged')
  t.match(log, /"service":"crm"/)
  for (const key of [KEY, OTHER]) t.notOk(log.includes(key.slice(4)), 'a key is not')
})

await t.test('a service heeds neither who may post nor slow mode, but membership and blocks', async t => {
  const app = await build(t, { chat: { serviceKeys: [`orders:${KEY}`] } })
  const [alice, bob, bot] = users(app, 'alice', 'bob', 'bot') as [User, User, User]
  const id = await alice.group([bob, bot])
  const settings = async (change: object): Promise<void> => { await alice.ok('PATCH', `/api/chat/conversations/${id}`, { settings: change }) }
  const send = async (text: string) => await as<{ id: string }>(app, 'bot', 'POST', '/api/chat/messages', { conversationId: id, text })
  const { id: messageId } = await alice.send(id, 'news')

  for (const change of [{ posting: 'admins' }, { posting: 'nobody' }, { posting: 'everyone', slowModeSeconds: 60 }]) {
    await settings(change)
    for (const text of ['one', 'two']) t.equal((await send(text)).status, 201, JSON.stringify(change))
    const { body: growing } = await as<{ id: string }>(app, 'bot', 'POST', '/api/chat/messages', { conversationId: id, text: 'gr', growing: true })
    t.equal((await as(app, 'bot', 'POST', `/api/chat/messages/${growing.id}/append`, { offset: 2, text: 'ows' })).status, 200)
    t.equal((await as(app, 'bot', 'POST', '/api/chat/typing', { conversationId: id, isTyping: true })).status, 200)
    for (const method of ['PUT', 'DELETE'] as const) t.equal((await as(app, 'bot', method, `/api/chat/messages/${messageId}/reactions/%F0%9F%91%8D`)).status, 200)
  }
  t.match(await bot.call('POST', '/api/chat/messages', { conversationId: id, text: 'three' }), { status: 429, body: { code: 'SLOW_MODE' } }, 'with a token, the same user does')
  await settings({ posting: 'nobody', slowModeSeconds: 0 })
  t.match(await as(app, 'bot', 'PATCH', `/api/chat/messages/${(await send('four')).body.id}`, { text: '4' }), { status: 403, body: { code: 'POSTING_RESTRICTED' } }, 'editing')

  await alice.ok('DELETE', `/api/chat/conversations/${id}/participants/bot`)
  t.equal((await send('five')).status, 404)
  const direct = await alice.direct(bot)
  await alice.ok('PUT', '/api/chat/blocks/bot')
  t.match(await as(app, 'bot', 'POST', '/api/chat/messages', { conversationId: direct, text: 'six' }), { status: 403, body: { code: 'BLOCKED' } })
})

await t.test('wrong keys are refused, and soon not looked at; right ones are never held back', async t => {
  const app = await build(t, { chat: { serviceKeys: SERVICE_KEYS } })
  await user(app, 'alice').arrive()
  const wrong = [`${KEY.slice(0, -1)}x`, `${KEY}x`, KEY.toUpperCase().replace('CSK_', 'csk_'), 'csk_', `csk_${'x'.repeat(5000)}`]
  t.equal(WRONG_KEYS_MAX, 10)
  for (let tries = 0; tries < WRONG_KEYS_MAX; tries++) {
    t.match(await as(app, 'alice', 'GET', '/api/chat/me', undefined, wrong[tries % wrong.length]), { status: 401, body: { code: 'UNAUTHORIZED' } })
  }
  for (const url of ['/api/chat/me', '/api/admin/users', '/api/sse']) {
    const { status, body, headers } = await as(app, 'alice', 'GET', url, undefined, wrong[0])
    t.match({ status, body }, { status: 429, body: { code: 'TOO_MANY_FAILURES' } }, url)
    t.ok(Number(headers['retry-after']) <= 60)
  }
  t.equal((await as(app, 'alice', 'GET', '/api/chat/me')).status, 200)
  t.equal((await as(app, undefined, 'GET', '/api/admin/users')).status, 200)
  t.equal((await app.inject({ url: '/api/chat/me', remoteAddress: '192.0.2.7', headers: { authorization: `Bearer ${wrong[0]}` } })).statusCode, 401, 'another address')
})

await t.test('operators: services, and users whose token says so', async t => {
  const app = await build(t, { chat: { serviceKeys: SERVICE_KEYS } })
  const admin = user(app, 'root', { chat_admin: true })
  const alice = user(app, 'alice', { name: 'Alice', iat: Math.floor(Date.now() / 1000) - 60 })
  const statusOf = async (who: User): Promise<number> => (await who.call('GET', '/api/admin/users')).status
  t.equal((await call(app, 'GET', '/api/admin/users')).status, 401)
  t.equal(await statusOf(admin), 200)
  for (const claims of [{}, { chat_admin: 'true' }, { chat_admin: 1 }, { admin: true }]) t.equal(await statusOf(user(app, 'eve', claims)), 404)
  t.match(await alice.call('PUT', '/api/admin/users/%00', {}), { status: 404, body: { code: 'NOT_FOUND' } }, 'before the request is looked at')
  t.equal((await as(app, 'not even a user', 'GET', '/api/admin/users')).status, 200, 'whom the service acts for does not matter')

  const put = async (id: string, body: object): Promise<Answer> => await as(app, undefined, 'PUT', `/api/admin/users/${encodeURIComponent(id)}`, body)
  const bot = { userId: 'bot', displayName: 'Order bot', avatar: 'https://example.com/b.png', isBot: true, metadata: { team: 7 }, isOnline: false, lastSeen: null }
  t.strictSame((await put('bot', { displayName: ' Order bot ', avatar: bot.avatar, isBot: true, metadata: bot.metadata })).body, bot)
  t.match(await put('bot', { displayName: 'Bot' }), { status: 200, body: { ...bot, displayName: 'Bot' } }, 'what is absent stays')
  t.match(await put('bot', { displayName: 'Bot', avatar: null, metadata: null, isBot: false }), { status: 200, body: { avatar: null, metadata: null, isBot: false } })
  await put('bot', { displayName: 'Bot', isBot: true })
  t.match(await put('new/one', { displayName: '\u200b' }), { status: 201, body: { displayName: 'new/one', isBot: false } })
  for (const [body, code] of [[{}, 'VALIDATION_FAILED'], [{ displayName: '' }, 'VALIDATION_FAILED'], [{ displayName: 'x'.repeat(129) }, 'VALIDATION_FAILED'], [{ displayName: 'B', isBot: 1 }, 'VALIDATION_FAILED'],
    [{ displayName: 'B', avatar: 'javascript:1' }, 'VALIDATION_FAILED'], [{ displayName: 'B', metadata: { x: 'y'.repeat(5000) } }, 'METADATA_TOO_LARGE']] as const) {
    t.match(await put('bot', body), { status: 400, body: { code } })
  }
  t.match(await put('..', { displayName: 'x' }), { status: 404 })

  await alice.arrive()
  t.match(await put('alice', { displayName: 'Alice A.' }), { status: 200, body: { displayName: 'Alice A.' } })
  await user(app, 'alice', { name: 'Old', iat: Math.floor(Date.now() / 1000) - 30 }).arrive()
  t.match((await as(app, undefined, 'GET', '/api/admin/users/alice')).body, { displayName: 'Alice A.' }, 'a token from before says nothing')
  await user(app, 'alice', { name: 'Alice B.', iat: Math.floor(Date.now() / 1000) + 3 }).arrive()
  t.match((await as(app, undefined, 'GET', '/api/admin/users/alice')).body, { displayName: 'Alice B.' }, 'one issued after does')

  const id = await alice.direct(user(app, 'bot', { name: 'Bot', iat: 1 }))
  t.match((await alice.conversation(id)).participants.find(({ userId }) => userId === 'bot'), { displayName: 'Bot', isBot: true })
  t.match(await as(app, 'bot', 'POST', '/api/chat/messages', { conversationId: id, text: 'hi' }), { body: { sender: { isBot: true } } })

  const find = async (query: string): Promise<UserPage> => (await admin.ok('GET', `/api/admin/users${query}`))
  t.match((await find('?query=ord')).users, [], 'by the name of now')
  t.strictSame((await find('?query=b.')).users.map(({ userId }) => userId), ['alice', 'bot'], 'a word of the name, or the id')
  t.strictSame((await find('?query=new/')).users.map(({ userId }) => userId), ['new/one'])
  const first = await find('?limit=2')
  t.strictSame([...first.users, ...(await find(`?limit=2&cursor=${first.nextCursor!}`)).users].map(({ userId }) => userId).sort(), ['alice', 'bot', 'eve', 'new/one'].slice(0, 4), 'all, in pages')
  t.equal((await admin.call('GET', `/api/admin/users?query=a&cursor=${first.nextCursor!}`)).status, 400)
  t.equal((await admin.call('GET', '/api/admin/users/nobody')).status, 404)

  const issue = async (who: string, body: object): Promise<Answer<{ token: string, expiresAt: string }>> => await as(app, undefined, 'POST', `/api/admin/users/${who}/token`, body)
  const { body: issued } = await issue('bot', { expiresInSeconds: 60 })
  t.match(await call(app, 'GET', '/api/chat/me', { headers: { authorization: `Bearer ${issued.token}` } }), { body: { userId: 'bot', displayName: 'Bot' } })
  t.ok(Math.abs(Date.parse(issued.expiresAt) - Date.now() - 60_000) < 30_000)
  for (const expiresInSeconds of [59, 86_401, 60.5, '60', undefined]) t.equal((await issue('bot', { expiresInSeconds })).status, 400)
  t.match(await issue('nobody', { expiresInSeconds: 60 }), { status: 404, body: { code: 'NOT_FOUND' } })

  const hosted = await build(t, { chat: { serviceKeys: SERVICE_KEYS, authenticate: ({ headers }) => ({ userId: 'root', isOperator: headers['x-operator'] === 'yes' }) } })
  t.equal((await call(hosted, 'GET', '/api/admin/users')).status, 404)
  t.equal((await call(hosted, 'GET', '/api/admin/users', { headers: { 'x-operator': 'yes' } })).status, 200, 'the host says so')
  t.match(await as(hosted, undefined, 'POST', '/api/admin/users/root/token', {}), { status: 404, body: { code: 'FEATURE_OFF' } }, 'the service does not sign')
})

await t.test('another claim; no keys; bad keys', async t => {
  const app = await build(t, { chat: { adminClaim: 'https://example.com/operator' } })
  t.equal((await user(app, 'root', { 'https://example.com/operator': true }).call('GET', '/api/admin/users')).status, 200)
  t.equal((await user(app, 'root', { chat_admin: true }).call('GET', '/api/admin/users')).status, 404)
  t.equal((await as(app, 'root', 'GET', '/api/chat/me')).status, 401)
  for (const serviceKeys of ['', 'orders', `orders:${'x'.repeat(40)}`, 'orders:csk_short', `orders:csk_${'x'.repeat(125)}`, 'orders:sha256:12', `or ders:${KEY}`, `orders:${KEY},`, [], [KEY], 7, [7]]) {
    const { message } = await build(t, { chat: { serviceKeys: serviceKeys as string } }).then(() => new Error('taken'), (error: Error) => error)
    t.match(message, /^fastify-sse-chat: the option serviceKeys must be a comma-separated list/, JSON.stringify(serviceKeys))
    t.notOk(message.includes(KEY))
  }
})
