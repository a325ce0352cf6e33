import { EventSource as StandardEventSource } from 'eventsource'
import { test } from 'tap'
import { subscribeToSSE } from '../../client/index.js'
import { createEventParser } from '../../client/stream/parser.js'
import type { EventSourceConstructor, EventSourceEvent, EventSourceInit } from '../../client/base/platform.js'
import { messageEvent, timestamp } from './made.js'
import { createRecorder, quick } from './recorder.js'
import { scriptedServer, type Exchange } from './scripted-server.js'

const conversationId = 'c'

/** A browser's `EventSource`, which does not report why a connection failed. */
const EventSource: EventSourceConstructor = class extends StandardEventSource {
  override addEventListener (type: string, listener: unknown) {
    const call = listener as (event: EventSourceEvent) => void
    super.addEventListener(type, type === 'error' ? () => call({ type }) : call as never)
  }
}

const answerTicket = (exchange: Exchange, number: number) => exchange.json(201, { ticket: `ticket${number}`, expiresAt: timestamp })
const isTicket = ({ url }: Exchange) => url.pathname === '/api/sse/tickets'

test('a ticket opens the stream, a new one each time', async (t) => {
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange, number) => {
    if (isTicket(exchange)) return answerTicket(exchange, number)
    exchange.open({}, 'p0').event('message', messageEvent(number + 1), `e${number + 1}`)
      .event('typing', { userId: 'bob', displayName: 'Bob', isTyping: true, conversationId, timestamp })
    if (number === 0) exchange.cut()
  })
  const recorder = createRecorder()
  const subscription = subscribeToSSE({ conversationId, token: 'secret', baseUrl, echo: true, EventSource, ...quick, ...recorder.callbacks })
  await recorder.until('onTyping', 2)
  t.strictSame(exchanges.map(({ request }) => request.url), [
    '/api/sse/tickets', '/api/sse?conversationId=c&echo=true&ticket=ticket0',
    '/api/sse/tickets', '/api/sse?conversationId=c&echo=true&lastEventId=e1&ticket=ticket1'
  ])
  t.strictSame(exchanges.map(({ token }) => token), ['secret', undefined, 'secret', undefined])
  t.strictSame(exchanges[0]?.body, { conversationId })
  t.strictSame(recorder.order(), ['onConnect', 'onMessage', 'onTyping', 'onDisconnect', 'onConnect', 'onMessage', 'onTyping'])
  t.strictSame(recorder.of('onEvent').map(([type, , id]) => [type, id]), [
    ['connected', 'p0'], ['message', 'e1'], ['typing', null], ['connected', 'p0'], ['message', 'e2'], ['typing', null]
  ])
  t.equal(subscription.lastEventId, 'e2')
  subscription.unsubscribe()
  await exchanges[3]?.closed
})

test('without tickets the token goes into the URL', async (t) => {
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange) => isTicket(exchange) ? exchange.refuse(404) : exchange.open())
  const recorder = createRecorder()
  const { unsubscribe } = subscribeToSSE({ token: 'a b', baseUrl, EventSource, ...recorder.callbacks })
  await recorder.until('onConnect')
  unsubscribe()
  t.equal(exchanges[1]?.request.url, '/api/sse?token=a%20b')
})

test('a refused ticket', async (t) => {
  const asked: boolean[] = []
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange, number) => {
    if (!isTicket(exchange)) return exchange.open().event('disconnect', { reason: 'removed', retryAfterMs: null })
    if (number === 0) exchange.refuse(401)
    else answerTicket(exchange, number)
  })
  const recorder = createRecorder()
  subscribeToSSE({ token: ({ fresh }) => { asked.push(fresh); return 't' }, baseUrl, EventSource, ...quick, ...recorder.callbacks })
  await recorder.until('onError')
  t.strictSame(asked, [false, true])
  t.strictSame(recorder.order(), ['onConnect', 'onDisconnect', 'onError'])
  t.match(recorder.of('onError'), [[{ code: 'REMOVED' }]])
  await exchanges.at(-1)?.closed
})

test('why a stream was refused is asked for', async (t) => {
  for (const conversationId of ['gone', undefined]) {
    const { baseUrl, exchanges } = await scriptedServer(t, (exchange) => {
      if (isTicket(exchange)) answerTicket(exchange, 0)
      else exchange.refuse(403, 'FORBIDDEN')
    })
    const recorder = createRecorder()
    const subscription = subscribeToSSE({ conversationId, token: 't', baseUrl, EventSource, ...quick, ...recorder.callbacks })
    await recorder.until('onError')
    t.equal(subscription.state, 'closed')
    t.match(recorder.of('onError'), [[{ code: 'FORBIDDEN', statusCode: 403 }]])
    t.strictSame(exchanges.map(({ url }) => url.pathname), [
      '/api/sse/tickets', '/api/sse', conversationId === undefined ? '/api/chat/me' : '/api/chat/conversations/gone'
    ])
  }
})

test('an unreachable stream is tried again, and given up', async (t) => {
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange) => {
    if (isTicket(exchange)) answerTicket(exchange, 0)
    else if (exchange.url.pathname === '/api/sse') exchange.refuse(502)
    else exchange.json(200, {})
  })
  const recorder = createRecorder()
  subscribeToSSE({ token: 't', baseUrl, EventSource, ...quick, maxAttempts: 2, ...recorder.callbacks })
  await recorder.until('onError')
  t.match(recorder.of('onError'), [[{ code: 'GAVE_UP' }]])
  t.equal(exchanges.filter(({ url }) => url.pathname === '/api/sse').length, 3)
})

