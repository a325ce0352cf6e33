import { mock } from 'node:test'
import { test } from 'tap'
import { elapsedMs } from '../../client/base/clock.js'
import { createChatClient, openConversation, subscribeToSSE } from '../../client/index.js'
import { setElapsedForward, setWallClock } from './clocks.js'
import { conversation, timestamp } from './made.js'
import { createRecorder, quick } from './recorder.js'
import { scriptedServer } from './scripted-server.js'
import { createStubSession, settle } from './stub-session.js'

const HOUR = 3_600_000
const token = 't'

test('the wall clock set back as the line dies: the death is noticed', async (t) => {
  const setClock = setWallClock(t)
  const { baseUrl } = await scriptedServer(t, (exchange, number) => exchange.open({ heartbeatMs: number === 0 ? 100 : 30_000 }))
  const recorder = createRecorder((name) => { if (name === 'onConnect') setClock(-HOUR) })
  const { unsubscribe } = subscribeToSSE({ token, baseUrl, ...quick, ...recorder.callbacks })
  await recorder.until('onDisconnect')
  t.strictSame(recorder.first('onDisconnect'), ['silent'])
  unsubscribe()
})

test('the wall clock set forward: a healthy stream stays, looked at or not', async (t) => {
  const setClock = setWallClock(t)
  const wakes = new Set<(state: string) => void>()
  const appState = { addEventListener: (_: 'change', listener: (state: string) => void) => { wakes.add(listener); return { remove: () => { wakes.delete(listener) } } } }
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange) => exchange.open())
  const recorder = createRecorder()
  const { unsubscribe } = subscribeToSSE({ token, baseUrl, appState, ...quick, ...recorder.callbacks })
  await recorder.until('onConnect')
  setClock(120_000)
  for (const wake of wakes) wake('active')
  exchanges[0]?.event('onlineStatus', { userId: 'bob', isOnline: true, lastSeen: null, timestamp })
  await recorder.until('onOnlineStatus')
  t.strictSame(recorder.order(), ['onConnect', 'onOnlineStatus'])
  t.equal(exchanges.length, 1)
  unsubscribe()
})

test('the wall clock set back: a wait that the server asked for is not an hour', async (t) => {
  const setClock = setWallClock(t)
  const { baseUrl } = await scriptedServer(t, (exchange, number) => number === 0 ? exchange.refuse(503) : exchange.open())
  const recorder = createRecorder()
  const subscription = subscribeToSSE({ token, baseUrl, backoffBaseMs: 1e9, backoffCapMs: 1e9, ...recorder.callbacks })
  await recorder.until('onReconnecting')
  setClock(-HOUR)
  subscription.reconnect()
  await recorder.until('onConnect')
  subscription.unsubscribe()
})

test('typing is told again and again, whatever the wall clock does', async (t) => {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  const elapse = setElapsedForward(t)
  const setClock = setWallClock(t)
  const { session, connect, callsOf } = createStubSession({
    getConversation: async () => conversation(),
    listMessages: async () => ({ messages: [], hasMore: false }),
    setTyping: async (conversationId, isTyping) => ({ conversationId, isTyping })
  })
  const live = openConversation(session, 'c')
  t.teardown(() => live.close())
  connect()
  setClock(-HOUR)
  for (let second = 0; second < 18; second++) {
    live.setTyping(true)
    elapse(1000)
    setClock(second % 2 === 0 ? -HOUR : HOUR)
  }
  t.equal(callsOf('setTyping').length, 6)
})

test('a Retry-After that is a date is read by the clock that wrote it', async (t) => {
  const at = (ms: number) => new Date(Date.parse(timestamp) + ms).toUTCString()
  const answers: [name: string, headers: Record<string, string>, delayMs: number][] = [
    ['a minute, of long ago', { date: at(0), 'retry-after': at(60_000) }, 60_000],
    ['a minute, of the future', { date: at(1e12), 'retry-after': at(1e12 + 60_000) }, 60_000],
    ['the past', { date: at(60_000), 'retry-after': at(0) }, 0],
    ['no Date to read it by', { 'retry-after': new Date(Date.now() + HOUR).toUTCString() }, 500]
  ]
  const { random } = Math
  Math.random = () => 0.5
  t.teardown(() => { Math.random = random })
  for (const [name, headers, delayMs] of answers) {
    const { baseUrl } = await scriptedServer(t, (exchange) => {
      exchange.response.sendDate = false
      exchange.refuse(503, 'UNAVAILABLE', headers)
    })
    const recorder = createRecorder()
    const { unsubscribe } = subscribeToSSE({ token, baseUrl, ...recorder.callbacks })
    await recorder.until('onReconnecting')
    unsubscribe()
    t.match(recorder.of('onReconnecting'), [[{ delayMs }]], name)
  }
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange, number) => {
    if (number === 0) exchange.refuse(503, 'UNAVAILABLE', { date: at(HOUR * 24), 'retry-after': at(HOUR * 24) })
    else exchange.json(200, {})
  })
  await createChatClient({ baseUrl, token, retryBaseMs: 1 }).me()
  t.equal(exchanges.length, 2)
})

test('a token is renewed by what the server says, not by the clock here', async (t) => {
  const setClock = setWallClock(t)
  const inMs = (ms: number) => new Date(Date.parse(timestamp) + ms).toISOString()
  let renewals = 0
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange) => {
    if (exchange.url.pathname === '/api/sse') return exchange.open({ expiresAt: inMs(200) })
    setClock(++renewals % 2 === 0 ? -HOUR : HOUR)
    exchange.json(200, { streamId: 's1', expiresAt: inMs(200 * (renewals + 1)) })
  })
  const recorder = createRecorder()
  const { unsubscribe } = subscribeToSSE({ token: () => 't', baseUrl, ...recorder.callbacks })
  await recorder.until('onConnect')
  setClock(HOUR)
  while (exchanges.length < 4) await new Promise((resolve) => setTimeout(resolve, 10))
  unsubscribe()
  t.strictSame(recorder.order(), ['onConnect'])
})

test('without a clock that only goes forward, the wall clock\'s steps back count for nothing', async (t) => {
  const { performance } = globalThis
  const setClock = setWallClock(t)
  Object.defineProperty(globalThis, 'performance', { value: undefined, configurable: true, writable: true })
  t.teardown(() => { Object.defineProperty(globalThis, 'performance', { value: performance, configurable: true, writable: true }) })
  elapsedMs()
  const start = elapsedMs()
  setClock(-HOUR)
  t.ok(elapsedMs() >= start)
  setClock(1000)
  const passed = elapsedMs() - start
  t.ok(passed >= 1000 && passed < HOUR, `${passed}`)
  await settle()
})
