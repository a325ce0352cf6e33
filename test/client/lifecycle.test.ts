import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { test } from 'tap'
import { subscribeToSSE } from '../../client/index.js'
import type { SubscribeOptions, Subscription } from '../../client/options.js'
import { programOf } from '../programs.js'
import { setElapsedForward } from './clocks.js'
import { messageEvent } from './made.js'
import { createRecorder, quick } from './recorder.js'
import { scriptedServer } from './scripted-server.js'

const token = 't'
const turns = async (count = 20) => { for (let i = 0; i < count; i++) await new Promise(setImmediate) }
const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length

test('unsubscribing inside any callback ends everything there', async (t) => {
  for (const name of ['onConnect', 'onMessage', 'onEvent', 'onLastEventId', 'onDisconnect', 'onReconnecting', 'onError'] as const) {
    const { baseUrl, exchanges, openStreams } = await scriptedServer(t, (exchange, number) => {
      if (number > 0) return exchange.refuse(404)
      exchange.open().event('message', messageEvent(1), 'e1').event('message', messageEvent(2), 'e2').cut()
    })
    const before = timers()
    const done = withResolvers()
    const recorder = createRecorder((called) => {
      if (called !== name) return
      subscription.unsubscribe()
      subscription.unsubscribe()
      done.resolve()
    })
    const subscription: Subscription = subscribeToSSE({ token, baseUrl, ...quick, ...recorder.callbacks })
    await done.promise
    const called = recorder.log.length
    t.equal(recorder.log.at(-1)?.[0], name)
    t.equal(subscription.state, 'closed')
    await Promise.all(exchanges.map(({ closed }) => closed))
    await turns()
    t.equal(recorder.log.length, called, `nothing after unsubscribing in ${name}`)
    t.equal(openStreams(), 0)
    t.ok(timers() <= before, 'no timer is left')
  }
})

function withResolvers () {
  let resolve = () => {}
  const promise = new Promise<void>((_resolve) => { resolve = _resolve })
  return { promise, resolve }
}

test('unsubscribing while the token function is pending', async (t) => {
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange) => exchange.open())
  for (const settle of ['resolve', 'reject']) {
    let answer = () => {}
    const recorder = createRecorder()
    const { unsubscribe } = subscribeToSSE({
      token: () => new Promise<string>((resolve, reject) => { answer = () => settle === 'resolve' ? resolve('t') : reject(new Error('no')) }),
      baseUrl,
      ...recorder.callbacks
    })
    unsubscribe()
    answer()
    await turns()
    t.strictSame(recorder.log, [])
  }
  t.equal(exchanges.length, 0)
})

test('unsubscribing before the answer, and during backoff', async (t) => {
  const before = timers()
  const requested = withResolvers()
  const { baseUrl, exchanges } = await scriptedServer(t, () => requested.resolve())
  const recorder = createRecorder()
  const first = subscribeToSSE({ token, baseUrl, ...recorder.callbacks })
  await requested.promise
  first.unsubscribe()
  await exchanges[0]?.closed
  t.strictSame(recorder.log, [])

  const failing = await scriptedServer(t, (exchange) => exchange.refuse(503))
  const second = subscribeToSSE({ token, baseUrl: failing.baseUrl, backoffBaseMs: 60_000, backoffCapMs: 60_000, ...recorder.callbacks })
  await recorder.until('onReconnecting')
  t.equal(second.state, 'waiting')
  second.unsubscribe()
  t.equal(second.state, 'closed')
  await turns()
  t.equal(failing.exchanges.length, 1)
  t.ok(timers() <= before)
})

test('an AbortSignal unsubscribes', async (t) => {
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange) => exchange.open())
  const abort = new AbortController()
  const recorder = createRecorder()
  const subscription = subscribeToSSE({ token, baseUrl, signal: abort.signal, ...recorder.callbacks })
  await recorder.until('onConnect')
  abort.abort()
  t.equal(subscription.state, 'closed')
  await exchanges[0]?.closed
  t.equal(subscribeToSSE({ token, baseUrl, signal: abort.signal }).state, 'closed')
  await turns()
  t.equal(exchanges.length, 1)
})

test('a process in which everything was unsubscribed ends by itself', async (t) => {
  const { baseUrl } = await scriptedServer(t, (exchange) => {
    if (exchange.url.pathname.endsWith('/token')) return exchange.json(200, { streamId: 's1', expiresAt: null })
    if (exchange.url.searchParams.get('conversationId') === 'refused') return exchange.refuse(503, 'UNAVAILABLE', { 'retry-after': '100' })
    exchange.open({ expiresAt: new Date(Date.parse('2026-01-15T10:30:00.000Z') + 3_600_000).toISOString() }).event('message', messageEvent(1), 'e1')
  })
  const { stdout } = await promisify(execFile)(process.execPath, [...programOf('test/client/leak-child.ts'), baseUrl], { env: { PATH: process.env.PATH } })
  t.equal(stdout.trim(), 'unsubscribed')
})

