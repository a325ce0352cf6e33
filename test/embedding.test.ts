import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import cors from '@fastify/cors'
import fastifyJwt from '@fastify/jwt'
import Fastify, { type FastifyInstance, type FastifyPluginAsync, type FastifyServerOptions } from 'fastify'
import { FastifySSEPlugin } from 'fastify-sse-v2'
import t, { type Test } from 'tap'
import chat, { authPlugin, chat as namedChat, hubPlugin, isChatError, type ChatAppOptions, type Hub } from '../index.js'
import { baseUrl, listen, SECRET, shared, throwAwayStore, token, user } from './helper.js'
import { openEvents } from './event-reader.js'

const HOST_SECRET = 'the host\'s own secret, which is another one'

/** A host app with plugins, routes, CORS and an error handler of its own. */
async function host (t: Test, order: 'host first' | 'chat first', options: Partial<ChatAppOptions> = {}, server: FastifyServerOptions = {}): Promise<FastifyInstance> {
  const store = await throwAwayStore()
  const app = Fastify(server)
  t.teardown(async () => {
    await app.close()
    await store.remove()
  })
  const own = async (): Promise<void> => {
    await app.register(fastifyJwt, { secret: HOST_SECRET })
    await app.register(cors, { origin: 'https://host.example' })
    if (!app.hasReplyDecorator('sse')) await app.register(FastifySSEPlugin)
    app.setErrorHandler(async (error, _request, reply) => await reply.code(418).send({ host: (error as Error).message }))
    app.setNotFoundHandler(async (_request, reply) => await reply.code(404).send({ host: 'nothing here' }))
    app.get('/own', async request => await request.jwtVerify())
    app.get('/own/broken', async () => { throw new Error('the host\'s') })
    app.post('/own/body', { schema: { body: { type: 'object', properties: { n: { type: 'integer' } }, additionalProperties: false } } }, async request => request.body)
    app.get('/own/events', (_request, reply) => { reply.sse({ data: '"of the host"' }) })
  }
  const options_: ChatAppOptions = {
    prefix: '/chat', ...store.options, ...(options.authenticate === undefined ? { jwt: { secret: SECRET } } : {}), ...options
  }
  if (order === 'host first') await own()
  await app.register(chat, options_)
  if (order === 'chat first') await own()
  await app.ready()
  return app
}

for (const order of ['host first', 'chat first'] as const) {
  await t.test(`next to a host's plugins, ${order}`, async t => {
    const app = await host(t, order)
    const alice = { authorization: `Bearer ${token({ sub: 'alice' })}` }

    await t.test('the host\'s routes stay the host\'s', async t => {
      const hostToken = app.jwt.sign({ who: 'host' })
      t.match((await app.inject({ url: '/own', headers: { authorization: `Bearer ${hostToken}` } })).json(), { who: 'host' })
      t.equal((await app.inject({ url: '/own', headers: alice })).statusCode, 418, 'a token of the chat is none of the host\'s')
      t.strictSame((await app.inject('/own/broken')).json(), { host: 'the host\'s' })
      t.strictSame((await app.inject('/nowhere')).json(), { host: 'nothing here' })
      t.strictSame((await app.inject({ method: 'POST', url: '/own/body', payload: { n: '7', more: 1 } })).json(), { n: 7 }, 'the host\'s validation coerces and removes as ever')
      t.equal((await app.inject({ method: 'POST', url: '/own/body', payload: 'text', headers: { 'content-type': 'text/plain' } })).statusCode, 418, 'the host\'s parsers are there')
    })

    await t.test('the chat\'s routes keep their shape below the prefix', async t => {
      t.match((await app.inject({ url: '/chat/api/chat/me', headers: alice })).json(), { userId: 'alice' })
      t.match((await app.inject('/chat/api/chat/me')).json(), { statusCode: 401, code: 'UNAUTHORIZED' })
      t.match((await app.inject({ url: '/chat/api/nothing', headers: alice })).json(), { statusCode: 404, code: 'NOT_FOUND' })
      t.equal((await app.inject({ url: '/api/chat/me', headers: alice })).statusCode, 404, 'and not above it')
      for (const path of ['/chat/health/live', '/chat/metrics', '/chat/api/auth/login', '/chat/']) {
        t.equal((await app.inject(path)).statusCode, 404, `${path} is there only if asked for`)
      }
    })

    await t.test('CORS is the host\'s, on streams too', async t => {
      const origin = 'https://host.example'
      const answer = await app.inject({ url: '/chat/api/chat/me', headers: { ...alice, origin } })
      if (order === 'host first') t.equal(answer.headers['access-control-allow-origin'], origin)
      await listen(app)
      const reader = await openEvents(t, `${baseUrl(app)}/chat/api/sse`, { ...alice, origin })
      await reader.next('connected')
      if (order === 'host first') t.equal(reader.headers['access-control-allow-origin'], origin)
      const own = await openEvents(t, `${baseUrl(app)}/own/events`)
      t.match(await own.untilRaw(raw => raw.includes('of the host')), 'data: "of the host"')
    })
  })
}

