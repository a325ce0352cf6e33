import { test } from 'tap'
import { ChatError, createAccounts, createChatClient, type ChatClient } from '../../client/index.js'
import { createClientId } from '../../client/base/client-id.js'
import { message, timestamp, user } from './made.js'
import { scriptedServer, type Exchange } from './scripted-server.js'

const quick = { retryBaseMs: 1 }

test('every call asks for what it says', async (t) => {
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange) => {
    if (exchange.request.method === 'DELETE' && exchange.url.pathname.includes('participants')) exchange.response.writeHead(204).end()
    else exchange.json(200, { answer: exchange.request.url })
  })
  const client = createChatClient({ baseUrl: `${baseUrl}/chat`, token: 't' })
  const calls: [call: (client: ChatClient) => Promise<unknown>, method: string, url: string, body?: unknown][] = [
    [(c) => c.me(), 'GET', '/api/chat/me'],
    [(c) => c.sendMessage({ conversationId: 'c', text: ' hi ', type: 'note', clientId: 'x' }), 'POST', '/api/chat/messages', { conversationId: 'c', text: ' hi ', type: 'note', clientId: 'x' }],
    [(c) => c.updateMe({ displayName: 'A', metadata: { team: 'red' } }), 'PATCH', '/api/chat/me', { displayName: 'A', metadata: { team: 'red' } }],
    [(c) => c.search('café', { has: 'link' }), 'GET', '/api/chat/search?q=caf%C3%A9&has=link'],
    [(c) => c.findUsers('Zoë C', { limit: 5 }), 'GET', '/api/chat/users?query=Zo%C3%AB%20C&limit=5'],
    [(c) => c.getUser('b/b'), 'GET', '/api/chat/users/b%2Fb'],
    [(c) => c.sendMessage({
      conversationId: 'c', text: '@Bob', clientId: 'x', metadata: { order: 1 }, replyToId: 'm1', mentions: [{ userId: 'bob', start: 0, length: 4 }], mentionsAll: true
    }), 'POST', '/api/chat/messages', {
      conversationId: 'c', text: '@Bob', clientId: 'x', metadata: { order: 1 }, replyToId: 'm1', mentions: [{ userId: 'bob', start: 0, length: 4 }], mentionsAll: true
    }],
    [(c) => c.editMessage('m 1', 'new'), 'PATCH', '/api/chat/messages/m%201', { text: 'new' }],
    [(c) => c.editMessage('m1', { metadata: null }), 'PATCH', '/api/chat/messages/m1', { metadata: null }],
    [(c) => c.editMessage('m1', { text: 'new', mentions: [], mentionsAll: false }), 'PATCH', '/api/chat/messages/m1', { text: 'new', mentions: [], mentionsAll: false }],
    [(c) => c.sendMessage({ conversationId: 'c', text: '', growing: true, clientId: 'x' }), 'POST', '/api/chat/messages', { conversationId: 'c', text: '', growing: true, clientId: 'x' }],
    [(c) => c.appendToMessage('m 1', { offset: 3, text: 'x' }), 'POST', '/api/chat/messages/m%201/append', { offset: 3, text: 'x' }],
    [(c) => c.finishMessage('m1'), 'POST', '/api/chat/messages/m1/finish', {}],
    [(c) => c.finishMessage('m1', { text: 'x', metadata: null }), 'POST', '/api/chat/messages/m1/finish', { text: 'x', metadata: null }],
    [(c) => c.stopMessage('m 1'), 'POST', '/api/chat/messages/m%201/stop'],
    [(c) => c.getMessage('m 1'), 'GET', '/api/chat/messages/m%201'],
    [(c) => c.listReplies('m1'), 'GET', '/api/chat/messages/m1/replies'],
    [(c) => c.listReplies('m1', { after: 2, limit: 10 }), 'GET', '/api/chat/messages/m1/replies?after=2&limit=10'],
    [(c) => c.react('m1', '❤️', true), 'PUT', '/api/chat/messages/m1/reactions/%E2%9D%A4%EF%B8%8F'],
    [(c) => c.react('m1', '1️⃣', false), 'DELETE', '/api/chat/messages/m1/reactions/1%EF%B8%8F%E2%83%A3'],
    [(c) => c.listReactions('m1'), 'GET', '/api/chat/messages/m1/reactions'],
    [(c) => c.listReactions('m1', { emoji: '👍', limit: 5, cursor: 'a' }), 'GET', '/api/chat/messages/m1/reactions?emoji=%F0%9F%91%8D&limit=5&cursor=a'],
    [(c) => c.receipts('m 1'), 'GET', '/api/chat/messages/m%201/receipts'],
    [(c) => c.receipts('m1', { limit: 5, cursor: 'a' }), 'GET', '/api/chat/messages/m1/receipts?limit=5&cursor=a'],
    [(c) => c.listMentions(), 'GET', '/api/chat/mentions'],
    [(c) => c.listMentions({ limit: 5, cursor: 'a' }), 'GET', '/api/chat/mentions?limit=5&cursor=a'],
    [(c) => c.listMessages('c', { around: 70 }), 'GET', '/api/chat/conversations/c/messages?around=70'],
    [(c) => c.deleteMessage('m/1'), 'DELETE', '/api/chat/messages/m%2F1'],
    [(c) => c.setMessageStatus('m1', 'read'), 'PUT', '/api/chat/messages/m1/status', { status: 'read' }],
    [(c) => c.listMessages('conv_a_b'), 'GET', '/api/chat/conversations/conv_a_b/messages'],
    [(c) => c.listMessages('c', { before: 5, limit: 10 }), 'GET', '/api/chat/conversations/c/messages?before=5&limit=10'],
    [(c) => c.listMessages('c', { after: 0 }), 'GET', '/api/chat/conversations/c/messages?after=0'],
    [(c) => c.createConversation({ type: 'direct', userId: 'bob' }), 'POST', '/api/chat/conversations', { type: 'direct', userId: 'bob' }],
    [(c) => c.createConversation({ type: 'group', title: 'T', participantIds: ['bob'] }), 'POST', '/api/chat/conversations', { type: 'group', title: 'T', participantIds: ['bob'] }],
    [(c) => c.listConversations(), 'GET', '/api/chat/conversations'],
    [(c) => c.listConversations({ cursor: 'a=', limit: 1 }), 'GET', '/api/chat/conversations?cursor=a%3D&limit=1'],
    [(c) => c.getConversation('ü'), 'GET', '/api/chat/conversations/%C3%BC'],
    [(c) => c.updateConversation('ü', { title: null, settings: { slowModeSeconds: 5 } }), 'PATCH', '/api/chat/conversations/%C3%BC', { title: null, settings: { slowModeSeconds: 5 } }],
    [(c) => c.updateOwnState('ü', { mutedUntil: 'forever', unreadFrom: null }), 'PATCH', '/api/chat/conversations/%C3%BC/me', { mutedUntil: 'forever', unreadFrom: null }],
    [(c) => c.deleteConversation('ü'), 'DELETE', '/api/chat/conversations/%C3%BC'],
    [(c) => c.listChanges('ü'), 'GET', '/api/chat/conversations/%C3%BC/changes'],
    [(c) => c.listChanges('c', { after: 9, limit: 1, to: 5, from: 0 }), 'GET', '/api/chat/conversations/c/changes?after=9&limit=1&to=5&from=0'],
    [(c) => c.markRead('c', 7), 'PUT', '/api/chat/conversations/c/read', { seq: 7 }],
    [(c) => c.addParticipants('c', ['dave']), 'POST', '/api/chat/conversations/c/participants', { participantIds: ['dave'] }],
    [(c) => c.setRole('c', 'da ve', 'admin'), 'PUT', '/api/chat/conversations/c/participants/da%20ve', { role: 'admin' }],
    [(c) => c.removeParticipant('c', 'dave'), 'DELETE', '/api/chat/conversations/c/participants/dave'],
    [(c) => c.setTyping('c', true), 'POST', '/api/chat/typing', { conversationId: 'c', isTyping: true }],
    [(c) => c.setOnline(false), 'PUT', '/api/chat/status/online', { isOnline: false }]
  ]
  for (const [call, method, url, body] of calls) {
    const answer = await call(client)
    const exchange = exchanges.at(-1)
    t.equal(exchange?.request.method, method)
    t.equal(exchange?.request.url, `/chat${url}`)
    t.strictSame(exchange?.body, body)
    t.equal(exchange?.token, 't')
    t.equal(exchange?.request.headers['content-type'], body === undefined ? undefined : 'application/json')
    if (method !== 'DELETE') t.strictSame(answer, { answer: `/chat${url}` })
  }
  t.equal(await client.removeParticipant('c', 'dave'), undefined)
})