test('the waits grow up to the cap, also against a server that accepts and drops at once', async (t) => {
  const { random } = Math
  Math.random = () => 1
  t.teardown(() => { Math.random = random })
  for (const accepts of [false, true]) {
    const { baseUrl } = await scriptedServer(t, (exchange) => accepts ? exchange.open().cut() : exchange.refuse(502))
    const recorder = createRecorder()
    const { unsubscribe } = subscribeToSSE({ token, baseUrl, backoffBaseMs: 1, backoffCapMs: 20, ...recorder.callbacks })
    await recorder.until('onReconnecting', 8)
    unsubscribe()
    t.strictSame(recorder.first('onReconnecting').map((reconnect) => (reconnect as { delayMs: number }).delayMs), [1, 2, 4, 8, 16, 20, 20, 20])
  }
})

test('jitter is full: anything from 0 to the limit', async (t) => {
  const { baseUrl } = await scriptedServer(t, (exchange) => exchange.refuse(502))
  const { random } = Math
  t.teardown(() => { Math.random = random })
  for (const value of [0, 0.5]) {
    Math.random = () => value
    const recorder = createRecorder()
    const { unsubscribe } = subscribeToSSE({ token, baseUrl, ...recorder.callbacks })
    await recorder.until('onReconnecting')
    unsubscribe()
    t.match(recorder.of('onReconnecting'), [[{ delayMs: 1000 * value }]], 'of one second by default')
  }
})

test('after a stream that lasted the waits begin anew', async (t) => {
  const { random } = Math
  Math.random = () => 1
  t.teardown(() => { Math.random = random })
  const elapse = setElapsedForward(t)
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange, number) => {
    if (number < 3) exchange.open().cut()
    else exchange.open()
  })
  const recorder = createRecorder()
  const { unsubscribe } = subscribeToSSE({ token, baseUrl, backoffBaseMs: 1, ...recorder.callbacks })
  await recorder.until('onConnect', 4)
  elapse(5000)
  exchanges[3]?.cut()
  await recorder.until('onReconnecting', 4)
  unsubscribe()
  t.strictSame(recorder.first('onReconnecting').map((reconnect) => (reconnect as { delayMs: number }).delayMs), [1, 2, 4, 1])
})

test('what the server asks for is a minimum once it fails again and again', async (t) => {
  const { random } = Math
  Math.random = () => 1
  t.teardown(() => { Math.random = random })
  const { baseUrl } = await scriptedServer(t, (exchange) => exchange.open().event('disconnect', { reason: 'token_expired', retryAfterMs: 0 }).end())
  const recorder = createRecorder()
  const { unsubscribe } = subscribeToSSE({ token: () => 't', baseUrl, backoffBaseMs: 1, ...recorder.callbacks })
  await recorder.until('onReconnecting', 4)
  unsubscribe()
  t.strictSame(recorder.first('onReconnecting').map((reconnect) => (reconnect as { delayMs: number }).delayMs), [0, 2, 4, 8])
})

/** A stand-in for the page, or for React Native, around the client. */
function fakeTarget () {
  const listeners = new Set<[type: string, listener: () => void]>()
  return {
    listeners,
    addEventListener: (type: string, listener: () => void) => { listeners.add([type, listener]) },
    removeEventListener (type: string, listener: () => void) {
      for (const entry of listeners) if (entry[0] === type && entry[1] === listener) listeners.delete(entry)
    },
    fire: (type: string) => { for (const [of, listener] of [...listeners]) if (of === type) listener() }
  }
}

function fakeAppState () {
  const listeners = new Set<(state: string) => void>()
  return {
    listeners,
    addEventListener (_type: 'change', listener: (state: string) => void) {
      listeners.add(listener)
      return { remove: () => { listeners.delete(listener) } }
    },
    change: (state: string) => { for (const listener of [...listeners]) listener(state) }
  }
}