test('a standard EventSource tells the status and not whose it is, which is asked for', async (t) => {
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange) => isTicket(exchange) ? answerTicket(exchange, 0) : exchange.refuse(404))
  const recorder = createRecorder()
  subscribeToSSE({ token: 't', baseUrl, EventSource: StandardEventSource, ...quick, ...recorder.callbacks })
  await recorder.until('onError')
  t.match(recorder.of('onError'), [[{ statusCode: 404 }]])
  t.strictSame(exchanges.map(({ url }) => url.pathname), ['/api/sse/tickets', '/api/sse', '/api/chat/me'])
})

/** Like the polyfills for React Native: with headers and the status of error responses, and it reconnects silently by itself. */
class PolyfilledEventSource {
  static readonly made: PolyfilledEventSource[] = []
  readonly #listeners = new Map<string, ((event: EventSourceEvent) => void)[]>()
  readonly #abort = new AbortController()
  timer: ReturnType<typeof setTimeout> | undefined

  constructor (readonly url: string, readonly init: EventSourceInit = {}) {
    PolyfilledEventSource.made.push(this)
    this.timer = setTimeout(() => { void this.#open() }, init.timeoutBeforeConnection)
  }

  async #open (): Promise<void> {
    let lastEventId: string | null = null
    try {
      const response = await fetch(this.url, { headers: this.init.headers ?? {}, signal: this.#abort.signal })
      if (response.status !== 200) return this.#dispatch('error', { xhrStatus: response.status, message: await response.text() })
      this.#dispatch('open', {})
      const parse = createEventParser({
        onEvent: (type, data, id) => { lastEventId = id ?? lastEventId; this.#dispatch(type, { data, lastEventId }) },
        onRetry () {}
      })
      const reader = response.body?.getReader()
      for (let read = await reader?.read(); read?.done === false; read = await reader?.read()) parse(read.value)
      this.timer = setTimeout(() => { void this.#open() }, 1)
    } catch {
      if (!this.#abort.signal.aborted) this.#dispatch('error', { xhrStatus: 0 })
    }
  }

  #dispatch (type: string, event: EventSourceEvent): void {
    for (const listener of this.#listeners.get(type) ?? []) listener({ type, ...event })
  }

  addEventListener (type: string, listener: (event: EventSourceEvent) => void): void {
    this.#listeners.set(type, [...this.#listeners.get(type) ?? [], listener])
  }

  close (): void {
    clearTimeout(this.timer)
    this.#abort.abort()
    this.#dispatch('close', {})
  }
}

test('a polyfill that takes headers: no ticket, and no reconnecting of its own', async (t) => {
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange, number) => {
    if (number === 1) return exchange.open({}, 'own')
    exchange.open({}, `p${number}`).event('message', messageEvent(number + 1), `e${number + 1}`)
    if (number === 0) exchange.end()
    else if (number === 2) exchange.cut()
  })
  const recorder = createRecorder()
  const { unsubscribe } = subscribeToSSE({ token: 'secret', baseUrl, EventSource: PolyfilledEventSource, eventSourceHeaders: true, ...quick, ...recorder.callbacks })
  await recorder.until('onMessage', 3)
  unsubscribe()
  t.strictSame(exchanges.map(({ request, token }) => [request.url, token]), [
    ['/api/sse', 'secret'],
    ['/api/sse', 'secret'], // Its own reconnect, closed at once
    ['/api/sse?lastEventId=e1', 'secret'],
    ['/api/sse?lastEventId=e3', 'secret']
  ])
  t.strictSame(recorder.first('onDisconnect'), ['ended', 'network'])
  t.notOk(recorder.first('onLastEventId').includes('own'))
  await Promise.all(exchanges.map(({ closed }) => closed))
})

test('a polyfill that tells the status', async (t) => {
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange, number) => exchange.refuse(number === 0 ? 401 : 404, 'NOT_FOUND'))
  const asked: boolean[] = []
  const recorder = createRecorder()
  subscribeToSSE({ token: ({ fresh }) => { asked.push(fresh); return 't' }, baseUrl, EventSource: PolyfilledEventSource, eventSourceHeaders: true, ...recorder.callbacks })
  await recorder.until('onError')
  t.strictSame(asked, [false, true])
  t.match(recorder.of('onError'), [[{ statusCode: 404, code: 'NOT_FOUND' }]])
  t.equal(exchanges.length, 2)
})

test('unsubscribing while the ticket is on its way opens nothing', async (t) => {
  let answer = () => {}
  const requested = new Promise<void>((resolve) => {
    answer = resolve
  })
  const { baseUrl, exchanges } = await scriptedServer(t, () => answer())
  const made = PolyfilledEventSource.made.length
  const { unsubscribe } = subscribeToSSE({ token: 't', baseUrl, EventSource: PolyfilledEventSource })
  await requested
  unsubscribe()
  await exchanges[0]?.closed
  t.equal(exchanges.length, 1)
  t.equal(PolyfilledEventSource.made.length, made)
})

test('silence before connected ends an EventSource, silence after it does not', async (t) => {
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange, number) => {
    if (isTicket(exchange)) return answerTicket(exchange, number)
    if (number === 0) exchange.headers()
    else exchange.open({ heartbeatMs: 10 })
  })
  const recorder = createRecorder()
  const { unsubscribe } = subscribeToSSE({ token: 't', baseUrl, EventSource, ...quick, connectTimeoutMs: 200, ...recorder.callbacks })
  await recorder.until('onConnect')
  await exchanges[1]?.closed
  const wait = Promise.race([recorder.until('onDisconnect'), new Promise((resolve) => setTimeout(resolve, 80))])
  await wait // Its heartbeats are not visible
  t.strictSame(recorder.order(), ['onConnect'])
  unsubscribe()
})
