import { EventSource } from 'eventsource'
import t from 'tap'
import { subscribeToSSE } from '../../client/index.js'
import type { EventSourceConstructor } from '../../client/base/platform.js'
import { token as makeToken } from '../helper.js'
import { clientOf, pair as pairOf } from './people.js'
import { createRecorder } from './recorder.js'
import { serverProcess } from './server-process.js'

// Subscriptions against the real server, in its own process.

const { baseUrl, start, kill } = await serverProcess(t)
const pair = (t: Parameters<typeof pairOf>[0]) => pairOf(t, baseUrl)

t.test('one conversation\'s stream over a restart, through fetch and through an EventSource', async (t) => {
  const { names: [annId], id, ben } = await pair(t)
  const streams = [{}, { EventSource }].map((more: { EventSource?: EventSourceConstructor }) => {
    const recorder = createRecorder()
    const subscription = clientOf(baseUrl, annId).subscribe({ conversationId: id, ...more, ...recorder.callbacks })
    t.teardown(() => subscription.unsubscribe())
    return { recorder, subscription }
  })
  await Promise.all(streams.map(({ recorder }) => recorder.until('onConnect')))
  for (let i = 0; i < 5; i++) ben.chat.send(`before ${i}`)
  await Promise.all(streams.map(({ recorder }) => recorder.until('onMessage', 5)))
  await kill('SIGTERM')
  for (let i = 0; i < 5; i++) ben.chat.send(`after ${i}`)
  await start()
  await Promise.all(streams.map(({ recorder }) => recorder.until('onMessage', 10)))
  for (const { recorder, subscription } of streams) {
    t.strictSame(recorder.first('onMessage').map((message) => (message as { seq: number }).seq), Array.from({ length: 10 }, (_, i) => i + 1))
    t.strictSame(recorder.first('onDisconnect'), ['shutdown'])
    t.equal(subscription.state, 'connected')
  }
})

t.test('a stream outlives its tokens', async (t) => {
  const { names: [annId, benId], id, ben } = await pair(t)
  let tokens = 0
  let several = () => {}
  const renewed = new Promise<void>((resolve) => { several = resolve })
  const recorder = createRecorder()
  const subscription = subscribeToSSE({
    conversationId: id,
    baseUrl,
    token () {
      if (++tokens === 3) several()
      return makeToken({ sub: annId, exp: Math.floor(Date.now() / 1000) + 2 + tokens })
    },
    ...recorder.callbacks
  })
  await recorder.until('onConnect')
  await renewed
  ben.chat.send('still there?')
  await recorder.until('onMessage')
  t.strictSame(recorder.of('onDisconnect'), [])
  subscription.unsubscribe()

  const expiring = createRecorder()
  subscribeToSSE(
    { conversationId: id, baseUrl, token: makeToken({ sub: benId, exp: Math.floor(Date.now() / 1000) + 2 }), backoffBaseMs: 1, ...expiring.callbacks }
  )
  await expiring.until('onError')
  const aboutTheStream = ['onConnect', 'onDisconnect', 'onError']
  t.strictSame(expiring.order().filter((name) => aboutTheStream.includes(name)), aboutTheStream)
  t.strictSame(expiring.first('onDisconnect'), ['token_expired'])
  t.match(expiring.of('onError'), [[{ code: 'TOKEN_EXPIRED', statusCode: 401 }]])
})

t.test('refusals', async (t) => {
  const { names: [annId], id } = await pair(t)
  const refused = async (options: Partial<Parameters<typeof subscribeToSSE>[0]>) => {
    const recorder = createRecorder()
    const subscription = subscribeToSSE({ token: makeToken({ sub: 'stranger' }), conversationId: id, baseUrl, ...options, ...recorder.callbacks })
    await recorder.until('onError')
    t.equal(subscription.state, 'closed')
    t.strictSame(recorder.order(), ['onError'])
    return recorder.first('onError')[0]
  }
  t.match(await refused({}), { code: 'NOT_FOUND', statusCode: 404 })
  t.match(await refused({ EventSource }), { statusCode: 404 })
  t.match(await refused({ token: 'nonsense' }), { code: 'UNAUTHORIZED', statusCode: 401 })
  t.match(await refused({ token: () => makeToken({ sub: annId, exp: 1 }) }), { code: 'TOKEN_EXPIRED', statusCode: 401 })
})