test('a wait for the next reconnect ends when the network is back or somebody looks', async (t) => {
  const window = fakeTarget()
  const document = Object.assign(fakeTarget(), { visibilityState: 'hidden' })
  const appState = fakeAppState()
  const { addEventListener, removeEventListener } = window
  Object.assign(globalThis, { document, addEventListener, removeEventListener })
  t.teardown(() => { for (const name of ['document', 'addEventListener', 'removeEventListener']) Reflect.deleteProperty(globalThis, name) })

  const wakes: [name: string, sleeps: () => void, wakes: () => void][] = [
    ['online', () => window.fire('offline'), () => window.fire('online')],
    ['visible', () => document.fire('visibilitychange'), () => { document.visibilityState = 'visible'; document.fire('visibilitychange') }],
    ['active', () => appState.change('background'), () => appState.change('active')]
  ]
  for (const [name, sleep, wake] of wakes) {
    const { baseUrl, exchanges } = await scriptedServer(t, (exchange, number) => {
      if (number === 0) exchange.refuse(503)
      else if (number === 1) exchange.refuse(503, 'UNAVAILABLE', { 'retry-after': '3600' })
      else exchange.open()
    })
    const { random } = Math
    Math.random = () => 1
    t.teardown(() => { Math.random = random })
    const recorder = createRecorder()
    const options: SubscribeOptions = { token, baseUrl, appState, backoffBaseMs: 1e6, backoffCapMs: 1e6, ...recorder.callbacks }
    const subscription = subscribeToSSE(options)
    await recorder.until('onReconnecting')
    sleep()
    await turns()
    t.equal(exchanges.length, 1, name)
    wake()
    await recorder.until('onReconnecting', 2)
    wake()
    await turns()
    t.equal(exchanges.length, 2, 'but not where the server asked for a longer wait')
    t.equal(subscription.state, 'waiting')
    subscription.unsubscribe()
    t.equal(window.listeners.size + document.listeners.size + appState.listeners.size, 0, 'no listener is left')
  }
})

test('a stream found silent on waking is opened anew at once', async (t) => {
  const appState = fakeAppState()
  const { baseUrl } = await scriptedServer(t, (exchange) => exchange.open())
  const elapse = setElapsedForward(t)
  const recorder = createRecorder()
  const { unsubscribe } = subscribeToSSE({ token, baseUrl, appState, backoffBaseMs: 1e6, backoffCapMs: 1e6, ...recorder.callbacks })
  await recorder.until('onConnect')
  appState.change('active')
  elapse(74_000)
  appState.change('active')
  t.strictSame(recorder.of('onDisconnect'), [])
  elapse(2000) // The timer that would have noticed did not run, either
  appState.change('active')
  t.strictSame(recorder.first('onDisconnect'), ['silent'])
  await recorder.until('onConnect', 2)
  unsubscribe()
})

test('a running stream gets the fresh token before the old one expires', async (t) => {
  const inMs = (ms: number) => new Date(Date.parse('2026-01-15T10:30:00.000Z') + ms).toISOString()
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange) => {
    if (exchange.url.pathname === '/api/sse') exchange.open({ streamId: 'stream/1', expiresAt: inMs(200) })
    else exchange.json(200, { streamId: 'stream/1', expiresAt: inMs(400) })
  })
  const asked: boolean[] = []
  const recorder = createRecorder()
  const { unsubscribe } = subscribeToSSE({
    token: ({ fresh }) => { asked.push(fresh); return `t${asked.length}` },
    baseUrl,
    ...recorder.callbacks
  })
  await recorder.until('onConnect')
  const renewed = async (times: number) => { while (exchanges.length <= times) await new Promise((resolve) => setTimeout(resolve, 10)) }
  await renewed(2)
  await exchanges[2]?.closed
  t.strictSame(exchanges.map(({ request: { method, url }, token }) => [method, url, token]), [
    ['GET', '/api/sse', 't1'], ['POST', '/api/sse/stream%2F1/token', 't2'], ['POST', '/api/sse/stream%2F1/token', 't3']
  ])
  t.strictSame(asked, [false, true, true])
  await turns()
  t.equal(exchanges.length, 3, 'an answer that changes nothing is not asked for again')
  t.strictSame(recorder.order(), ['onConnect'])
  unsubscribe()
})

test('a renewal that fails is left to the next connection', async (t) => {
  const expiresAt = '2026-01-15T10:30:00.050Z'
  const server = await scriptedServer(t, (exchange, number) => {
    if (exchange.url.pathname === '/api/sse') return exchange.open(number === 0 ? { expiresAt } : {})
    exchange.refuse(404)
    server.exchanges[0]?.event('disconnect', { reason: 'token_expired', retryAfterMs: 0 }).end()
  })
  const recorder = createRecorder()
  const { unsubscribe } = subscribeToSSE({ token: () => 't', baseUrl: server.baseUrl, ...recorder.callbacks })
  await recorder.until('onConnect', 2)
  unsubscribe()
  t.strictSame(recorder.order(), ['onConnect', 'onDisconnect', 'onConnect'])
})

test('a fixed token is not renewed', async (t) => {
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange) => exchange.open({ expiresAt: '2026-01-15T10:30:00.010Z', heartbeatMs: 30 }))
  const recorder = createRecorder()
  const { unsubscribe } = subscribeToSSE({ token, baseUrl, ...recorder.callbacks })
  await recorder.until('onDisconnect')
  unsubscribe()
  t.equal(exchanges.length, 1)
})
