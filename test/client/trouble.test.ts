import { test } from 'tap'
import { createChatClient, subscribeToSSE, type FetchLike } from '../../client/index.js'
import { setElapsedForward } from './clocks.js'
import { messageEvent, timestamp } from './made.js'
import { createRecorder, quick } from './recorder.js'
import { frame, scriptedServer, type Exchange } from './scripted-server.js'

const token = 't'
const turns = async (count = 20) => { for (let i = 0; i < count; i++) await new Promise(setImmediate) }

/** A wrapper that does not pass on the signal. */
const deaf: FetchLike = (url, { signal, ...init }) => fetch(url, init)

test('a fetch that takes no notice of its signal: unsubscribing closes the socket all the same', async (t) => {
  const answers: [name: string, answer: (exchange: Exchange) => void][] = [
    ['while events come', (exchange) => { exchange.open() }],
    ['before connected', (exchange) => { exchange.headers() }],
    ['in the body of a refusal', (exchange) => { exchange.response.writeHead(503, { 'content-type': 'application/json' }).write('{ "never": ') }],
    ['in an answer that is no stream', (exchange) => { exchange.headers('text/html').raw('<p>') }]
  ]
  for (const [name, answer] of answers) {
    const { baseUrl, exchanges } = await scriptedServer(t, answer)
    const answered = withResolvers<void>()
    const { unsubscribe } = subscribeToSSE({
      token,
      baseUrl,
      async fetch (url, init) {
        const response = await deaf(url, init)
        setImmediate(answered.resolve)
        return response
      },
      backoffBaseMs: 1e9,
      backoffCapMs: 1e9
    })
    await answered.promise
    await turns()
    unsubscribe()
    await exchanges[0]?.closed
    t.pass(name)
  }
})

function withResolvers<T> () {
  let resolve!: (value: T) => void
  const promise = new Promise<T>((_resolve) => { resolve = _resolve })
  return { promise, resolve }
}

test('its answer, when it comes after unsubscribing, is closed', async (t) => {
  const requested = withResolvers<Exchange>()
  const { baseUrl } = await scriptedServer(t, (exchange) => requested.resolve(exchange))
  const { unsubscribe } = subscribeToSSE({ token, baseUrl, fetch: deaf })
  const exchange = await requested.promise
  unsubscribe()
  exchange.open()
  await exchange.closed
})

test('its calls end in time, and when they are aborted', async (t) => {
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange) => {
    if (exchange.url.pathname === '/api/chat/me') exchange.headers('application/json').raw('{ "half": ')
  })
  const client = createChatClient({ baseUrl, token, fetch: deaf, timeoutMs: 50, maxRetries: 0 })
  await t.rejects(client.me(), { code: 'TIMEOUT' })
  await exchanges[0]?.closed
  await t.rejects(client.getConversation('c'), { code: 'TIMEOUT' })
  const abort = new AbortController()
  const call = createChatClient({ baseUrl, token, fetch: deaf }).getConversation('c', { signal: abort.signal })
  abort.abort(new Error('not wanted'))
  await t.rejects(call, { message: 'not wanted' })
})

test('an EventSource\'s ticket, on its way through such a fetch, keeps no socket', async (t) => {
  const requested = withResolvers<Exchange>()
  const { baseUrl } = await scriptedServer(t, (exchange) => { exchange.headers('application/json').raw('{'); requested.resolve(exchange) })
  const { unsubscribe } = subscribeToSSE({ token, baseUrl, fetch: deaf, EventSource: class { addEventListener () {} close () {} } })
  const exchange = await requested.promise
  await turns()
  unsubscribe()
  await exchange.closed
})

/** A page around the client. */
function fakeWindow (t: { teardown (callback: () => unknown): void }) {
  const listeners = new Set<[type: string, listener: () => void]>()
  Object.assign(globalThis, {
    addEventListener: (type: string, listener: () => void) => { listeners.add([type, listener]) },
    removeEventListener (type: string, listener: () => void) {
      for (const entry of listeners) if (entry[0] === type && entry[1] === listener) listeners.delete(entry)
    }
  })
  t.teardown(() => { for (const name of ['addEventListener', 'removeEventListener']) Reflect.deleteProperty(globalThis, name) })
  return { listeners, fire: (type: string) => { for (const [of, listener] of [...listeners]) if (of === type) listener() } }
}

