import { request } from 'node:http'
import { connect } from 'node:net'
import { test, type Test } from 'tap'
import { errorCatalogue } from '../../schemas/errors.js'
import type { ErrorAnswer } from '../../schemas/errors.js'
import { Rng } from '../chaos/rng.js'
import { baseUrl, buildListening, call, users, type User } from '../helper.js'

async function scene (t: Test) {
  const app = await buildListening(t)
  const [alice, bob] = users(app, 'alice', 'bob') as [User, User]
  const id = await alice.direct(bob)
  return { app, alice, bob, id }
}

/** Like `User.call`, with a body that JSON.stringify did not make. */
async function send (user: User, payload: string | Buffer, contentType?: string, url = '/api/chat/messages') {
  return await call(user.app, 'POST', url, {
    headers: { authorization: `Bearer ${user.token}`, ...(contentType === undefined ? {} : { 'content-type': contentType }) }, payload
  })
}

const messageCount = async (user: User, id: string): Promise<number> =>
  (await user.ok<{ messages: unknown[] }>('GET', `/api/chat/conversations/${id}/messages?limit=100`)).messages.length

test('every error has the shape of Fastify\'s, and a code of the catalogue', async (t) => {
  const { app, alice, id } = await scene(t)
  const answers = [
    await call(app, 'GET', '/nowhere'), await call(app, 'POST', '/'), await call(app, 'GET', '/api'), await call(app, 'DELETE', '/api/chat/messages'),
    await call(app, 'GET', '/api/chat/me'), await alice.call('POST', '/api/chat/messages', {}), await alice.call('GET', '/api/chat/conversations/nope'),
    await alice.call('GET', '/%zz'), await send(alice, '{', 'application/json'),
    await alice.call('POST', `/api/chat/conversations/${id}/participants`, { participantIds: [] })
  ]
  for (const { status, body, headers } of answers) {
    t.match(headers['content-type'], /^application\/json/)
    t.strictSame(Object.keys(body), ['statusCode', 'code', 'error', 'message'])
    const { statusCode, code } = body as unknown as ErrorAnswer
    t.equal(statusCode, status)
    t.match(code, /^[A-Z][A-Z_]+$/)
    t.equal(errorCatalogue[code as keyof typeof errorCatalogue]?.[0], status, code)
  }
})

test('unknown routes are 404 with a code, whoever asks', async (t) => {
  const { app, alice } = await scene(t)
  for (const url of ['/nowhere', '/api/chat', '/api/chat/nope', '/api/sse/', '/api/chat/messages/x/y/z', '//', '/api/chat/me/', '/%00', '/..%2f..%2fetc/passwd']) {
    for (const answer of [await call(app, 'GET', url), await alice.call('POST', url, { a: 1 })]) {
      t.match(answer, { status: 404, body: { statusCode: 404, code: 'NOT_FOUND', error: 'Not Found' } }, url)
    }
  }
})

test('a body must be JSON', async (t) => {
  const { alice, id } = await scene(t)
  const good = JSON.stringify({ conversationId: id, text: 'x' })
  const refusals: Array<[string | Buffer, string | undefined, number, string]> = [
    ['{"conversationId":', 'application/json', 400, 'INVALID_JSON'],
    ['{a:1}', 'application/json', 400, 'INVALID_JSON'],
    ['', 'application/json', 400, 'VALIDATION_FAILED'],
    [' ', 'application/json', 400, 'INVALID_JSON'],
    ['null', 'application/json', 400, 'VALIDATION_FAILED'],
    ['"text"', 'application/json', 400, 'VALIDATION_FAILED'],
    ['[]', 'application/json', 400, 'VALIDATION_FAILED'],
    ['7', 'application/json', 400, 'VALIDATION_FAILED'],
    [Buffer.from([0xff, 0xfe, 0x00]), 'application/json', 400, 'INVALID_JSON'],
    [good, 'text/plain', 415, 'UNSUPPORTED_MEDIA_TYPE'],
    [good, 'application/x-www-form-urlencoded', 415, 'UNSUPPORTED_MEDIA_TYPE'],
    [good, 'multipart/form-data; boundary=x', 415, 'UNSUPPORTED_MEDIA_TYPE'],
    [good, 'application/xml', 415, 'UNSUPPORTED_MEDIA_TYPE'],
    [good, 'application/json-seq', 415, 'UNSUPPORTED_MEDIA_TYPE'],
    [good, 'json', 415, 'UNSUPPORTED_MEDIA_TYPE'],
    [good, undefined, 415, 'UNSUPPORTED_MEDIA_TYPE'],
    [`{"__proto__":{"a":1},${good.slice(1)}`, 'application/json', 400, 'VALIDATION_FAILED'],
    [`{"constructor":{"prototype":{"a":1}},${good.slice(1)}`, 'application/json', 400, 'VALIDATION_FAILED'],
    [`{"a":{"b":[{"__proto__":null}]},${good.slice(1)}`, 'application/json', 400, 'VALIDATION_FAILED'],
    [`{"\\u005f_proto__":1,${good.slice(1)}`, 'application/json', 400, 'VALIDATION_FAILED'],
    [`${'['.repeat(20_000)}`, 'application/json', 400, 'INVALID_JSON']
  ]
  for (const [payload, type, status, code] of refusals) {
    t.match(await send(alice, payload, type), { status, body: { code } }, `${type}: ${String(payload).slice(0, 40)}`)
  }
  t.equal(await messageCount(alice, id), 0, 'nothing was written')
  for (const type of ['application/json', 'application/json; charset=utf-8', 'APPLICATION/JSON']) {
    t.equal((await send(alice, good, type)).status, 201, type)
  }
  t.notOk('a' in {}, 'no prototype was touched')
})

