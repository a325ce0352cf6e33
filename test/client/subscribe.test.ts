import { test } from 'tap'
import { type ChatError, subscribeToSSE } from '../../client/index.js'
import { createSequenceGuard } from '../../client/stream/sequence-guard.js'
import type { ChatEvents } from '../../schemas/events.js'
import { connected, conversationEvent, messageEvent, participantEvent, reactionEvent, timestamp } from './made.js'
import { createRecorder, quick } from './recorder.js'
import { frame, scriptedServer } from './scripted-server.js'

const conversationId = 'c'
const token = 'the.secret.token'

const participant = (eventSeq: number): ChatEvents['participantJoined'] => participantEvent('carol', { eventSeq })

test('every event goes to its callback, in the order of the stream', async (t) => {
  const { event, ...events } = {
    event: messageEvent,
    created: { conversationId, type: 'group', title: 'T', createdBy: 'bob', timestamp, eventSeq: 1 } as const,
    status: { messageId: 'm2', status: 'read', conversationId, userId: 'bob', timestamp, eventSeq: 3 } as const,
    typing: { userId: 'bob', displayName: 'Bob', isTyping: true, conversationId, timestamp },
    online: { userId: 'bob', isOnline: false, lastSeen: timestamp, timestamp },
    reaction: reactionEvent(2, 'bob', '👍', true, [{ emoji: '👍', count: 1 }], 9),
    updated: conversationEvent({ title: 'New', changed: ['title'], eventSeq: 10 }),
    user: { userId: 'bob', displayName: 'Robert', avatar: null, metadata: { team: 'red' }, timestamp },
    reset: { conversationId, reason: 'pruned' } as const
  }
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange) => exchange.open()
    .event('conversationCreated', events.created, 'e1')
    .event('message', event(2), 'e2')
    .event('statusUpdate', events.status, 'e3')
    .event('typing', events.typing)
    .event('messageUpdated', event(4, { text: 'new' }), 'e4')
    .event('messageDeleted', event(5, { text: '' }), 'e5')
    .event('onlineStatus', events.online)
    .event('participantJoined', participant(6), 'e6')
    .event('participantUpdated', participant(7), 'e7')
    .event('participantLeft', participant(8), 'e8')
    .event('reaction', events.reaction, 'e9')
    .event('userUpdated', events.user)
    .event('conversationUpdated', events.updated, 'e10')
    .event('reset', events.reset, 'e11')
    .raw(frame('fromTheFuture', { a: 1 }, 'e12')))
  const recorder = createRecorder()
  const subscription = subscribeToSSE({ conversationId, token, baseUrl, ...recorder.callbacks })
  t.equal(subscription.state, 'connecting')
  await recorder.until('onLastEventId', 13)
  t.equal(subscription.state, 'connected')
  subscription.unsubscribe()

  t.strictSame(recorder.log.filter(([name]) => name !== 'onEvent' && name !== 'onLastEventId'), [
    ['onConnect', connected()],
    ['onConversationCreated', events.created],
    ['onMessage', event(2)],
    ['onStatusUpdate', 'm2', 'read', events.status],
    ['onTyping', events.typing],
    ['onMessageUpdated', event(4, { text: 'new' })],
    ['onMessageDeleted', event(5, { text: '' })],
    ['onOnlineStatus', events.online],
    ['onParticipantJoined', participant(6)],
    ['onParticipantUpdated', participant(7)],
    ['onParticipantLeft', participant(8)],
    ['onReaction', events.reaction],
    ['onUserUpdated', events.user],
    ['onConversationUpdated', events.updated],
    ['onReset', events.reset]
  ])
  t.strictSame(recorder.of('onEvent').map(([type, , id]) => [type, id]), [
    ['connected', 'start'], ['conversationCreated', 'e1'], ['message', 'e2'], ['statusUpdate', 'e3'], ['typing', null],
    ['messageUpdated', 'e4'], ['messageDeleted', 'e5'], ['onlineStatus', null], ['participantJoined', 'e6'],
    ['participantUpdated', 'e7'], ['participantLeft', 'e8'], ['reaction', 'e9'],
    ['userUpdated', null], ['conversationUpdated', 'e10'], ['reset', 'e11'], ['fromTheFuture', 'e12']
  ])
  t.equal(subscription.lastEventId, 'e12')
  t.equal(subscription.state, 'closed')

  const [exchange] = exchanges
  t.equal(exchange?.token, token, 'the token is in the header')
  t.equal(exchange?.request.url, '/api/sse?conversationId=c', 'and nowhere else')
  await exchange?.closed
})