test('a connection that hangs is given up when the network is back', async (t) => {
  const window = fakeWindow(t)
  const requested = withResolvers<void>()
  for (const hang of [() => {}, (exchange: Exchange) => { exchange.headers() }]) {
    const { baseUrl, exchanges } = await scriptedServer(t, (exchange, number) => {
      if (number > 0) return exchange.open()
      hang(exchange)
      requested.resolve()
    })
    const recorder = createRecorder()
    const { unsubscribe } = subscribeToSSE({ token, baseUrl, backoffBaseMs: 1e9, backoffCapMs: 1e9, ...recorder.callbacks })
    await requested.promise
    while (exchanges.length === 0) await turns(1)
    window.fire('online')
    await recorder.until('onConnect')
    await exchanges[0]?.closed
    t.strictSame(recorder.order(), ['onConnect'], 'nothing was lost')
    unsubscribe()
    t.equal(window.listeners.size, 0)
  }
})

test('a connection that hangs is given up when somebody has looked in vain for a while', async (t) => {
  const elapse = setElapsedForward(t)
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange, number) => { if (number > 0) exchange.open() })
  const recorder = createRecorder()
  const subscription = subscribeToSSE({ token, baseUrl, ...recorder.callbacks })
  while (exchanges.length === 0) await turns(1)
  subscription.reconnect()
  await turns()
  t.equal(exchanges.length, 1)
  elapse(5000)
  subscription.reconnect()
  await recorder.until('onConnect')
  subscription.unsubscribe()
})

test('an open stream that has told nothing since the network went is opened anew when it is back', async (t) => {
  const window = fakeWindow(t)
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange) => exchange.open())
  const recorder = createRecorder()
  const { unsubscribe } = subscribeToSSE({ token, baseUrl, backoffBaseMs: 1e9, backoffCapMs: 1e9, ...recorder.callbacks })
  await recorder.until('onConnect')
  window.fire('online')
  window.fire('offline')
  exchanges[0]?.event('message', messageEvent(1), 'e1')
  await recorder.until('onMessage')
  window.fire('online')
  t.strictSame(recorder.order(), ['onConnect', 'onMessage'], 'one that goes on stays')
  window.fire('offline')
  window.fire('online')
  await recorder.until('onConnect', 2)
  unsubscribe()
  t.strictSame(recorder.order(), ['onConnect', 'onMessage', 'onDisconnect', 'onConnect'])
  t.equal(exchanges[1]?.lastEventId, 'e1')
})

const plain: [type: string, body: string][] = [
  ['text/plain', '404 page not found'],
  ['text/html', '<h1>Misdirected</h1>'],
  ['application/json', '{ "message": "no Route matched with those values" }'],
  ['application/json', '{ "code": 404 }'],
  ['application/json', 'null'],
  ['text/plain', '']
]

test('what a proxy refuses is passing trouble', async (t) => {
  for (const status of [400, 402, 403, 404, 405, 406, 410, 413, 414, 421, 429, 431, 451]) {
    const { baseUrl } = await scriptedServer(t, (exchange, number) => {
      const [type, body] = plain[number] ?? []
      if (type === undefined) exchange.open()
      else exchange.response.writeHead(status, { 'content-type': type }).end(body)
    })
    const recorder = createRecorder()
    const { unsubscribe } = subscribeToSSE({ conversationId: 'c', token, baseUrl, ...quick, ...recorder.callbacks })
    await recorder.until('onConnect')
    unsubscribe()
    t.strictSame(recorder.order(), ['onConnect'], `${status}`)
    // `fetch` itself repeats a misdirected request.
    if (status !== 421) t.match(recorder.first('onReconnecting'), plain.map(() => ({ error: { code: 'HTTP_ERROR', statusCode: status } })))
  }
})