test('a body holds at most 64 KiB', async (t) => {
  const { alice, id } = await scene(t)
  const padded = (bytes: number): string => {
    const body = { conversationId: id, text: 'x', padding: '' }
    return JSON.stringify({ ...body, padding: 'p'.repeat(bytes - JSON.stringify(body).length) })
  }
  t.equal((await send(alice, padded(65_536), 'application/json')).status, 201)
  for (const bytes of [65_537, 300_000]) {
    t.match(await send(alice, padded(bytes), 'application/json'), { status: 413, body: { statusCode: 413, code: 'BODY_TOO_LARGE' } })
  }
  t.equal(await messageCount(alice, id), 1)

  // Also without a length.
  const status = await new Promise<number>((resolve, reject) => {
    const { port } = new URL(baseUrl(alice.app))
    const chunked = request({ port, host: '127.0.0.1', method: 'POST', path: '/api/chat/messages', agent: false, headers: { authorization: `Bearer ${alice.token}`, 'content-type': 'application/json' } },
      response => { response.resume(); resolve(response.statusCode ?? 0) })
    chunked.on('error', reject)
    chunked.write(padded(65_000).slice(0, -2))
    chunked.end(`${'p'.repeat(2000)}"}`)
  })
  t.equal(status, 413)
})

test('ids with what no id can hold', async (t) => {
  const { alice, id } = await scene(t)
  for (const conversationId of ['a\u0000', '\u0007', 'a\nb', '\u007f', '\u0085', '\ud800', '', 'x'.repeat(301), 7, null, true, {}, [id], undefined]) {
    t.match(await alice.call('POST', '/api/chat/messages', { conversationId, text: 'x' }), { status: 400, body: { code: 'VALIDATION_FAILED' } }, `body: ${JSON.stringify(conversationId)}`)
  }
  for (const part of ['%00', 'a%00b', '%0A', '%7F', '%C2%85', '%ED%A0%80', '%FF', 'x'.repeat(301), 'x'.repeat(3000), 'x'.repeat(8000), '%20', '.', '%2e%2e', '__proto__', 'constructor', "'", '%25', '%F0%9F%98%80']) {
    for (const [method, url, body] of [
      ['GET', `/api/chat/conversations/${part}`], ['GET', `/api/chat/conversations/${part}/messages`], ['PUT', `/api/chat/conversations/${part}/read`, { seq: 1 }],
      ['POST', `/api/chat/conversations/${part}/participants`, { participantIds: [] }], ['DELETE', `/api/chat/conversations/${part}/participants/bob`],
      ['PATCH', `/api/chat/messages/${part}`, { text: 'x' }], ['DELETE', `/api/chat/messages/${part}`], ['PUT', `/api/chat/messages/${part}/status`, { status: 'read' }]
    ] as const) {
      t.match(await alice.call(method, url, body), { status: 404, body: { code: 'NOT_FOUND' } }, `${method} ${url.slice(0, 60)}`)
    }
  }
})