test('what is asked for', async (t) => {
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange) => exchange.open())
  const ask = async (options: Partial<Parameters<typeof subscribeToSSE>[0]>) => {
    const recorder = createRecorder()
    const { unsubscribe } = subscribeToSSE({ token, baseUrl, ...recorder.callbacks, ...options })
    await recorder.until('onConnect')
    unsubscribe()
    return exchanges.at(-1)
  }
  t.equal((await ask({}))?.request.url, '/api/sse')
  t.equal((await ask({}))?.lastEventId, undefined)
  t.equal((await ask({ conversationId: 'conv_a&b ü_c', echo: true }))?.request.url, '/api/sse?conversationId=conv_a%26b%20%C3%BC_c&echo=true')
  t.equal((await ask({ baseUrl: `${baseUrl}/chat/` }))?.request.url, '/chat/api/sse')
  const resumed = await ask({ lastEventId: 'x:1-2.3_4' })
  t.equal(resumed?.lastEventId, 'x:1-2.3_4')
  t.equal(resumed?.request.url, '/api/sse', 'one URL for all positions, so that a browser preflights once')
  t.equal((await ask({ token: async () => 'from a function' }))?.token, 'from a function')
})

test('a stream cut inside an event goes on after the last whole one', async (t) => {
  const cutEvent = frame('message', messageEvent(2), 'e2')
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange, number) => {
    if (number === 0) exchange.open().event('message', messageEvent(1), 'e1').raw(cutEvent.slice(0, -1)).response.write('', () => exchange.response.destroy())
    else if (number === 1) exchange.open({ resumed: true }, 'e1').raw(cutEvent.slice(0, 20)).end()
    else exchange.open({ resumed: true }, 'e1').raw(cutEvent).event('message', messageEvent(3), 'e3')
  })
  const recorder = createRecorder()
  const { unsubscribe } = subscribeToSSE({ conversationId, token, baseUrl, ...quick, ...recorder.callbacks })
  await recorder.until('onMessage', 3)
  unsubscribe()
  t.strictSame(recorder.of('onMessage'), [[messageEvent(1)], [messageEvent(2)], [messageEvent(3)]])
  t.strictSame(exchanges.map(({ lastEventId }) => lastEventId), [undefined, 'e1', 'e1'])
  t.strictSame(recorder.first('onDisconnect'), ['network', 'ended'])
  t.strictSame(recorder.order(), ['onConnect', 'onMessage', 'onDisconnect', 'onConnect', 'onDisconnect', 'onConnect', 'onMessage', 'onMessage'])
})

test('a drop right after connected resumes at its id', async (t) => {
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange, number) => {
    exchange.open({}, 'p0')
    if (number === 0) exchange.cut()
  })
  const recorder = createRecorder()
  const { unsubscribe } = subscribeToSSE({ token, baseUrl, ...quick, ...recorder.callbacks })
  await recorder.until('onConnect', 2)
  unsubscribe()
  t.equal(exchanges[1]?.lastEventId, 'p0')
})

test('the position moves when the callback has returned', async (t) => {
  const { baseUrl } = await scriptedServer(t, (exchange) => exchange.open({}, 'p0').event('message', messageEvent(1), 'e1'))
  const seen: (string | null)[] = []
  const recorder = createRecorder((name) => { if (name === 'onMessage') seen.push(subscription.lastEventId) })
  const subscription = subscribeToSSE({ conversationId, token, baseUrl, ...recorder.callbacks })
  await recorder.until('onLastEventId', 2)
  t.strictSame(seen, ['p0'])
  t.strictSame(recorder.first('onLastEventId'), ['p0', 'e1'])
  t.strictSame(recorder.log.map(([name]) => name), ['onEvent', 'onConnect', 'onLastEventId', 'onEvent', 'onMessage', 'onLastEventId'])
  subscription.unsubscribe()
})

