import { Writable } from 'node:stream'
import { test } from 'tap'
import { openEvents } from '../event-reader.js'
import { baseUrl, build, buildListening, call, token, user, users, type User } from '../helper.js'

test('health and metrics need no token', async (t) => {
  const app = await buildListening(t)
  t.match(await call(app, 'GET', '/health/live'), { status: 200, body: { status: 'ok' } })
  t.match(await call(app, 'GET', '/health/ready'), { status: 200, body: { status: 'ready', checks: { database: true, bus: true, draining: false } } })
  const [alice, bob] = users(app, 'alice', 'bob') as [User, User]
  const id = await alice.direct(bob)
  const stream = await bob.stream(t, { conversationId: id })
  await alice.send(id, 'x')
  await stream.next('message')
  await call(app, 'GET', '/nowhere/secret-path')
  const { status, body, headers } = await call<string>(app, 'GET', '/metrics')
  t.equal(status, 200)
  t.match(headers['content-type'], /^text\/plain; .*version=0\.0\.4/)
  t.match(body, /^chat_streams 1$/m)
  t.match(body, /^chat_events_delivered_total [1-9]/m)
  t.match(body, /chat_request_duration_seconds_count\{method="POST",route="\/api\/chat\/messages",status="201"\} 1/)
  t.notMatch(body, /alice|secret-path/, 'no user, no path')
})

test('readiness turns false when the process drains', async (t) => {
  const app = await buildListening(t)
  await app.hub.endAll('shutdown')
  t.match(await call(app, 'GET', '/health/ready'), { status: 503, body: { status: 'not ready', checks: { draining: true } } })
  t.match(await call(app, 'GET', '/health/live'), { status: 200 })
  const turned = await user(app, 'alice').openStream(t)
  t.equal(turned.status, 200)
  t.match(await turned.next(), { type: 'disconnect', data: { reason: 'shutdown', retryAfterMs: Number } })
  t.equal(turned.retry, turned.events[0]?.data.retryAfterMs)
  t.equal((await user(app, 'alice').call('GET', '/api/chat/me')).status, 200, 'requests are answered still')
})

test('CORS: the origins that were named, and no other', async (t) => {
  const app = await buildListening(t, { corsOrigins: ['https://app.example', 'http://localhost:8081'] })
  const preflight = async (origin: string) => await app.inject({
    method: 'OPTIONS', url: '/api/chat/messages', headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization,content-type,last-event-id' }
  })
  for (const origin of ['https://app.example', 'http://localhost:8081']) {
    const { statusCode, headers } = await preflight(origin)
    t.equal(statusCode, 204, 'a preflight needs no token')
    t.equal(headers['access-control-allow-origin'], origin)
    t.match(headers['access-control-allow-headers'], /authorization.*content-type.*last-event-id.*x-requested-with/i)
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']) t.match(headers['access-control-allow-methods'], method)
  }
  t.equal((await preflight('https://evil.example')).headers['access-control-allow-origin'], undefined)
  const stream = await user(app, 'alice').openStream(t, {}, { origin: 'https://app.example' })
  t.equal(stream.headers['access-control-allow-origin'], 'https://app.example', 'streams, too')
  const refused = await app.inject({ url: '/api/chat/me', headers: { origin: 'https://app.example' } })
  t.match([refused.statusCode, refused.headers['access-control-allow-origin']], [401, 'https://app.example'], 'an error can be read')

  const closed = await build(t)
  const { headers } = await closed.inject({ url: '/health/live', headers: { origin: 'https://app.example' } })
  t.equal(headers['access-control-allow-origin'], undefined, 'none unless named')
})