test('nothing is coerced', async (t) => {
  const { alice, bob, id } = await scene(t)
  const message = await alice.send(id, 'x')
  for (const [method, url, body] of [
    ['POST', '/api/chat/messages', { conversationId: id, text: 7 }], ['POST', '/api/chat/messages', { conversationId: id, text: ['x'] }], ['POST', '/api/chat/messages', { conversationId: id, text: 'x', clientId: 1 }],
    ['POST', '/api/chat/typing', { conversationId: id, isTyping: 'true' }], ['PUT', '/api/chat/status/online', { isOnline: 1 }], ['PUT', `/api/chat/conversations/${id}/read`, { seq: '1' }],
    ['PUT', `/api/chat/messages/${message.id}/status`, { status: ['read'] }], ['POST', '/api/chat/conversations', { type: 'group', participantIds: 'alice' }]
  ] as const) {
    t.match(await bob.call(method, url, body), { status: 400, body: { code: 'VALIDATION_FAILED' } }, `${url} ${JSON.stringify(body)}`)
  }
})

test('what isn\'t HTTP, and headers without end', async (t) => {
  const { app, alice } = await scene(t)
  const talk = async (text: string): Promise<string> => await new Promise((resolve, reject) => {
    let answer = ''
    const socket = connect(Number(new URL(baseUrl(app)).port), '127.0.0.1', () => { socket.write(text) })
    socket.on('data', chunk => { answer += String(chunk) }).on('close', () => { resolve(answer) }).on('error', reject)
  })
  for (const [text, status] of [
    ['rubbish\r\n\r\n', 400],
    ['GET /api/chat/me HTTP/1.1\r\nConnection: close\r\n\r\n', 400],
    ['GET /nowhere HTTP/1.1\r\nConnection: close\r\n\r\n', 400],
    ['GET /nowhere HTTP/1.0\r\nConnection: close\r\n\r\n', 404],
    // RFC 9112, 3.2: one Host, and a valid one
    ['GET /health/live HTTP/1.1\r\nHost: x\r\nHost: x\r\nConnection: close\r\n\r\n', 400],
    ['GET /health/live HTTP/1.1\r\nHost: x\r\nAccept: */*\r\nhOST: y\r\nConnection: close\r\n\r\n', 400],
    ['GET /health/live HTTP/1.0\r\nHost: x\r\nHost: y\r\nConnection: close\r\n\r\n', 400],
    ['GET /health/live HTTP/1.1\r\nHost: x, y\r\nConnection: close\r\n\r\n', 400],
    ['GET /health/live HTTP/1.1\r\nHost: x/y\r\nConnection: close\r\n\r\n', 400],
    ['GET /nowhere HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n', 404],
    ['GET /nowhere HTTP/1.1\r\nHost: [::1%25eth0]:3000\r\nConnection: close\r\n\r\n', 404],
    ['GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: the unexpected\r\n\r\n', 404],
    ['FETCH /api/chat/me HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    [`GET /api/chat/me HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(40_000)}\r\n\r\n`, 431],
    [`POST /api/chat/typing HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer ${alice.token}\r\nContent-Type: application/json\r\nContent-Length: x\r\n\r\n{}`, 400]
  ] as const) {
    const answer = await talk(text)
    t.match(answer, new RegExp(`^HTTP/1.1 ${status} `), text.slice(0, 30))
    t.match(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n'))), { statusCode: status, code: /^[A-Z_]+$/, error: String, message: String })
  }
})

test('surplus fields and parameters are ignored', async (t) => {
  const { alice, bob, id } = await scene(t)
  t.equal((await alice.send(id, 'x', { seq: 99, senderId: 'bob', status: 'read', id: 'mine', createdAt: 'never' })).seq, 1)
  const { messages: [message] } = await bob.ok<{ messages: Array<Record<string, unknown>> }>('GET', `/api/chat/conversations/${id}/messages?foo=1&foo=2`)
  t.match(message, { seq: 1, senderId: 'alice', status: 'sent' })
  t.equal((await alice.call('GET', '/api/chat/me?x=%00&y=%zz')).status, 200)
})

test('whatever comes, it is no fault of the server', async (t) => {
  const { app, alice, bob, id } = await scene(t)
  const message = await bob.send(id, 'x')
  const group = await alice.group([bob])
  const seed = process.env['TEST_SEED'] ?? String(Date.now())
  const rng = new Rng(seed)
  const odd: unknown[] = [
    null, true, false, '', ' ', 0, -0, -1, 0.5, 1, 2 ** 31, 2 ** 53, 1e308, -1e308, [], {}, [[]], [null], [{}], 'x', 'true', '0', '1', 'null', '\u0000', 'a\u0000b', '\ud800', '\udc00x',
    '\u0007', '\n', '\u2028', '😀', 'x'.repeat(301), 'x'.repeat(4001), '😀'.repeat(4000), '__proto__', 'constructor', 'toString', "'; DROP TABLE chat_users; --", '%', '_', '\\', '"', '../..',
    'conv_alice_bob', 'alice', 'bob', ['bob', 'bob'], { length: 3 }, 'read', 'group', 'direct', 'owner', id, group, message.id
  ]
  const calls: Array<[Parameters<User['call']>[0], string, string[]]> = [
    ['POST', '/api/chat/messages', ['conversationId', 'text', 'type', 'clientId']], ['PUT', '/api/chat/messages/:p/status', ['status']], ['PATCH', '/api/chat/messages/:p', ['text']],
    ['DELETE', '/api/chat/messages/:p', []], ['POST', '/api/chat/typing', ['conversationId', 'isTyping']], ['PUT', '/api/chat/status/online', ['isOnline']],
    ['POST', '/api/chat/conversations', ['type', 'userId', 'title', 'participantIds']], ['GET', '/api/chat/conversations?limit=:q&cursor=:q', []], ['GET', '/api/chat/conversations/:p', []],
    ['POST', '/api/chat/conversations/:p/participants', ['participantIds']], ['PUT', '/api/chat/conversations/:p/participants/:p', ['role']],
    ['DELETE', '/api/chat/conversations/:p/participants/:p', []], ['GET', '/api/chat/conversations/:p/messages?before=:q&limit=:q', []], ['GET', '/api/chat/conversations/:p/messages?after=:q', []],
    ['PUT', '/api/chat/conversations/:p/read', ['seq']], ['POST', '/api/sse/tickets', ['conversationId']], ['POST', '/api/sse/:p/token', []]
  ]
  const inUrl = (value: unknown): string => {
    const text = typeof value === 'string' ? value : JSON.stringify(value)
    return /[\ud800-\udfff]/u.test(text) ? '%ED%A0%80' : encodeURIComponent([...text].slice(0, 300).join(''))
  }
  const faults: string[] = []
  for (let round = 0; round < 700; round++) {
    const [method, template, fields] = rng.pick(calls)
    const url = template.replaceAll(/:[pq]/g, () => rng.chance(0.5) ? rng.pick([id, group, message.id, 'bob']) : inUrl(rng.pick(odd)))
    const whole = rng.chance(0.1)
    const body = fields.length === 0
      ? undefined
      : whole
        ? rng.pick(odd)
        : Object.fromEntries(fields.filter(() => rng.chance(0.85)).map(field => [field, rng.pick(odd)]))
    const { status, body: answer } = await call(app, method, url, {
      headers: { authorization: `Bearer ${alice.token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) }, ...(body === undefined ? {} : { payload: JSON.stringify(body) })
    })
    const fine = status < 300 ||
      (status < 500 && errorCatalogue[(answer as unknown as ErrorAnswer).code as keyof typeof errorCatalogue]?.[0] === status)
    if (!fine) faults.push(`${method} ${url} ${JSON.stringify(body)}: ${status} ${JSON.stringify(answer)}`)
  }
  t.strictSame(faults.slice(0, 10), [], `TEST_SEED=${seed}`)

  const start = (await bob.stream(t, { conversationId: id })).lastEventId!
  const [identity] = start.split('.')
  for (const lastEventId of [...odd.filter(value => typeof value === 'string' && value.length < 1000) as string[], `${identity}.1.2147483648`, `${identity}.9999999999.1`, `${identity}.all.999999999999999`, `${identity}.all.0.0.9999999999.9999999999`,
    `${identity}.all.0.999999999999999.1.1`, `${identity}.all.1.0.0.0`]) {
    for (const query of [{ conversationId: id }, {}]) {
      // URLSearchParams replaces a lone surrogate by U+FFFD.
      const stream = await alice.openStream(t, { ...query, lastEventId })
      t.equal(stream.status, 200, `${lastEventId.slice(0, 40).replaceAll(/[^ -~]/g, '?')} on ${query.conversationId ?? 'all'}`)
      t.equal((await stream.next()).type, 'connected')
      await stream.close()
    }
  }
})
