import { test } from 'tap'
import { createChatClient, createSession, openConversation, openConversationList, type ChatSession, type SessionOptions } from '../../client/index.js'
import { createPeople } from '../../client/live/people.js'
import { createReceipts } from '../../client/live/receipts.js'
import { subjectOf } from '../../client/tabs/subject.js'
import type { StreamEvent, StreamState } from '../../client/options.js'
import { createFakeLocks, createFakeTab } from './fake-tabs.js'
import { message, messageEvent, profile, timestamp } from './made.js'
import { quick } from './recorder.js'
import { scriptedServer, type Exchange } from './scripted-server.js'
import { createStubSession, deferred, settle } from './stub-session.js'

const jwt = (claims: unknown) => ['header', Buffer.from(JSON.stringify(claims)).toString('base64url'), 'signature'].join('.')
const token = jwt({ sub: 'alice' })
const me = { userId: 'alice', displayName: 'Alice', avatar: null, isOnline: true, lastSeen: null }

const until = (session: ChatSession, condition: () => boolean) => new Promise<void>((resolve) => {
  const stop = session.subscribe(check)
  function check () {
    if (!condition()) return
    stop()
    resolve()
  }
  check()
})

const status = (session: ChatSession, status: StreamState) => until(session, () => session.getSnapshot().status === status)

type Teardown = Parameters<typeof scriptedServer>[0]

async function setUp (t: Teardown, stream: (exchange: Exchange, number: number) => unknown, options: SessionOptions = {}) {
  const server = await scriptedServer(t, (exchange, number) => {
    const { pathname } = exchange.url
    if (pathname === '/api/sse') stream(exchange, number)
    else if (pathname === '/api/chat/me') exchange.json(200, me)
    else exchange.json(200, {})
  })
  const open = (more: SessionOptions = {}) => {
    const session = createSession(
      createChatClient({ baseUrl: server.baseUrl, token, retryBaseMs: 1, ...quick, maxAttempts: 2 }), { ...options, ...more }
    )
    t.teardown(() => session.close())
    return session
  }
  return { server, open, paths: (path: string) => server.exchanges.filter(({ url }) => url.pathname.includes(path)) }
}

test('a session follows all conversations, and knows whose it is', async (t) => {
  const { open, paths } = await setUp(t, (exchange) => exchange.open({ conversationId: null }).event('message', messageEvent(1), 'e1').event('message', messageEvent(2), 'e2'))
  const session = open()
  t.strictSame(session.getSnapshot(), { status: 'connecting', userId: null, user: null, blocked: new Set(), reachable: true, reconnect: null, error: null })
  const heard: unknown[] = []
  const stop = session.listen((...[type, , id]) => {
    heard.push([type, id])
    if (id === 'e1') stop()
  })
  await until(session, () => session.getSnapshot().user !== null)
  t.strictSame(session.getSnapshot(), { status: 'connected', userId: 'alice', user: me, blocked: new Set(), reachable: true, reconnect: null, error: null })
  t.equal(paths('/api/sse')[0]?.request.url, '/api/sse?echo=true')
  t.strictSame(heard, [['connected', 'start'], ['message', 'e1']])
  session.close()
  t.ok(session.closed)
  t.equal(session.getSnapshot().status, 'closed')
  await paths('/api/sse')[0]?.closed
})

test('a listener that throws is reported, and the others hear all the same', async (t) => {
  const errors: string[] = []
  const heard: string[] = []
  const { open } = await setUp(t, (exchange) => exchange.open(), { onError: (error) => errors.push(error.message) })
  const session = open()
  session.listen(() => { throw new Error('broken view') })
  session.listen((...[type]) => { heard.push(type) })
  await status(session, 'connected')
  t.strictSame([errors, heard], [['broken view'], ['connected']])
})

test('what has been received is told as delivered, once for all of it', async (t) => {
  const { open, paths } = await setUp(t, (exchange) => exchange.open({ conversationId: null })
    .event('message', messageEvent(1), 'e1').event('message', messageEvent(2), 'e2')
    .event('message', messageEvent(3, { senderId: 'alice' }), 'e3').event('message', messageEvent(1, { conversationId: 'd', id: 'd1' }), 'e4'))
  const session = open()
  await status(session, 'connected')
  while (paths('/status').length < 2) await new Promise(setImmediate)
  t.strictSame(paths('/status').map(({ request, body }) => [request.url, body]), [
    ['/api/chat/messages/m2/status', { status: 'delivered' }], ['/api/chat/messages/d1/status', { status: 'delivered' }]
  ])

  const silent = open({ markDelivered: false })
  await new Promise<void>((resolve) => silent.listen((...[, , id]) => { if (id === 'e4') resolve() }))
  await settle()
  t.equal(paths('/status').length, 2)
})