test('a token never shows in the log, an error, a metric or a header', async (t) => {
  let log = ''
  const app = await buildListening(t, { log: new Writable({ write (chunk, _, done) { log += String(chunk); done() } }), chat: { accounts: true } })
  const alice = user(app, 'alice')
  const secrets = [alice.token, token({ sub: 'alice', exp: 1 }), token({ sub: 'alice' }, { key: 'another secret, 32 bytes or more of it' }), 'not.a.token-at-all']
  const password = 'my very own password'
  const seen: string[] = []
  for (const secret of secrets) {
    for (const url of [`/api/sse?token=${secret}&conversationId=nope`, `/api/chat/me?token=${secret}`, `/nowhere?token=${secret}`, `/%zz?token=${secret}`, `/api/sse?token=${secret}&token=${secret}`,
      `/api/sse?token=${secret}&lastEventId=${secret}&lastEventId=2`]) {
      for (const headers of [{}, { authorization: `Bearer ${secret}` }, { authorization: secret }]) {
        const { payload, headers: answered } = await app.inject({ url, headers })
        seen.push(payload, JSON.stringify(answered))
      }
    }
    const stream = await openEvents(t, `${baseUrl(app)}/api/sse?token=${secret}`)
    if (stream.status === 200) await stream.next()
    seen.push(stream.raw, JSON.stringify(stream.headers))
    await stream.close()
  }
  for (const payload of [{ userId: 'x', password }, { userId: 'x', password, displayName: 7 }, { userId: 'x\n', password }]) {
    for (const path of ['register', 'login']) seen.push((await app.inject({ method: 'POST', url: `/api/auth/${path}`, payload })).payload)
  }
  seen.push((await app.inject({ method: 'POST', url: '/api/auth/login', headers: { 'content-type': 'application/json' }, payload: `{"userId":"x","password":"${password}",}` })).payload)
  const metrics = await call<string>(app, 'GET', '/metrics')
  t.match(log, /incoming request/, 'there is a log')
  const registered = seen.filter(text => text.includes('"token":'))
  t.equal(registered.length, 2, 'register and login answer theirs')
  const all = [...seen.filter(text => !registered.includes(text)), metrics.body, log].join('\n')
  for (const secret of [...secrets, ...secrets.map(one => one.split('.').at(-1)!), password]) t.notOk(all.includes(secret))
})

test('calls are limited by user, or by address without one', async (t) => {
  const app = await buildListening(t, { chat: { rateLimitPerMinute: 5 } })
  const [alice, bob] = users(app, 'alice', 'bob') as [User, User]
  const statuses = async (count: number, ask: () => Promise<{ status: number }>): Promise<number[]> => {
    const seen: number[] = []
    for (let index = 0; index < count; index++) seen.push((await ask()).status)
    return seen
  }
  t.strictSame(await statuses(6, async () => await alice.call('GET', '/api/chat/me')), [200, 200, 200, 200, 200, 429])
  const refused = await alice.call('GET', '/api/chat/me')
  t.match(refused.body, { statusCode: 429, code: 'TOO_MANY_REQUESTS', error: 'Too Many Requests' })
  t.match(String(refused.headers['retry-after']), /^[1-9]\d*$/)
  t.strictSame(await statuses(2, async () => await bob.call('GET', '/api/chat/me')), [200, 200], 'another user\'s are another matter')
  t.strictSame(await statuses(6, async () => await call(app, 'GET', '/api/chat/me')), [401, 401, 401, 401, 401, 429])
})

test('a limit of calls leaves probes alone, and never makes an EventSource give up', async (t) => {
  const app = await buildListening(t, { chat: { rateLimitPerMinute: 2 } })
  for (let index = 0; index < 6; index++) {
    t.equal((await call(app, 'GET', '/health/live')).status, 200)
    t.equal((await call(app, 'GET', '/health/ready')).status, 200)
    t.equal((await call(app, 'GET', '/metrics')).status, 200)
  }
  const alice = user(app, 'alice')
  const streams = [await alice.openStream(t), await alice.openStream(t), await alice.openStream(t)]
  t.strictSame(streams.map(({ status }) => status), [200, 200, 200])
  t.match(await streams[2]!.next(), { type: 'disconnect', data: { reason: 'unavailable', retryAfterMs: Number } })
})