test('repeated events are dropped, conversation by conversation', async (t) => {
  const inD = { conversationId: 'd' }
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange, number) => {
    if (number === 0) {
      exchange.open().event('message', messageEvent(1), 'p1').event('message', messageEvent(1, inD), 'p2').event('message', messageEvent(2), 'p3').cut()
    } else {
      exchange.open({ resumed: true }, 'p3')
        .event('message', messageEvent(1, inD), 'p2').event('message', messageEvent(2), 'p3')
        .event('message', messageEvent(2, inD), 'p4').event('message', messageEvent(3), 'p5').event('message', messageEvent(3), 'p6')
    }
  })
  const recorder = createRecorder()
  const subscription = subscribeToSSE({ token, baseUrl, ...quick, ...recorder.callbacks })
  await recorder.until('onLastEventId', 8)
  subscription.unsubscribe()
  t.strictSame(recorder.of('onMessage').map(([event]) => { const { conversationId, seq } = event as ChatEvents['message']; return conversationId + seq }),
    ['c1', 'd1', 'c2', 'd2', 'c3'])
  t.equal(exchanges[1]?.lastEventId, 'p3')
  t.equal(subscription.lastEventId, 'p6', 'a repeated event moves the position all the same')
  t.equal(recorder.of('onEvent').filter(([type]) => type === 'message').length, 5)
})

test('after a reset', async (t) => {
  const run = async (reset: ChatEvents['reset']) => {
    const { baseUrl } = await scriptedServer(t, (exchange) => exchange.open()
      .event('message', messageEvent(7), 'p1').event('message', messageEvent(7, { conversationId: 'd' }), 'p2')
      .event('reset', reset, 'p3')
      .event('message', messageEvent(1), 'p4').event('message', messageEvent(8), 'p5').event('message', messageEvent(8), 'p6')
      .event('message', messageEvent(1, { conversationId: 'd' }), 'p7'))
    const recorder = createRecorder()
    const { unsubscribe } = subscribeToSSE({ token, baseUrl, ...recorder.callbacks })
    await recorder.until('onLastEventId', 8)
    unsubscribe()
    t.strictSame(recorder.of('onReset'), [[reset]])
    return recorder.of('onMessage').map(([event]) => (event as ChatEvents['message']).conversationId + (event as ChatEvents['message']).seq)
  }
  t.strictSame(await run({ conversationId: 'c', reason: 'ahead' }), ['c7', 'd7', 'c1', 'c8'], 'the numbers of that conversation begin anew')
  t.strictSame(await run({ conversationId: null, reason: 'foreign' }), ['c7', 'd7', 'c1', 'c8', 'd1'], 'or of all')
  t.strictSame(await run({ conversationId: 'c', reason: 'diverged' }), ['c7', 'd7', 'c1', 'c8'], 'where the log has lost its end, too')
  t.strictSame(await run({ conversationId: null, reason: 'diverged' }), ['c7', 'd7', 'c1', 'c8', 'd1'])
  t.strictSame(await run({ conversationId: 'c', reason: 'pruned' }), ['c7', 'd7', 'c8'], 'but not where only old events are gone')
})

test('401: the token function is asked once more', async (t) => {
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange, number) => {
    if (number % 2 === 0) exchange.refuse(401, 'TOKEN_EXPIRED')
    else exchange.open().cut()
  })
  const asked: boolean[] = []
  const recorder = createRecorder()
  const { unsubscribe } = subscribeToSSE({ token: ({ fresh }) => { asked.push(fresh); return `t${asked.length}` }, baseUrl, ...quick, ...recorder.callbacks })
  await recorder.until('onConnect', 2)
  unsubscribe()
  t.strictSame(exchanges.map((exchange) => exchange.token), ['t1', 't2', 't3', 't4'])
  t.strictSame(asked, [false, true, false, true])
  t.strictSame(recorder.of('onError'), [])
})

test('401 twice, or with a fixed token, is final', async (t) => {
  for (const [source, requests] of [[async () => 'stale', 2], ['fixed', 1]] as const) {
    const { baseUrl, exchanges } = await scriptedServer(t, (exchange) => exchange.refuse(401, 'UNAUTHORIZED'))
    const recorder = createRecorder()
    const subscription = subscribeToSSE({ token: source, baseUrl, ...quick, ...recorder.callbacks })
    await recorder.until('onError')
    t.equal(subscription.state, 'closed')
    t.equal(exchanges.length, requests)
    t.match(recorder.of('onError'), [[{ name: 'ChatError', code: 'UNAUTHORIZED', statusCode: 401, message: 'Refused: UNAUTHORIZED' }]])
    t.strictSame(recorder.order(), ['onError'])
  }
})

test('refusals that coming back can\'t mend are final', async (t) => {
  for (const status of [400, 403, 404, 410, 204]) {
    const { baseUrl, exchanges } = await scriptedServer(t, (exchange) => {
      if (status === 204) exchange.response.writeHead(204).end()
      else exchange.refuse(status, 'NOPE')
    })
    const recorder = createRecorder()
    const subscription = subscribeToSSE({ token: () => 't', baseUrl, ...quick, ...recorder.callbacks })
    await recorder.until('onError')
    t.equal(subscription.state, 'closed')
    t.equal(exchanges.length, 1)
    t.strictSame(recorder.order(), ['onError'])
    t.equal((recorder.first('onError')[0] as ChatError).statusCode, status)
  }
})