test('a send that is repeated carries the same clientId', async (t) => {
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange, number) => {
    if (number === 0) exchange.response.destroy()
    else if (number === 1) exchange.refuse(503, 'UNAVAILABLE')
    else if (number === 2) exchange.response.writeHead(502).end('<html>')
    else exchange.json(201, message(1))
  })
  const client = createChatClient({ baseUrl, token: 't', ...quick })
  t.strictSame(await client.sendMessage({ conversationId: 'c', text: 'hi' }), message(1))
  const ids = new Set(exchanges.map(({ body }) => (body as { clientId: string }).clientId))
  t.equal(ids.size, 1)
  t.equal(exchanges.length, 4)
  await client.sendMessage({ conversationId: 'c', text: 'hi' })
  t.notOk(ids.has((exchanges.at(-1)?.body as { clientId: string }).clientId), 'and the next one another')
})

test('what may be repeated, and how often', async (t) => {
  const attempts = async (answer: (exchange: Exchange) => unknown, call: (client: ChatClient) => Promise<unknown>) => {
    const { baseUrl, exchanges } = await scriptedServer(t, answer)
    const error = await call(createChatClient({ baseUrl, token: 't', maxRetries: 2, ...quick })).then(() => null, (error: unknown) => error as ChatError)
    t.type(error, ChatError)
    return [exchanges.length, error?.code]
  }
  const cut = (exchange: Exchange) => exchange.response.destroy()
  const answer = (status: number, headers = {}) => (exchange: Exchange) => exchange.refuse(status, 'CODE', headers)

  t.strictSame(await attempts(cut, (c) => c.me()), [3, 'NETWORK'])
  t.strictSame(await attempts(cut, (c) => c.setOnline(true)), [3, 'NETWORK'])
  t.strictSame(await attempts(cut, (c) => c.deleteMessage('m')), [3, 'NETWORK'])
  t.strictSame(await attempts(cut, (c) => c.createConversation({ type: 'direct', userId: 'b' })), [3, 'NETWORK'])
  t.strictSame(await attempts(cut, (c) => c.createConversation({ type: 'group', participantIds: [] })), [1, 'NETWORK'])
  t.strictSame(await attempts(cut, (c) => c.editMessage('m', 't')), [1, 'NETWORK'])
  t.strictSame(await attempts(cut, (c) => c.setTyping('c', true)), [1, 'NETWORK'])
  for (const status of [502, 503, 504]) t.strictSame(await attempts(answer(status), (c) => c.me()), [3, 'CODE'])
  for (const status of [400, 403, 404, 409, 413, 500]) t.strictSame(await attempts(answer(status), (c) => c.me()), [1, 'CODE'])
  t.strictSame(await attempts(answer(429), (c) => c.me()), [3, 'CODE'])
  t.strictSame(await attempts(answer(429), (c) => c.editMessage('m', 't')), [3, 'CODE'], 'too many: nothing was done')
  t.strictSame(await attempts(answer(503), (c) => c.editMessage('m', 't')), [1, 'CODE'])
  t.strictSame(await attempts(answer(429, { 'retry-after': '31' }), (c) => c.me()), [1, 'CODE'], 'a wait too long for a caller')
  t.strictSame(await attempts((exchange) => exchange.headers('application/json').end('{"half": '), (c) => c.me()), [3, 'NETWORK'])
})