await t.test('the export has a name, too', async t => {
  t.equal(chat, namedChat)
})

await t.test('app.chat saves and sends as over HTTP', async t => {
  const app = await host(t, 'host first', { prefix: '' })
  await listen(app)
  const [alice, bob] = [user(app, 'alice'), user(app, 'bob')]
  const conversationId = await alice.direct(bob)
  const stream = await bob.stream(t, { conversationId })

  const { message, created } = await app.chat.sendMessage('alice', { conversationId, text: 'in process' })
  t.ok(created)
  const event = await stream.next('message')
  t.strictSame(event.data, { ...shared(message), eventSeq: 2 })
  const { messages } = await app.chat.messages('bob', conversationId)
  t.strictSame(messages, [message])

  await t.rejects(app.chat.sendMessage('mallory', { conversationId, text: 'x' }), { code: 'NOT_FOUND', statusCode: 404 })
  await t.rejects(app.chat.sendMessage('alice', { conversationId, text: '' }), { code: 'VALIDATION_FAILED' })
  await t.rejects(app.chat.sendMessage('alice', { conversationId, text: 'a\u0000b' }), { code: 'VALIDATION_FAILED' })
  t.ok(isChatError(await app.chat.editMessage('bob', message.id, { text: 'mine' }).catch((error: unknown) => error), 'FORBIDDEN'))
})

await t.test('the host says who calls', async t => {
  const lines: string[] = []
  const log = new Writable({ write (line, _encoding, done) { lines.push(String(line)); done() } })
  const app = await host(t, 'host first', {
    authenticate: async ({ headers }) => {
      const id = headers['x-session']
      return typeof id === 'string' ? { userId: id, displayName: `The ${id}`, avatar: 'https://host.example/a.png' } : null
    }
  }, { logger: { level: 'info', stream: log } })
  const me = await app.inject({ url: '/chat/api/chat/me', headers: { 'x-session': 'queen' } })
  t.match(me.json(), { userId: 'queen', displayName: 'The queen', avatar: 'https://host.example/a.png' })
  t.equal((await app.inject('/chat/api/chat/me')).json().code, 'UNAUTHORIZED')
  t.equal((await app.inject(`/chat/api/sse?token=${token({ sub: 'queen' })}`)).statusCode, 401, 'a token means nothing')
  t.notMatch(lines.join(''), 'token=', 'and its like never shows in the host\'s log')
})

await t.test('a stream by inject', async t => {
  const app = await host(t, 'host first', { prefix: '', maxStreams: 2 })
  const headers = { authorization: `Bearer ${token({ sub: 'alice' })}` }
  const opened = await app.inject({ url: '/api/sse', headers, payloadAsStream: true })
  t.equal(opened.statusCode, 200)
  const [first] = await once(opened.stream(), 'data')
  t.match(String(first), 'event: connected')
  const whole = app.inject({ url: '/api/sse', headers })
  while (app.hub.streamCount < 2) await new Promise(resolve => setTimeout(resolve, 5))
  t.match((await app.inject({ url: '/api/sse', headers })).payload, 'event: disconnect', 'turned away')
  await app.close()
  t.match((await whole).payload, /event: connected[^]*event: disconnect/)
})

await t.test('close ends streams at once', async t => {
  const app = await host(t, 'host first', { prefix: '' })
  await listen(app)
  const alice = user(app, 'alice')
  const stream = await alice.stream(t)
  const closing = app.close()
  const { data } = await stream.next('disconnect')
  t.match(data, { reason: 'shutdown', retryAfterMs: Number })
  await stream.ended
  await closing
})

await t.test('options that can\'t be are refused before anything is opened', async t => {
  for (const [options, message] of [
    [{}, /jwt and authenticate/],
    [{ jwt: { secret: 'short' } }, /32 bytes/],
    [{ jwt: { publicKey: 'x' }, accounts: true }, /accounts/],
    [{ jwt: { secret: SECRET }, databaseUrl: 'mysql://x' }, /file: or postgres/]
  ] as Array<[ChatAppOptions, RegExp]>) {
    const folder = mkdtempSync(join(tmpdir(), 'chat-test-'))
    const app = Fastify()
    await t.rejects(async () => {
      await app.register(chat, { databaseUrl: `file:${join(folder, 'chat.db')}`, ...options })
      await app.ready()
    }, message)
    await app.close()
    rmSync(folder, { recursive: true, force: true })
  }
})

