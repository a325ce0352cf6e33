import { test } from 'tap'
import { createChatClient, createSession, subscribeToSSE, type Subscription } from '../../client/index.js'
import { createFakeLocks, createFakeTab } from './fake-tabs.js'
import { messageEvent } from './made.js'
import { createRecorder, quick } from './recorder.js'
import { scriptedServer, type Exchange } from './scripted-server.js'

const token = 't'
const turns = async (count = 20) => { for (let i = 0; i < count; i++) await new Promise(setImmediate) }

/** Announces a restart: `retryAfterMs`, then the end. */
const restart = (exchange: Exchange, retryAfterMs: number) =>
  exchange.open().event('message', messageEvent(1), 'e1').event('disconnect', { reason: 'shutdown', retryAfterMs }).end()

test('a server that restarts: reconnecting in onDisconnect, unsubscribing in onReconnecting', async (t) => {
  const { baseUrl, exchanges, openStreams } = await scriptedServer(t, (exchange) => restart(exchange, 60_000))
  const recorder = createRecorder((name) => {
    if (name === 'onDisconnect') subscription.reconnect()
    if (name === 'onReconnecting') subscription.unsubscribe()
  })
  const subscription: Subscription = subscribeToSSE({ token, baseUrl, ...recorder.callbacks })
  await recorder.until('onReconnecting')
  t.equal(subscription.state, 'closed')
  await exchanges[0]?.closed
  await turns()
  t.equal(subscription.state, 'closed')
  t.equal(exchanges.length, 1)
  t.equal(openStreams(), 0)
})

test('the wait that the server asked for is kept, whoever calls reconnect', async (t) => {
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange) => restart(exchange, 60_000))
  const recorder = createRecorder(() => { subscription.reconnect() })
  const subscription: Subscription = subscribeToSSE({ token, baseUrl, ...recorder.callbacks })
  await recorder.until('onReconnecting')
  await turns()
  const [reconnect] = recorder.first('onReconnecting') as { delayMs: number }[]
  t.ok(reconnect !== undefined && reconnect.delayMs > 55_000, `${reconnect?.delayMs}`)
  t.equal(subscription.state, 'waiting')
  t.equal(exchanges.length, 1)
  subscription.unsubscribe()
})

test('the state is the new one in every callback', async (t) => {
  const { baseUrl } = await scriptedServer(t, (exchange, number) => {
    if (number === 0) exchange.open().cut()
    else if (number === 1) restart(exchange, 1)
    else exchange.open().event('disconnect', { reason: 'removed', retryAfterMs: null })
  })
  const states: string[] = []
  const recorder = createRecorder((name, type) => {
    if (name === 'onEvent' && type === 'message') return
    states.push(`${name === 'onEvent' ? String(type) : name} ${subscription.state}`)
  })
  const subscription: Subscription = subscribeToSSE({ token, baseUrl, ...quick, ...recorder.callbacks, onMessage () {}, onLastEventId () {} })
  await recorder.until('onError')
  t.strictSame(states, [
    'connected connected', 'onConnect connected', 'onDisconnect waiting', 'onReconnecting waiting',
    'connected connected', 'onConnect connected', 'disconnect waiting', 'onDisconnect waiting', 'onReconnecting waiting',
    'connected connected', 'onConnect connected', 'disconnect closed', 'onDisconnect closed', 'onError closed'
  ])
})

test('each callback may call each method, or throw', async (t) => {
  const callbacks = ['onConnect', 'onMessage', 'onEvent', 'onLastEventId', 'onDisconnect', 'onReconnecting', 'onError'] as const
  const actions: ((subscription: Subscription, abort: AbortController) => void)[] = [
    (subscription) => { subscription.reconnect(); subscription.unsubscribe(); subscription.reconnect() },
    (subscription) => { subscription.unsubscribe(); throw new Error('after unsubscribing') },
    (subscription, abort) => { subscription.reconnect(); abort.abort(); subscription.unsubscribe() }
  ]
  for (const name of callbacks) {
    for (const act of actions) {
      const { baseUrl, openStreams } = await scriptedServer(t, (exchange, number) => number > 1 ? exchange.refuse(404) : restart(exchange, 1))
      const abort = new AbortController()
      let done = () => {}
      const acted = new Promise<void>((resolve) => { done = resolve })
      const recorder = createRecorder((called) => {
        if (called !== name) return
        done()
        act(subscription, abort)
      })
      const subscription: Subscription = subscribeToSSE({ token, baseUrl, signal: abort.signal, ...quick, ...recorder.callbacks })
      await acted
      const called = recorder.log.length
      await turns()
      t.equal(subscription.state, 'closed', name)
      t.equal(recorder.log.length, called, 'nothing after it')
      while (openStreams() > 0) await turns(1)
    }
  }
})

test('a token function is called when the subscription is there, and may end it', async (t) => {
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange) => exchange.open())
  let asked = 0
  const subscription: Subscription = subscribeToSSE({ token: () => { asked++; subscription.unsubscribe(); return 't' }, baseUrl })
  t.equal(asked, 0)
  await turns()
  t.equal(asked, 1)
  t.equal(subscription.state, 'closed')
  subscribeToSSE({ token: () => { asked++; return 't' }, baseUrl, signal: AbortSignal.abort() })
  await turns()
  t.strictSame([asked, exchanges.length], [1, 0])
})

test('a session closed by whoever hears it', async (t) => {
  for (const shareTabs of [false, createFakeTab(createFakeLocks())]) {
    const { baseUrl, openStreams } = await scriptedServer(t, (exchange) => {
      if (exchange.url.pathname === '/api/sse') restart(exchange, 1)
      else exchange.json(200, {})
    })
    for (const at of ['connected', 'message', 'disconnect'] as const) {
      const errors: Error[] = []
      const session = createSession(createChatClient({ baseUrl, token, ...quick }), {
        shareTabs,
        userId: 'alice',
        onError (error) { errors.push(error); throw error }
      })
      const heard: string[] = []
      await new Promise<void>((resolve) => {
        session.listen((...[type]) => {
          heard.push(type)
          if (type !== at) return
          resolve()
          session.reconnect()
          session.close()
          throw new Error('after closing')
        })
        session.listen((...[type]) => { if (type === at) heard.push('too late') })
      })
      await turns()
      t.equal(heard.at(-1), at)
      t.equal(session.getSnapshot().status, 'closed')
      t.strictSame(errors.map(({ message }) => message), ['after closing'])
      while (openStreams() > 0) await turns(1)
    }
  }
})