test('Retry-After is waited for', async (t) => {
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange, number) => number === 0 ? exchange.refuse(503, 'X', { 'retry-after': '1' }) : exchange.json(200, {}))
  const { setTimeout: original } = globalThis
  const waits: number[] = []
  t.teardown(() => { globalThis.setTimeout = original })
  globalThis.setTimeout = ((callback: () => void, ms: number) => {
    if (ms !== 1000) return original(callback, ms)
    waits.push(ms)
    return original(callback, 0)
  }) as typeof setTimeout
  await createChatClient({ baseUrl, token: 't', ...quick }).me()
  t.strictSame(waits, [1000])
  t.equal(exchanges.length, 2)
})

test('a reaction is repeated until it is answered, and a message that cannot be found is no success', async (t) => {
  const answer = { messageId: 'm', conversationId: 'c', emoji: '👍', reacted: true, changed: false, reactions: [{ emoji: '👍', count: 1 }], myReactions: ['👍'] }
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange, number) => {
    if (number === 0) exchange.response.destroy()
    else if (exchange.request.method === 'PUT') exchange.json(200, answer)
    else if (number === 2) exchange.refuse(503, 'UNAVAILABLE')
    else exchange.refuse(404, 'NOT_FOUND')
  })
  const client = createChatClient({ baseUrl, token: 't', ...quick })
  t.strictSame(await client.react('m', '👍', true), answer)
  t.equal(exchanges.length, 2)
  await t.rejects(client.react('m', '👍', false), { code: 'NOT_FOUND', statusCode: 404 })
  t.equal(exchanges.length, 4)
  await t.rejects(client.react('m', '\ud800', true), URIError, 'what is no text cannot be sent')
})