test('losses are shown, the end with its reason, and there is a way back', async (t) => {
  let up = false
  const { open } = await setUp(t, (exchange, number) => {
    if (number === 0) exchange.open().event('message', messageEvent(1), 'e1').cut()
    else if (up) exchange.open({ resumed: true }, 'e1')
    else exchange.refuse(503)
  })
  const session = open()
  await status(session, 'waiting')
  t.match(session.getSnapshot().reconnect, { attempt: 1 })
  await status(session, 'closed')
  t.match(session.getSnapshot(), { error: { code: 'GAVE_UP' }, reconnect: null, userId: 'alice' })
  up = true
  session.reconnect()
  session.reconnect()
  await status(session, 'connected')
  t.match(session.getSnapshot(), { error: null })
})

test('after giving up it comes back when somebody looks, from where it was', async (t) => {
  const wakes = new Set<(state: string) => void>()
  const appState = { addEventListener: (_: 'change', listener: (state: string) => void) => { wakes.add(listener); return { remove: () => { wakes.delete(listener) } } } }
  let up = true
  const server = await scriptedServer(t, (exchange) => {
    if (exchange.url.pathname !== '/api/sse') return exchange.json(200, me)
    if (up) exchange.open().event('message', messageEvent(1), 'e1')
    else exchange.refuse(503)
  })
  const session = createSession(createChatClient({ baseUrl: server.baseUrl, token, appState, ...quick, maxAttempts: 1 }), { markDelivered: false })
  await new Promise<void>((resolve) => session.listen((...[type]) => { if (type === 'message') resolve() }))
  up = false
  for (const { response } of server.exchanges) response.destroy()
  await status(session, 'closed')
  up = true
  for (const wake of [...wakes]) wake('active')
  await status(session, 'connected')
  t.equal(server.exchanges.filter(({ url }) => url.pathname === '/api/sse').at(-1)?.lastEventId, 'e1')
  session.close()
  t.equal(wakes.size, 0)
})

test('a wait for the next reconnect can be ended', async (t) => {
  let up = true
  const server = await scriptedServer(t, (exchange) => {
    if (exchange.url.pathname !== '/api/sse') return exchange.json(200, me)
    if (up) exchange.open()
    else exchange.refuse(503)
  })
  for (const shareTabs of [false, createFakeTab(createFakeLocks())] as const) {
    const session = createSession(createChatClient({ baseUrl: server.baseUrl, token, backoffBaseMs: 1e9, backoffCapMs: 1e9 }), { shareTabs })
    await status(session, 'connected')
    up = false
    for (const { response } of server.exchanges) response.destroy()
    await status(session, 'waiting')
    up = true
    session.reconnect()
    await status(session, 'connected')
    const streams = () => server.exchanges.filter(({ url }) => url.pathname === '/api/sse').length
    const before = streams()
    session.reconnect()
    await settle()
    t.equal(streams(), before, 'an open stream stays')
    session.close()
  }
})

test('tabs of one user share a stream', async (t) => {
  const locks = createFakeLocks()
  let publish = () => {}
  const { open, paths } = await setUp(t, (exchange) => {
    exchange.open({ conversationId: null })
    publish = () => exchange.event('message', messageEvent(1), 'e1')
  })
  const sessions = [open({ shareTabs: createFakeTab(locks) }), open({ shareTabs: createFakeTab(locks) })]
  const heard = Promise.all(sessions.map((session) => new Promise<void>((resolve) => session.listen((...[type]) => { if (type === 'message') resolve() }))))
  await Promise.all(sessions.map((session) => status(session, 'connected')))
  publish()
  await heard
  while (paths('/status').length === 0) await new Promise(setImmediate)
  await settle()
  t.equal(paths('/api/sse').length, 1)
  t.equal(paths('/status').length, 1, 'delivered is told by one of them')
  const alone = open({ shareTabs: false })
  await status(alone, 'connected')
  t.equal(paths('/api/sse').length, 2)
})

test('without knowing whose it is, a tab stays alone', async (t) => {
  const locks = createFakeLocks()
  const server = await scriptedServer(t, (exchange) => exchange.url.pathname === '/api/sse' ? exchange.open() : exchange.json(200, me))
  for (const [token, shareTabs, held] of [['opaque', createFakeTab(locks), 0], [() => { throw new Error('no') }, createFakeTab(locks), 0], ['opaque', createFakeTab(locks), 1]] as const) {
    const session = createSession(createChatClient({ baseUrl: server.baseUrl, token, ...quick }), { shareTabs, ...(held === 1 ? { userId: 'alice' } : {}) })
    await settle()
    t.equal(locks.held(), held)
    session.close()
    await settle()
  }
})

