import { createRequire } from 'node:module'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import multipart from '@fastify/multipart'
import rateLimit from '@fastify/rate-limit'
import fastifyStatic from '@fastify/static'
import swagger from '@fastify/swagger'
import underPressure from '@fastify/under-pressure'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { FastifySSEPlugin } from 'fastify-sse-v2'
import fastifyMetrics from 'fastify-metrics'
import { collectDefaultMetrics, register, Registry } from 'prom-client'
import { test, type Test } from 'tap'
import chat, { type ChatAppOptions } from '../index.js'
import { openEvents } from './event-reader.js'
import { multipart as formOf } from './files/upload.js'
import { baseUrl, listen, SECRET, throwAwayStore, token, user } from './helper.js'

/** A host app with the chat below /chat. `before` and `after` are the host's own plugins. */
async function host (
  t: Test,
  parts: {
    before?: (app: FastifyInstance) => Promise<void>
    after?: (app: FastifyInstance) => Promise<void>
    chat?: Partial<ChatAppOptions>
    server?: FastifyServerOptions
  }
): Promise<FastifyInstance> {
  const store = await throwAwayStore()
  const app = Fastify(parts.server ?? {})
  t.teardown(async () => {
    await app.close()
    await store.remove()
  })
  await parts.before?.(app)
  await app.register(chat, { prefix: '/chat', ...store.options, ...(parts.chat?.authenticate === undefined ? { jwt: { secret: SECRET } } : {}), ...parts.chat })
  await parts.after?.(app)
  await app.ready()
  return app
}

const alice = { authorization: `Bearer ${token({ sub: 'alice' })}` }
const me = async (app: FastifyInstance, headers: Record<string, string> = alice) => (await app.inject({ url: '/chat/api/chat/me', headers }))