test('a change of the profile is repeated: it sets what it names', async (t) => {
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange, number) => number === 0 ? exchange.response.destroy() : exchange.json(200, user('alice')))
  t.match(await createChatClient({ baseUrl, token: 't', ...quick }).updateMe({ metadata: null }), { userId: 'alice' })
  t.equal(exchanges.length, 2)
})

test('a DELETE whose answer got lost was done', async (t) => {
  const { baseUrl } = await scriptedServer(t, (exchange, number) => number === 0 ? exchange.response.destroy() : exchange.refuse(404, 'NOT_FOUND'))
  const client = createChatClient({ baseUrl, token: 't', ...quick })
  t.equal(await client.removeParticipant('c', 'dave'), undefined)
  await t.rejects(client.removeParticipant('c', 'dave'), { code: 'NOT_FOUND', statusCode: 404 })
})

test('401 asks the token function once more', async (t) => {
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange) => exchange.token === 'stale' ? exchange.refuse(401, 'TOKEN_EXPIRED') : exchange.json(200, {}))
  const asked: boolean[] = []
  await createChatClient({ baseUrl, token: ({ fresh }) => { asked.push(fresh); return fresh ? 'fresh' : 'stale' } }).editMessage('m', 't')
  t.strictSame(asked, [false, true])
  t.equal(exchanges.length, 2)
  await t.rejects(createChatClient({ baseUrl, token: () => 'stale' }).me(), { code: 'TOKEN_EXPIRED', statusCode: 401, message: 'Refused: TOKEN_EXPIRED' })
  t.equal(exchanges.length, 4)
  await t.rejects(createChatClient({ baseUrl, token: 'stale' }).me(), { code: 'TOKEN_EXPIRED' })
  t.equal(exchanges.length, 5)
  await t.rejects(createChatClient({ baseUrl, token: () => { throw new Error('signed out') } }).me(), { code: 'TOKEN_FAILED', cause: { message: 'signed out' } })
})

test('aborting', async (t) => {
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange) => { if (exchange.url.pathname === '/api/chat/me') exchange.refuse(503) })
  const client = createChatClient({ baseUrl, token: 't', retryBaseMs: 60_000, retryCapMs: 60_000 })

  const inFlight = new AbortController()
  const call = client.getConversation('c', { signal: inFlight.signal })
  while (exchanges.length === 0) await new Promise(setImmediate)
  inFlight.abort(new Error('not wanted'))
  await t.rejects(call, { message: 'not wanted' })
  await exchanges[0]?.closed

  const waiting = new AbortController()
  const repeated = client.me({ signal: waiting.signal })
  while (!exchanges[1]?.response.writableEnded) await new Promise(setImmediate)
  await exchanges[1].closed
  await new Promise(setImmediate)
  waiting.abort()
  await t.rejects(repeated, { name: 'AbortError' })

  await t.rejects(client.me({ signal: AbortSignal.abort() }), { name: 'AbortError' })
  t.equal(exchanges.length, 2, 'what is aborted already is not even asked')
})