test('who typed already when a conversation is opened', async (t) => {
  const typing = (userId: string, isTyping = true, conversationId = 'c') => ({ userId, displayName: userId, isTyping, conversationId, timestamp })
  let publish = (..._events: Parameters<Exchange['event']>[]) => {}
  const { open } = await setUp(t, (exchange) => {
    exchange.open({ conversationId: null })
    publish = (...events) => { for (const event of events) exchange.event(...event) }
  }, { shareTabs: false })
  const session = open()
  await status(session, 'connected')
  const heard = new Promise<void>((resolve) => session.listen((...[type]) => { if (type === 'onlineStatus') resolve() }))
  publish(
    ['typing', typing('alice')], ['typing', typing('bob')], ['typing', typing('carol')], ['typing', typing('carol', false)],
    ['typing', typing('dave')], ['message', messageEvent(1, { senderId: 'dave', sender: profile('dave', { displayName: 'dave' }) }), 'e1'], ['typing', typing('erin', true, 'd')],
    ['onlineStatus', { userId: 'bob', isOnline: true, lastSeen: null, timestamp }]
  )
  await heard
  const live = openConversation(session, 'c')
  t.strictSame(live.getSnapshot().typing, [{ userId: 'bob', displayName: 'bob' }])
  session.close()
  t.strictSame(session.typing('c'), [])
})

test('closing a session closes every live state', async (t) => {
  const before = process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
  const { open, paths } = await setUp(t, (exchange) => exchange.open({ conversationId: null })
    .event('typing', { userId: 'bob', displayName: 'Bob', isTyping: true, conversationId: 'c', timestamp }), { shareTabs: false })
  const session = open()
  const live = openConversation(session, 'c')
  const list = openConversationList(session)
  await until(session, () => session.getSnapshot().user !== null)
  live.setTyping(true)
  let told = 0
  session.subscribe(() => { told++ })
  session.close()
  await settle()
  t.equal(told, 1)
  const { length } = paths('/messages')
  live.send('too late')
  await list.reload()
  await settle()
  t.equal(paths('/messages').length, length)
  t.ok(process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length <= before)
})

test('closing before it has begun', async (t) => {
  const { server, open } = await setUp(t, (exchange) => exchange.open())
  open({ shareTabs: createFakeTab(createFakeLocks()) }).close()
  open().close()
  await settle()
  t.equal(server.exchanges.length, 0)
})

test('the user\'s name stands on what they send, as soon as it is known', async (t) => {
  const { open } = await setUp(t, (exchange) => exchange.open())
  const session = open()
  const conversation = openConversation(session, 'c')
  t.teardown(() => conversation.close())
  await until(session, () => session.getSnapshot().user !== null)
  conversation.send('Hi')
  t.match(conversation.getSnapshot().messages, [{ senderId: 'alice', sender: { displayName: 'Alice' } }])
})

test('names are learned from every event of the catalogue that has one, and from no other', async (t) => {
  const people = createPeople()
  people.hear(['message', messageEvent(1, { sender: profile('bob', { displayName: 'Rob' }) }), null])
  people.hear(['typing', { userId: 'carol', displayName: 'Carol C.', isTyping: true, conversationId: 'c', timestamp }, null])
  for (const data of [null, 1, { sender: null }, { userId: 'bob', displayName: 'Eve' }]) people.hear(['newer', data, null] as unknown as StreamEvent)
  t.equal(people.name(profile('bob')).displayName, 'Rob')
  t.equal(people.name(profile('carol')).displayName, 'Carol C.')
})

test('the subject of a token', async (t) => {
  t.equal(subjectOf(jwt({ sub: 'zoë>~🦊' })), 'zoë>~🦊')
  for (const token of ['', 'a.b.c', jwt({}), jwt({ sub: 5 }), jwt(null), 'opaque']) t.equal(subjectOf(token), null)
})

test('receipts: the highest mark of each conversation, one call at a time', async (t) => {
  const answer = deferred<never>()
  let fails = false
  const { client, calls } = createStubSession({
    setMessageStatus: async (messageId, status) => { if (fails) throw new Error('no'); return { messageId, status, conversationId: 'c', changed: true } },
    markRead: async (conversationId, seq) => { if (seq === 3) await answer.promise.catch(() => {}); return { conversationId, seq, changed: true } }
  })
  const receipts = createReceipts(client)
  const delivered = (seq: number, conversationId = 'c') => receipts.delivered({ ...message(seq), conversationId })
  for (const seq of [1, 3, 2]) delivered(seq)
  delivered(1, 'd')
  await settle()
  t.strictSame(calls.splice(0), [['setMessageStatus', 'm3', 'delivered'], ['setMessageStatus', 'm1', 'delivered']])
  receipts.read('c', 3)
  await settle()
  for (const seq of [4, 5, 6]) { delivered(seq); receipts.read('c', seq) }
  await settle()
  t.strictSame(calls.splice(0), [['markRead', 'c', 3]])
  answer.reject(new Error())
  await settle()
  t.strictSame(calls.splice(0), [['markRead', 'c', 6]], 'read implies delivered')
  fails = true
  delivered(7)
  await settle()
  calls.length = 0
  fails = false
  receipts.retry()
  await settle()
  t.strictSame(calls.splice(0), [['setMessageStatus', 'm7', 'delivered']])
  receipts.close()
  delivered(8)
  await settle()
  t.strictSame(calls, [])
  t.ok(timestamp)
})