test('an answer that is no JSON', async (t) => {
  const { baseUrl } = await scriptedServer(t, (exchange) => exchange.response.writeHead(404, { 'content-type': 'text/html' }).end('<h1>no</h1>'))
  const recorder = createRecorder()
  subscribeToSSE({ token, baseUrl, ...quick, maxAttempts: 2, ...recorder.callbacks })
  await recorder.until('onError')
  t.match(recorder.of('onError'), [[{ code: 'GAVE_UP', statusCode: 404, cause: { code: 'HTTP_ERROR', statusCode: 404 } }]])
})

test('removed: told, and final', async (t) => {
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange) => exchange.open().event('disconnect', { reason: 'removed', retryAfterMs: null }).end())
  const recorder = createRecorder()
  const subscription = subscribeToSSE({ token, baseUrl, ...quick, ...recorder.callbacks })
  await recorder.until('onError')
  t.strictSame(recorder.order(), ['onConnect', 'onDisconnect', 'onError'])
  t.strictSame(recorder.first('onDisconnect'), ['removed'])
  t.match(recorder.of('onError'), [[{ code: 'REMOVED' }]])
  t.equal(subscription.state, 'closed')
  await exchanges[0]?.closed
  t.equal(exchanges.length, 1)
})

test('what the server asks to wait is waited', async (t) => {
  const inAMinute = new Date(Date.now() + 60_000).toUTCString()
  const answers: [name: string, answer: Parameters<typeof scriptedServer>[1], min: number, max?: number][] = [
    ['retryAfterMs', (exchange) => exchange.open().event('disconnect', { reason: 'shutdown', retryAfterMs: 4321 }).end(), 4321],
    ['retryAfterMs without connected', (exchange) => exchange.headers().raw('retry: 9\n').event('disconnect', { reason: 'unavailable', retryAfterMs: 7777 }).end(), 7777],
    ['retryAfterMs 0', (exchange) => exchange.open().event('disconnect', { reason: 'token_expired', retryAfterMs: 0 }).end(), 0],
    ['retry', (exchange) => exchange.open().raw('retry: 2345\n').cut(), 2345],
    ['Retry-After in seconds', (exchange) => exchange.refuse(429, 'TOO_MANY_STREAMS', { 'retry-after': '7' }), 7000],
    ['Retry-After as a date', (exchange) => exchange.refuse(503, 'UNAVAILABLE', { 'retry-after': inAMinute }), 1000, 60_000],
    ['a Retry-After of the past', (exchange) => exchange.refuse(503, 'UNAVAILABLE', { 'retry-after': new Date(0).toUTCString() }), 0],
    ['an unreadable Retry-After', (exchange) => exchange.refuse(503, 'UNAVAILABLE', { 'retry-after': 'soon' }), 0, 1000],
    ['more than a timer can hold', (exchange) => exchange.open().raw('retry: 99999999999\n').cut(), 2 ** 31 - 1]
  ]
  for (const [name, answer, min, max = min] of answers) {
    const { baseUrl } = await scriptedServer(t, answer)
    const recorder = createRecorder()
    const subscription = subscribeToSSE({ token: () => 't', baseUrl, ...recorder.callbacks })
    await recorder.until('onReconnecting')
    subscription.unsubscribe()
    const [reconnect] = recorder.first('onReconnecting') as { attempt: number, delayMs: number }[]
    t.equal(reconnect?.attempt, 1, name)
    t.ok(reconnect && reconnect.delayMs >= min && reconnect.delayMs <= max, `${name}: ${reconnect?.delayMs}`)
  }
})

