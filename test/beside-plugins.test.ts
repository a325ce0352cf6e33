import { readFileSync } from 'node:fs'
import type { IncomingHttpHeaders } from 'node:http'
import compress from '@fastify/compress'
import cookie from '@fastify/cookie'
import csrf from '@fastify/csrf-protection'
import helmet from '@fastify/helmet'
import { FastifyOtelInstrumentation } from '@fastify/otel'
import rateLimit from '@fastify/rate-limit'
import underPressure from '@fastify/under-pressure'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import Fastify, { type FastifyInstance } from 'fastify'
import { test, type Test } from 'tap'
import chat from '../index.js'
import { openEvents } from './event-reader.js'
import { baseUrl, listen, SECRET, throwAwayStore, token } from './helper.js'

type Headers = IncomingHttpHeaders

interface Beside {
  register (app: FastifyInstance): Promise<void>
  /** What each call sends. */
  headers? (app: FastifyInstance): Promise<Record<string, string>>
  /** Looks at the headers of the host's own answer, of the chat's and of the stream. */
  check (t: Test, seen: { own: Headers, call: Headers, stream: Headers, app: FastifyInstance }): Promise<void> | void
}

const exporter = new InMemorySpanExporter()

/** Plugins as a host registers them, for all of its routes. */
const plugins: Record<string, Beside> = {
  '@fastify/helmet': {
    register: async app => { await app.register(helmet) },
    check (t, { own, call, stream }) {
      for (const headers of [own, call, stream]) t.match(headers['content-security-policy'], "default-src 'self'")
    }
  },
  '@fastify/csrf-protection': {
    async register (app) {
      await app.register(cookie)
      await app.register(csrf)
      app.addHook('onRequest', (request, reply, done) => {
        if (request.method === 'POST') app.csrfProtection(request, reply, done)
        else done()
      })
      app.get('/csrf', async (_request, reply) => reply.generateCsrf())
    },
    async headers (app) {
      const { payload, cookies: [secret] } = await app.inject('/csrf')
      return { 'csrf-token': payload, cookie: `${secret!.name}=${secret!.value}` }
    },
    async check (t, { app }) {
      const refused = await app.inject({ method: 'POST', url: '/chat/api/chat/conversations', headers: alice, payload: { type: 'group', participantIds: [] } })
      t.match(refused.json(), { statusCode: 403, code: 'FORBIDDEN', message: 'Missing csrf secret' })
    }
  },
  '@fastify/compress': {
    register: async app => { await app.register(compress, { threshold: 0, encodings: ['gzip'] }) },
    headers: async () => ({ 'accept-encoding': 'gzip' }),
    check (t, { own, stream }) {
      t.equal(own['content-encoding'], 'gzip')
      t.not(stream['content-encoding'], 'gzip', 'compressing would hold back events')
    }
  },
  '@fastify/rate-limit': {
    register: async app => { await app.register(rateLimit, { max: 100, timeWindow: 60_000 }) },
    check (t, { own, call, stream }) {
      for (const headers of [own, call, stream]) t.equal(headers['x-ratelimit-limit'], '100')
    }
  },
  '@fastify/under-pressure': {
    register: async app => { await app.register(underPressure, { maxEventLoopDelay: 60_000, exposeStatusRoute: true }) },
    check: async (t, { app }) => { t.equal((await app.inject('/status')).statusCode, 200) }
  },
  '@fastify/otel': {
    async register (app) {
      const instrumentation = new FastifyOtelInstrumentation()
      instrumentation.setTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }))
      await app.register(instrumentation.plugin())
    },
    check (t) {
      const routes = exporter.getFinishedSpans().map(({ attributes }) => attributes['http.route'])
      for (const route of ['/own', '/chat/api/chat/messages']) t.ok(routes.includes(route), `a span of ${route}`)
    }
  }
}

const [alice, bob] = ['alice', 'bob'].map(sub => ({ authorization: `Bearer ${token({ sub })}` })) as [{ authorization: string }, { authorization: string }]

for (const [name, plugin] of Object.entries(plugins)) {
  const { version } = JSON.parse(readFileSync(new URL(`../node_modules/${name}/package.json`, import.meta.url), 'utf8')) as { version: string }

  test(`beside ${name} ${version}`, async t => {
    const store = await throwAwayStore()
    const app = Fastify()
    t.teardown(async () => {
      await app.close()
      await store.remove()
    })
    await plugin.register(app)
    await app.register(chat, { prefix: '/chat', ...store.options, jwt: { secret: SECRET } })
    app.get('/own', async () => ({ text: 'the host\'s own' }))
    await listen(app)
    const headers = await plugin.headers?.(app)

    const call = async (path: string, body?: object, who = alice): Promise<{ status: number, headers: Headers, json: Record<string, unknown> }> => {
      const response = await fetch(`${baseUrl(app)}${path}`, body === undefined
        ? { headers: { ...headers, ...who } }
        : { method: 'POST', headers: { ...headers, ...who, 'content-type': 'application/json' }, body: JSON.stringify(body) })
      return { status: response.status, headers: Object.fromEntries(response.headers), json: await response.json() as Record<string, unknown> }
    }
    t.match((await call('/chat/api/chat/me', undefined, bob)).json, { userId: 'bob' })
    const group = await call('/chat/api/chat/conversations', { type: 'group', participantIds: ['bob'] })
    t.equal(group.status, 201)
    const conversationId = String(group.json.id)
    const stream = await openEvents(t, `${baseUrl(app)}/chat/api/sse?conversationId=${conversationId}`, { ...headers, ...alice })
    t.match(await stream.next(), { type: 'connected' })
    const sent = await call('/chat/api/chat/messages', { conversationId, text: 'Hello' }, bob)
    t.match([sent.status, sent.json], [201, { seq: 1, text: 'Hello' }])
    t.match(await stream.next('message'), { data: { text: 'Hello' } })
    const history = await call(`/chat/api/chat/conversations/${conversationId}/messages`)
    t.match(history.json, { messages: [{ text: 'Hello' }] })
    const own = await call('/own')
    t.strictSame(own.json, { text: 'the host\'s own' })
    await plugin.check(t, { own: own.headers, call: history.headers, stream: stream.headers, app })
    await stream.close()
  })
}