test('what waits is made again as soon as another call is answered', async (t) => {
  let up = false
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange) => up ? exchange.json(200, { id: 'm' }) : exchange.response.destroy())
  const client = createChatClient({ baseUrl, token: 't', retryBaseMs: 2 ** 30, retryCapMs: 2 ** 30 })
  const lost = new Promise<void>((resolve) => { client.reach.follow(() => { if (!client.reach.ok) resolve() }) })
  const sent = client.sendMessage({ conversationId: 'c', text: 'It waits' })
  await lost
  up = true
  await client.me()
  t.match(await sent, { id: 'm' })
  t.strictSame(exchanges.map(({ url }) => url.pathname), ['/api/chat/messages', '/api/chat/me', '/api/chat/messages'])
})

test('a token function that hangs holds nobody', async (t) => {
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange) => exchange.json(200, {}))
  let asked = 0
  const token = () => ++asked === 2 ? 't' : new Promise<string>(() => {})
  const client = createChatClient({ baseUrl, token, timeoutMs: 1000, ...quick })
  await client.me()
  t.equal(asked, 2, 'it is asked again')
  const abort = new AbortController()
  const call = createChatClient({ baseUrl, token }).me({ signal: abort.signal })
  abort.abort(new Error('not wanted'))
  await t.rejects(call, { message: 'not wanted' })
  t.equal(exchanges.length, 1)
})

test('waits without an end', async (t) => {
  const { baseUrl } = await scriptedServer(t, (exchange) => { setTimeout(() => exchange.json(200, { userId: 'alice' }), 20) })
  t.match(await createChatClient({ baseUrl, token: 't', timeoutMs: Infinity, maxRetries: 0 }).me(), { userId: 'alice' })
})

test('no answer in time', async (t) => {
  const { baseUrl, exchanges } = await scriptedServer(t, () => {})
  await t.rejects(createChatClient({ baseUrl, token: 't', timeoutMs: 500, maxRetries: 1, ...quick }).me(), { code: 'TIMEOUT', statusCode: 0 })
  t.equal(exchanges.length, 2)
  await Promise.all(exchanges.map(({ closed }) => closed))
})

test('the client\'s streams go to its service', async (t) => {
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange) => exchange.open())
  await new Promise<void>((resolve) => {
    const subscription = createChatClient({ baseUrl, token: async () => 'mine' }).subscribe({ conversationId: 'c', onConnect () { subscription.unsubscribe(); resolve() } })
  })
  t.equal(exchanges[0]?.token, 'mine')
})

test('accounts', async (t) => {
  const session = { token: 'jwt', expiresAt: timestamp, user: user('alice') }
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange) => {
    if (exchange.url.pathname.endsWith('register')) exchange.json(201, session)
    else exchange.refuse(429, 'TOO_MANY_FAILURES', { 'retry-after': '1' })
  })
  const { register, login } = createAccounts({ baseUrl })
  t.strictSame(await register({ userId: 'alice', password: '12345678', displayName: 'Alice' }), session)
  t.equal(exchanges[0]?.request.headers.authorization, undefined)
  await t.rejects(login({ userId: 'alice', password: 'wrong wrong' }), { code: 'TOO_MANY_FAILURES', retryAfterMs: 1000 })
  t.equal(exchanges.length, 2, 'a login is not tried again')
})

test('client ids', async (t) => {
  const { crypto } = globalThis
  t.teardown(() => { Object.defineProperty(globalThis, 'crypto', { value: crypto, configurable: true }) })
  const { getRandomValues } = crypto
  for (const value of [crypto, { getRandomValues: getRandomValues.bind(crypto) }, undefined]) {
    Object.defineProperty(globalThis, 'crypto', { value, configurable: true })
    const ids = Array.from({ length: 1000 }, createClientId)
    t.equal(new Set(ids).size, 1000)
    t.ok(ids.every((id) => id.length <= 36 && /^[0-9a-z-]+$/.test(id)))
  }
})