test('disconnect reasons are told', async (t) => {
  for (const reason of ['shutdown', 'too_slow', 'unavailable', 'token_expired'] as const) {
    const asked: boolean[] = []
    const { baseUrl, exchanges } = await scriptedServer(t, (exchange, number) => {
      exchange.open()
      // What follows it in the same chunk belongs to the next connection.
      if (number === 0) exchange.raw(frame('disconnect', { reason, retryAfterMs: 1 }) + frame('message', messageEvent(1), 'e1')).end()
      else exchange.event('message', messageEvent(1), 'e1')
    })
    const recorder = createRecorder()
    const { unsubscribe } = subscribeToSSE({ token: ({ fresh }) => { asked.push(fresh); return 't' }, baseUrl, ...quick, ...recorder.callbacks })
    await recorder.until('onMessage')
    unsubscribe()
    t.strictSame(recorder.order(), ['onConnect', 'onDisconnect', 'onConnect', 'onMessage'])
    t.strictSame(recorder.first('onDisconnect'), [reason])
    t.equal(exchanges[1]?.lastEventId, 'start')
    t.strictSame(asked, [false, reason === 'token_expired'], 'an expired token is replaced')
  }
})

test('answers that are no event stream', async (t) => {
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange, number) => {
    if (number === 0) exchange.headers('text/html').raw('<p>Please sign in to the network</p>')
    else if (number === 1) exchange.headers().end()
    else if (number === 2) exchange.response.destroy()
    else if (number === 3) exchange.refuse(500)
    else if (exchange.url.pathname === '/api/sse') exchange.response.writeHead(307, { location: '/elsewhere' }).end()
    else exchange.open()
  })
  const recorder = createRecorder()
  const { unsubscribe } = subscribeToSSE({ token, baseUrl, ...quick, ...recorder.callbacks })
  await recorder.until('onConnect')
  unsubscribe()
  t.strictSame(recorder.order(), ['onConnect'])
  t.match(recorder.first('onReconnecting'), [
    { attempt: 1, error: { code: 'NOT_A_STREAM' } }, { attempt: 2, error: { code: 'STREAM_ENDED' } },
    { attempt: 3, error: { code: 'NETWORK' } }, { attempt: 4, error: { code: 'SOME_CODE', statusCode: 500 } }
  ])
  t.equal(exchanges.at(-1)?.token, token, 'a redirect on the same origin is followed')
  await exchanges[0]?.closed
})

test('gives up after maxAttempts reconnects without a connected between', async (t) => {
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange, number) => {
    if (number === 2) exchange.open().cut()
    else exchange.refuse(503, 'UNAVAILABLE')
  })
  const recorder = createRecorder()
  const subscription = subscribeToSSE({ token, baseUrl, ...quick, maxAttempts: 3, ...recorder.callbacks })
  await recorder.until('onError')
  t.equal(subscription.state, 'closed')
  t.strictSame(recorder.first('onReconnecting').map((reconnect) => (reconnect as { attempt: number }).attempt), [1, 2, 1, 2, 3])
  t.equal(exchanges.length, 6, 'the first connection, two reconnects to connected, three more')
  t.match(recorder.of('onError'), [[{ code: 'GAVE_UP', statusCode: 503, cause: { code: 'UNAVAILABLE' } }]])
  t.strictSame(recorder.order(), ['onConnect', 'onDisconnect', 'onError'])
})

test('ten are the default', async (t) => {
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange) => exchange.response.destroy())
  const recorder = createRecorder()
  subscribeToSSE({ token, baseUrl, ...quick, ...recorder.callbacks })
  await recorder.until('onError')
  t.equal(exchanges.length, 11)
})

test('silence is noticed after 2.5 heartbeats, heartbeats count', async (t) => {
  let beats = 0
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange, number) => {
    exchange.open({ heartbeatMs: 400 })
    if (number > 0) return
    const timer = setInterval(() => {
      exchange.raw(': heartbeat\n\n')
      if (++beats === 12) clearInterval(timer)
    }, 100)
  })
  const recorder = createRecorder()
  const { unsubscribe } = subscribeToSSE({ token, baseUrl, ...quick, ...recorder.callbacks })
  await recorder.until('onConnect', 2)
  unsubscribe()
  t.equal(beats, 12, 'longer than 2.5 heartbeats')
  t.strictSame(recorder.first('onDisconnect'), ['silent'])
  t.match(recorder.first('onReconnecting'), [{ error: { code: 'TIMEOUT' } }])
  await exchanges[0]?.closed
})

test('a connection without answer, or without connected, times out', async (t) => {
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange, number) => {
    if (number === 1) exchange.headers()
    else if (number === 2) exchange.response.writeHead(404).write('{ "never": ')
    else if (number > 2) exchange.open()
  })
  const recorder = createRecorder()
  const { unsubscribe } = subscribeToSSE({ token, baseUrl, ...quick, connectTimeoutMs: 200, ...recorder.callbacks })
  await recorder.until('onConnect')
  unsubscribe()
  t.strictSame(recorder.order(), ['onConnect'])
  t.match(recorder.first('onReconnecting'), [{ error: { code: 'TIMEOUT' } }, { error: { code: 'TIMEOUT' } }, { error: { code: 'TIMEOUT' } }])
  await Promise.all(exchanges.map(({ closed }) => closed))
})