await t.test('an option that can\'t be is named before anything is opened', async t => {
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ type: 'spki', format: 'pem' }).toString()
  const jwt = { secret: SECRET }
  const cases: Array<[name: string, options: object]> = [
    ['jwt', { jwt: 'secret' }], ['jwt', { jwt: null }], ['jwt', { jwt: {} }],
    ['jwt.secret', { jwt: { secret: Buffer.alloc(32) } }], ['jwt.secret', { jwt: { secret: '' } }], ['jwt.secret', { jwt: { secret: 'short' } }],
    ['jwt.publicKey', { jwt: { publicKey: 'no key' } }], ['jwt.publicKey', { jwt: { publicKey: weak } }],
    ['jwt.publicKey', { jwt: { publicKey: weak, jwksUrl: 'https://id.example/keys' } }],
    ['jwt.jwksUrl', { jwt: { jwksUrl: 'nowhere' } }], ['jwt.jwksUrl', { jwt: { jwksUrl: 'https://name:pass-word@id.example/keys' } }], ['jwt.jwksUrl', { jwt: { jwksUrl: new URL('https://id.example/keys') } }],
    ['jwt.issuer', { jwt: { ...jwt, issuer: 7 } }], ['jwt.audience', { jwt: { ...jwt, audience: [] } }],
    ['authenticate', { authenticate: 'alice' }], ['authenticate', { authenticate: { userId: 'alice' } }],
    ['accounts', { jwt, accounts: 'on' }], ['page', { jwt, page: 1 }], ['health', { jwt, health: 'yes' }], ['metrics', { jwt, metrics: 1 }], ['metrics.registry', { jwt, metrics: {} }], ['docs', { jwt, docs: 'no' }],
    ['heartbeatMs', { jwt, heartbeatMs: 99 }], ['heartbeatMs', { jwt, heartbeatMs: '30000' }], ['staleAfterMs', { jwt, staleAfterMs: NaN }], ['staleAfterMs', { jwt, staleAfterMs: Infinity }],
    ['maxStreamsPerUser', { jwt, maxStreamsPerUser: 0 }], ['maxStreams', { jwt, maxStreams: 1.5 }], ['streamBufferBytes', { jwt, streamBufferBytes: 10 }],
    ['eventRetentionDays', { jwt, eventRetentionDays: 0 }], ['receiptDays', { jwt, receiptDays: '90' }], ['directory', { jwt, directory: 'everybody' }], ['searchUsers', { jwt, hooks: { searchUsers: 1 } }], ['rateLimitPerMinute', { jwt, rateLimitPerMinute: -1 }],
    ['databaseUrl', { jwt, databaseUrl: 'mysql://root:pass-word@h/db' }], ['databaseUrl', { jwt, databaseUrl: 7 }], ['databaseSchema', { jwt, databaseSchema: 7 }],
    ['redisUrl', { jwt, redisUrl: 'http://pass-word@x' }], ['bus', { jwt, bus: {} }], ['prefix', { jwt, prefix: 7 }]
  ]
  for (const [name, options] of cases) {
    const folder = mkdtempSync(join(tmpdir(), 'chat-test-'))
    const app = Fastify()
    const error: unknown = await (async () => {
      await app.register(chat, { databaseUrl: `file:${join(folder, 'chat.db')}`, ...options })
      await app.ready()
    })().then(() => undefined, (error: unknown) => error)
    t.ok(error instanceof Error, name)
    const { message } = error as Error
    t.match(message, new RegExp(`^fastify-sse-chat: the option ${name.replace('.', '\\.')} must be `))
    t.notMatch(message, /\n|pass-word/)
    t.strictSame(readdirSync(folder), [], 'nothing was opened')
    await app.close()
    rmSync(folder, { recursive: true, force: true })
  }
})

await t.test('each plugin alone checks its options, too', async t => {
  for (const [plugin, options, message] of [
    [hubPlugin, { heartbeatMs: 'soon' }, /the option heartbeatMs must be/], [authPlugin, { secret: 'short' }, /the option jwt\.secret must be/], [authPlugin, {}, /the option jwt must be/]
  ] as Array<[FastifyPluginAsync<object>, object, RegExp]>) {
    const app = Fastify()
    await t.rejects(async () => {
      await app.register(plugin, options)
      await app.ready()
    }, message)
    await app.close()
  }
})

await t.test('the hub alone, for a host\'s own events', async t => {
  type ShopEvents = { orderShipped: { orderId: string, carrier: string } }
  const app = Fastify()
  t.teardown(async () => { await app.close() })
  await app.register(hubPlugin, { heartbeatMs: 100 })
  const hub = app.getDecorator<Hub<ShopEvents>>('hub')
  app.get('/orders/:id', (request, reply) => {
    hub.subscribe(reply.openEventStream(), { topics: [`order:${(request.params as { id: string }).id}`] })
  })
  await listen(app)
  const [seven, eight] = [await openEvents(t, `${baseUrl(app)}/orders/7`), await openEvents(t, `${baseUrl(app)}/orders/8`)]
  await seven.untilRaw(raw => raw.includes(': heartbeat'))
  await eight.untilRaw(raw => raw.includes(': heartbeat'))
  hub.emit({ type: 'orderShipped', data: { orderId: '7', carrier: 'post' }, topics: ['order:7'] })
  hub.emit({ type: 'orderShipped', data: { orderId: '8', carrier: 'bike' }, topics: ['order:8'] })
  // @ts-expect-error -- a wrong payload doesn't compile
  hub.emit({ type: 'orderShipped', data: { orderId: 8 }, topics: [] })
  t.strictSame((await seven.next('orderShipped')).data, { orderId: '7', carrier: 'post' })
  t.strictSame((await eight.next('orderShipped')).data, { orderId: '8', carrier: 'bike' })
})