test('credentials are judged by whoever asks for them', async (t) => {
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange) => exchange.response.writeHead(401).end('Unauthorized'))
  const recorder = createRecorder()
  subscribeToSSE({ token: () => 't', baseUrl, ...quick, ...recorder.callbacks })
  await recorder.until('onError')
  t.match(recorder.of('onError'), [[{ statusCode: 401 }]])
  t.equal(exchanges.length, 2, 'the token function was asked once more')
})

test('a call that a proxy refuses is made again, where that is safe', async (t) => {
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange, number) => {
    if (number === 0) exchange.response.writeHead(404).end('404 page not found')
    else exchange.json(200, { userId: 'alice' })
  })
  const client = createChatClient({ baseUrl, token, retryBaseMs: 1 })
  t.match(await client.me(), { userId: 'alice' })
  await t.rejects(client.editMessage('m', 'text'), { code: 'HTTP_ERROR', statusCode: 404 })
  t.equal(exchanges.length, 3)
})

test('a DELETE that only a proxy has answered was not done', async (t) => {
  const { baseUrl } = await scriptedServer(t, (exchange, number) => {
    if (number === 0) exchange.response.destroy()
    else exchange.response.writeHead(404).end('404 page not found')
  })
  await t.rejects(createChatClient({ baseUrl, token, retryBaseMs: 1, maxRetries: 2 }).deleteMessage('m'), { code: 'HTTP_ERROR' })
})

test('a proxy\'s 404 for a ticket puts no token into a URL', async (t) => {
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange, number) => {
    if (number === 0) exchange.response.writeHead(404).end('404 page not found')
    else exchange.json(201, { ticket: 'x', expiresAt: timestamp })
  })
  const opened = withResolvers<string>()
  const { unsubscribe } = subscribeToSSE({
    token: 'secret',
    baseUrl,
    ...quick,
    EventSource: class {
      constructor (url: string) { opened.resolve(url) }
      addEventListener () {}
      close () {}
    }
  })
  t.match(await opened.promise, /\?ticket=x$/)
  unsubscribe()
  t.equal(exchanges.length, 2)
})

test('twenty streams and calls with one AbortSignal', async (t) => {
  const warnings: Error[] = []
  const warn = (warning: Error) => { if (warning.name.startsWith('MaxListeners')) warnings.push(warning) }
  process.on('warning', warn)
  t.teardown(() => process.off('warning', warn))
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange) => { if (exchange.url.pathname === '/api/sse') exchange.open() })
  const abort = new AbortController()
  const { signal } = abort
  const recorder = createRecorder()
  const subscriptions = Array.from({ length: 20 }, () => subscribeToSSE({ token, baseUrl, signal, ...recorder.callbacks }))
  const client = createChatClient({ baseUrl, token })
  const calls = Array.from({ length: 20 }, async (_, i) => await client.getConversation(`c${i}`, { signal }))
  await recorder.until('onConnect', 20)
  while (exchanges.length < 40) await turns(1)
  subscriptions[0]?.unsubscribe()
  abort.abort(new Error('enough'))
  const settled = await Promise.allSettled(calls)
  t.ok(settled.every((call) => call.status === 'rejected' && (call.reason as Error).message === 'enough'))
  t.ok(subscriptions.every(({ state }) => state === 'closed'))
  await Promise.all(exchanges.map(({ closed }) => closed))
  await turns()
  t.strictSame(warnings, [])
})

test('an event without an end does not fill the memory', async (t) => {
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange, number) => {
    if (number > 0) return exchange.open({}, 'e1').event('message', messageEvent(2), 'e2')
    exchange.open().event('message', messageEvent(1), 'e1').raw(frame('message', 'x'.repeat(2 ** 20), 'e2').trimEnd())
  })
  const recorder = createRecorder()
  const { unsubscribe } = subscribeToSSE({ token, baseUrl, ...quick, ...recorder.callbacks })
  await recorder.until('onMessage', 2)
  await exchanges[0]?.closed
  unsubscribe()
  t.equal(exchanges[1]?.lastEventId, 'e1')
})