test('a token function may be slow, or fail for a while', async (t) => {
  const { baseUrl, exchanges } = await scriptedServer(t, (exchange) => exchange.open())
  let calls = 0
  const recorder = createRecorder()
  const { unsubscribe } = subscribeToSSE({
    token: async () => {
      await new Promise(setImmediate)
      if (++calls < 3) throw new Error('no identity provider')
      return 'late'
    },
    baseUrl,
    ...quick,
    ...recorder.callbacks
  })
  await recorder.until('onConnect')
  unsubscribe()
  t.equal(exchanges.length, 1)
  t.equal(exchanges[0]?.token, 'late')
  t.match(recorder.first('onReconnecting'), [{ error: { code: 'TOKEN_FAILED', cause: { message: 'no identity provider' } } }, { error: { code: 'TOKEN_FAILED' } }])
})

test('a token function that hangs is asked again', async (t) => {
  const { baseUrl } = await scriptedServer(t, (exchange) => exchange.open())
  const recorder = createRecorder()
  let calls = 0
  const { unsubscribe } = subscribeToSSE({
    token: () => ++calls < 3 ? new Promise<string>(() => {}) : 'late',
    baseUrl,
    ...quick,
    connectTimeoutMs: 20,
    ...recorder.callbacks
  })
  await recorder.until('onConnect')
  unsubscribe()
  t.match(recorder.first('onReconnecting'), [{ attempt: 1, error: { code: 'TIMEOUT' } }, { attempt: 2 }])
})

test('callbacks that throw or reject are reported and harm nothing', async (t) => {
  const { baseUrl } = await scriptedServer(t, (exchange) => exchange.open()
    .event('message', messageEvent(1), 'e1').event('message', messageEvent(2), 'e2').event('message', messageEvent(3), 'e3'))
  const errors: Error[] = []
  const seen: number[] = []
  await new Promise<void>((resolve) => {
    const { unsubscribe } = subscribeToSSE({
      conversationId,
      token,
      baseUrl,
      onConnect () { throw new TypeError('in onConnect') },
      onMessage ({ seq }) {
        seen.push(seq)
        if (seq === 1) throw new Error('in onMessage')
        if (seq === 2) return Promise.reject(new Error('rejected')) as unknown as void
      },
      // eslint-disable-next-line no-throw-literal
      onEvent (type) { if (type === 'message') throw 'no error at all' },
      onLastEventId (id) {
        if (id === 'e3') setImmediate(() => { unsubscribe(); resolve() })
        throw new Error(`at ${id}`)
      },
      onError (error) {
        errors.push(error)
        throw new Error('in onError')
      }
    })
  })
  t.strictSame(seen, [1, 2, 3])
  t.strictSame(errors.map(({ message }) => message).sort(), [
    'at e1', 'at e2', 'at e3', 'at start', 'in onConnect', 'in onMessage', 'no error at all', 'no error at all', 'no error at all', 'rejected'
  ])
})

test('an event whose data is no JSON object is reported and skipped', async (t) => {
  const { baseUrl } = await scriptedServer(t, (exchange) => exchange.open()
    .raw('event: message\nid: e1\ndata: {"seq": 1\n\n').raw(frame('message', null, 'e1')).raw(frame('statusUpdate', 5, 'e1')).event('message', messageEvent(2), 'e2'))
  const recorder = createRecorder()
  const { unsubscribe } = subscribeToSSE({ token, baseUrl, ...recorder.callbacks })
  await recorder.until('onMessage')
  unsubscribe()
  t.match(recorder.of('onError'), [[{ code: 'BAD_EVENT' }], [{ code: 'BAD_EVENT' }], [{ code: 'BAD_EVENT' }]])
  t.strictSame(recorder.of('onMessage'), [[messageEvent(2)]])
})

test('conversations that were quiet for longest are forgotten first', async (t) => {
  const { isNew } = createSequenceGuard(2)
  const event = (conversationId: string, eventSeq: number) => isNew(['message', messageEvent(eventSeq, { conversationId }), null])
  t.ok(event('a', 1))
  t.ok(event('b', 1))
  t.ok(event('a', 2))
  t.ok(event('c', 1))
  t.notOk(event('a', 2))
  t.ok(event('b', 1), 'forgotten')
})