for (const order of ['before', 'after'] as const) {
  test(`a host that decorates the usual names, ${order} the chat`, async (t) => {
    const app = await host(t, {
      [order]: async (app: FastifyInstance) => {
        app.decorate('authenticate' as never, (() => 'the host\'s') as never)
        app.decorate('identify' as never, (() => 'the host\'s') as never)
        app.decorateRequest('caller' as never, 'the host\'s' as never)
        app.get('/own', async request => [(app as unknown as { authenticate(): string }).authenticate(), (request as unknown as { caller: string }).caller])
      }
    })
    t.match((await me(app)).json(), { userId: 'alice' })
    t.strictSame((await app.inject('/own')).json(), ['the host\'s', 'the host\'s'])
  })

  test(`a host with fastify-sse-v2, ${order} the chat`, async (t) => {
    const app = await host(t, {
      [order]: async (app: FastifyInstance) => {
        await app.register(FastifySSEPlugin)
        app.get('/own', (_request, reply) => { reply.sse({ data: '"of the host"' }) })
      }
    })
    await listen(app)
    const stream = await openEvents(t, `${baseUrl(app)}/chat/api/sse`, alice)
    t.match(await stream.next(), { type: 'connected' })
    const own = await openEvents(t, `${baseUrl(app)}/own`)
    t.match(await own.untilRaw(raw => raw.includes('of the host')), 'data: "of the host"')
  })

  test(`a host with @fastify/multipart and @fastify/static, ${order} the chat`, async (t) => {
    const folder = t.testdir({ 'own.txt': 'of the host' })
    const app = await host(t, {
      chat: { files: { dir: join(folder, 'files') } },
      [order]: async (app: FastifyInstance) => {
        await app.register(multipart, { limits: { fileSize: 10 } })
        await app.register(fastifyStatic, { root: folder, prefix: '/static/' })
        app.post('/own', async request => String(await (await request.file())?.toBuffer()))
      }
    })
    const body = (bytes: string) => formOf([{ name: 'x.txt', bytes }])
    const uploaded = await app.inject({ method: 'POST', url: '/chat/api/chat/files', payload: body('more than ten bytes').payload, headers: { ...alice, ...body('').headers } })
    t.match(uploaded.json(), { name: 'x.txt', size: 19 })
    const { urls } = (await app.inject({ method: 'POST', url: '/chat/api/chat/files/urls', payload: { fileIds: [uploaded.json().fileId] }, headers: alice })).json()
    const { url } = urls[uploaded.json().fileId]
    t.match(url, /^\/chat\/api\/chat\/files\//, 'with the prefix')
    t.equal((await app.inject(url)).payload, 'more than ten bytes')
    t.equal((await app.inject({ method: 'POST', url: '/own', ...body('little') })).payload, 'little')
    t.equal((await app.inject({ method: 'POST', url: '/own', ...body('more than ten bytes') })).statusCode, 413)
    t.equal((await app.inject('/static/own.txt')).payload, 'of the host')
  })

  test(`a host with @fastify/swagger and @fastify/rate-limit, ${order} the chat`, async (t) => {
    const app = await host(t, {
      chat: { rateLimitPerMinute: 3 },
      [order]: async (app: FastifyInstance) => {
        await app.register(rateLimit, { max: 100, timeWindow: 60_000 })
        await app.register(swagger, { openapi: { info: { title: 'the host', version: '7' } } })
        app.get('/own', { schema: { summary: 'the host\'s' } }, async () => 'fine')
      }
    })
    const document = (await app.inject('/chat/api/openapi.json')).json()
    t.equal(document.info.title, 'fastify-sse-chat')
    t.notOk('/own' in document.paths)
    const own = app.swagger() as { info: { title: string }, paths: Record<string, unknown> }
    t.equal(own.info.title, 'the host')
    t.ok('/own' in own.paths)
    const statuses = []
    for (let index = 0; index < 5; index++) statuses.push((await me(app)).statusCode)
    t.strictSame(statuses, [200, 200, 200, 429, 429])
    t.equal((await app.inject('/own')).statusCode, 200)
  })
}

test('a token in a URL never shows in the host\'s log', async (t) => {
  let log = ''
  const app = await host(t, { server: { logger: { level: 'trace', stream: new Writable({ write (line, _, done) { log += String(line); done() } }) } } })
  const secret = token({ sub: 'alice' })
  await listen(app)
  const stream = await openEvents(t, `${baseUrl(app)}/chat/api/sse?token=${secret}`)
  await stream.next('connected')
  await stream.close()
  for (const path of ['/chat/api/chat/me', '/chat/api/chat/conversations/x', '/chat/api/sse?conversationId=nope&a=']) await app.inject(`${path}?token=${secret}`)
  await app.inject({ url: '/chat/api/chat/me?token=x', headers: { authorization: `Bearer ${secret}x` } })
  // Also for paths without a route.
  for (const path of ['/chat/api/nope', '/chat', '/chat/', '/chat/api/sse/a/b/c']) {
    for (const method of ['GET', 'POST', 'HEAD', 'OPTIONS'] as const) t.equal((await app.inject({ method, url: `${path}?token=${secret}` })).statusCode, 404)
  }
  await app.inject({ method: 'POST', url: `/chat/api/sse?token=${secret}` })
  t.match(log, 'incoming request')
  t.notOk(log.includes(secret.split('.').at(-1)!))
  await app.inject('/own?page=2')
  t.match(log, '/own?page=2', 'the host\'s own lines are as ever')
})

test('what a host\'s authenticate throws keeps its status', async (t) => {
  const refusals: Record<string, [number, string]> = { a: [401, 'UNAUTHORIZED'], b: [403, 'FORBIDDEN'], c: [402, 'BAD_REQUEST'], d: [500, 'INTERNAL_ERROR'], e: [503, 'UNAVAILABLE'], f: [429, 'TOO_MANY_REQUESTS'], g: [404, 'NOT_FOUND'] }
  const app = await host(t, {
    chat: {
      authenticate: ({ headers }) => {
        const statusCode = refusals[String(headers['x-case'])]?.[0]
        if (statusCode === undefined) throw new Error('a secret of the host')
        throw Object.assign(new Error('a secret of the host'), { statusCode, code: 'HOST_CODE' })
      }
    }
  })
  for (const [name, [status, code]] of Object.entries(refusals)) {
    const answer = await me(app, { 'x-case': name })
    t.equal(answer.statusCode, status, name)
    t.match(answer.json(), { statusCode: status, code })
    t.notMatch(answer.payload, 'a secret of the host')
  }
  t.match((await me(app, {})).json(), { statusCode: 500, code: 'INTERNAL_ERROR' })
})

test('a host\'s hooks see the chat\'s requests, and its body limit and case are its own', async (t) => {
  const seen: string[] = []
  const app = await host(t, {
    server: { bodyLimit: 100 },
    before: async app => {
      app.addHook('onRequest', async request => { seen.push(request.url) })
      app.post('/own', async () => 'fine')
    }
  })
  const long = { conversationId: 'x', text: 'y'.repeat(3000) }
  t.match((await app.inject({ method: 'POST', url: '/chat/api/chat/messages', headers: alice, payload: long })).json(), { statusCode: 404 }, 'the chat takes 64 KiB nonetheless')
  t.equal((await app.inject({ method: 'POST', url: '/own', payload: long })).statusCode, 413)
  t.strictSame(seen, ['/chat/api/chat/messages', '/own'])
})

test('two hosts in one process are two installations', async (t) => {
  const [one, two] = [await host(t, {}), await host(t, {})]
  await user(one, 'x').app.inject({ url: '/chat/api/chat/me', headers: alice })
  await two.chat.ensureUser({ userId: 'bob', displayName: null, avatar: null, issuedAt: null, expiresAt: null })
  await t.rejects(two.chat.createConversation('bob', { type: 'direct', userId: 'alice' }), { code: 'UNKNOWN_USER' })
  await one.close()
  t.equal((await me(two)).statusCode, 200, 'closing one leaves the other')
})

/** An answer to a stream, read to its end. */
const openStream = async (app: FastifyInstance): Promise<Response> => await fetch(`${baseUrl(app)}/chat/api/sse`, { headers: alice })

test('what a host\'s rate limit refuses keeps its words, and a stream is told when to come back', async (t) => {
  const app = await host(t, { before: async app => { await app.register(rateLimit, { max: 1, timeWindow: 60_000 }) } })
  await listen(app)
  t.equal((await me(app)).statusCode, 200)
  t.match((await me(app)).json(), { statusCode: 429, code: 'TOO_MANY_REQUESTS', message: /^Rate limit exceeded/ })
  const refused = await openStream(app)
  const text = await refused.text()
  t.equal(refused.status, 200, 'an EventSource would give up on another status')
  t.match(text, /event: disconnect\ndata: {"reason":"unavailable","retryAfterMs":[6-9]\d{4}}/)
})

test('a host under pressure', async (t) => {
  const options = { healthCheck: async () => false, healthCheckInterval: 60_000, retryAfter: 50 }
  const app = await host(t, { before: async app => { await app.register(underPressure, options) } })
  await listen(app)
  t.match((await me(app)).json(), { statusCode: 503, code: 'UNAVAILABLE' })
  const stream = await openStream(app)
  t.equal(stream.status, 200)
  t.match(await stream.text(), /event: disconnect\ndata: {"reason":"unavailable","retryAfterMs":[5-9]\d{4}}/)
})

test('a host\'s hooks that refuse, or put answers into an envelope', async (t) => {
  const app = await host(t, {
    before: async app => {
      app.addHook('onRequest', async ({ headers }) => {
        if (headers['x-csrf'] === 'bad') throw Object.assign(new Error('Invalid csrf token'), { statusCode: 403, code: 'FST_CSRF_INVALID_TOKEN' })
      })
      app.addHook('preSerialization', async (_request, _reply, payload) => ({ data: payload }))
      app.get('/own', async () => ({ own: true }))
    }
  })
  t.strictSame((await me(app, { ...alice, 'x-csrf': 'bad' })).json(), { statusCode: 403, code: 'FORBIDDEN', error: 'Forbidden', message: 'Invalid csrf token' })
  t.match((await me(app)).json(), { userId: 'alice' })
  const post = async (url: string, payload: object) => await app.inject({ method: 'POST', url: `/chat/api/chat/${url}`, headers: alice, payload })
  const group = await post('conversations', { type: 'group', participantIds: [] })
  t.equal(group.statusCode, 201)
  t.match((await post('messages', { conversationId: group.json().id, text: 'Hello' })).json(), { seq: 1, text: 'Hello' })
  const gone = await app.inject({ method: 'DELETE', url: `/chat/api/chat/conversations/${group.json().id}`, headers: alice })
  t.strictSame([gone.statusCode, gone.payload], [204, ''])
  t.match((await app.inject({ url: '/chat/api/chat/messages/x', headers: alice })).json(), { statusCode: 404, code: 'NOT_FOUND' })
  t.strictSame((await app.inject('/own')).json(), { data: { own: true } }, 'the host\'s own are as ever')
})

test('metrics of a host that has its own', async (t) => {
  t.teardown(() => { register.clear() })
  collectDefaultMetrics()
  const app = await host(t, { chat: { metrics: true }, before: async app => { app.get('/metrics', async () => await register.metrics()) } })
  const [own, chats] = await Promise.all(['/metrics', '/chat/metrics'].map(async url => (await app.inject(url)).payload))
  t.notMatch(own, 'chat_streams')
  t.match(chats, 'chat_streams 0')
})

test('metrics in a host\'s registry, beside those of fastify-metrics', async (t) => {
  // The copy that fastify-metrics loads. The chat may have another one.
  const { register: global } = createRequire(import.meta.url)('prom-client') as { register: Registry }
  t.teardown(() => { global.clear() })
  for (const start of ['first', 'second']) {
    const app = await host(t, {
      chat: { metrics: { registry: global } },
      before: async app => { await app.register(fastifyMetrics.default, { endpoint: '/metrics', clearRegisterOnInit: true }) }
    })
    await listen(app)
    const stream = await openEvents(t, `${baseUrl(app)}/chat/api/sse`, alice)
    await stream.next('connected')
    await me(app)
    const text = (await app.inject('/metrics')).payload
    t.match(text, /^chat_streams 1$/m, `${start} start`)
    t.match(text, /^chat_request_duration_seconds_count{method="GET",route="\/chat\/api\/chat\/me",status="200"} 1$/m)
    t.match(text, /^process_cpu_user_seconds_total /m, 'those of the process are the host\'s')
    t.match(text, /^http_request_duration_seconds_count{method="GET",route="\/chat\/api\/chat\/me",status_code="200"} 1$/m, 'and its own')
    t.equal((await app.inject('/chat/metrics')).statusCode, 404)
    await stream.close()
    await app.close()
    t.notMatch(await global.metrics(), 'chat_', 'a host that starts again finds its registry free')
  }
  const registry = new Registry()
  await host(t, { chat: { metrics: { registry } } })
  await t.rejects(host(t, { chat: { metrics: { registry } } }), /chat_streams has already been registered/, 'two chats cannot share one')
  t.match(await registry.metrics(), 'chat_streams 0', 'the first has kept its own')
  await t.rejects(host(t, { chat: { metrics: { registry: {} as never } } }), /metrics.registry/)
})
