import { test } from 'tap'
import { createChatClient, createSession, openConversation } from '../../client/index.js'
import { setElapsedForward } from './clocks.js'
import { connected, conversation, message } from './made.js'
import { scriptedServer, type Exchange } from './scripted-server.js'

type Teardown = Parameters<typeof scriptedServer>[0]
const turns = async (count = 20) => { for (let i = 0; i < count; i++) await new Promise(setImmediate) }

/** A service that responds to each request when the test says so. */
async function held (t: Teardown) {
  const { baseUrl, exchanges } = await scriptedServer(t, () => {})
  let handled = 0
  const seen = () => exchanges.slice(0, handled).map(told)
  const told = ({ request, url, body }: Exchange) => {
    const what = url.pathname.split('/').slice(3).join('/')
    return `${request.method ?? ''} ${what} ${Object.values((body ?? {}) as object).filter((value) => typeof value !== 'string' || value.length < 9).join(' ')}`
  }
  return {
    client: createChatClient({ baseUrl, token: 't', retryBaseMs: 1 }),
    exchanges,
    seen,
    /** The next request, which must be the only open one. */
    async next (t: { equal (found: unknown, wanted: unknown, message: string): unknown }): Promise<Exchange> {
      while (exchanges.length <= handled) await turns(1)
      await turns()
      t.equal(exchanges.length, handled + 1, 'one at a time')
      const exchange = exchanges[handled++]
      if (exchange === undefined) throw new Error('there is one')
      return exchange
    }
  }
}

test('a message waits for the typing before it', async (t) => {
  const { client, next, seen } = await held(t)
  const typing = client.setTyping('c', true)
  const sent = client.sendMessage({ conversationId: 'c', text: 'ok' })
  ;(await next(t)).json(200, { conversationId: 'c', isTyping: true })
  t.strictSame(await typing, { conversationId: 'c', isTyping: true })
  ;(await next(t)).json(201, message(1))
  t.match(await sent, { seq: 1 })
  t.strictSame(seen(), ['POST typing c true', 'POST messages c ok'])
})

test('typing that something newer has outdated is not sent', async (t) => {
  const { client, next, seen } = await held(t)
  const told = [client.setTyping('c', true), client.setTyping('c', false), client.setTyping('c', true), client.setTyping('c', false)]
  ;(await next(t)).json(200, { conversationId: 'c', isTyping: true })
  t.strictSame(await Promise.all(told.slice(1, 3)), [{ conversationId: 'c', isTyping: false }, { conversationId: 'c', isTyping: true }])
  ;(await next(t)).json(200, { conversationId: 'c', isTyping: false })
  await Promise.all(told)
  const more = [client.sendMessage({ conversationId: 'c', text: 'a' }), client.setTyping('c', true), client.sendMessage({ conversationId: 'c', text: 'b' })]
  for (const seq of [1, 2]) (await next(t)).json(201, message(seq))
  await Promise.all(more)
  t.strictSame(seen(), ['POST typing c true', 'POST typing c false', 'POST messages c a', 'POST messages c b'])
})

test('typing that has waited for too long is not sent, and typing that gets no answer holds nothing up for long', async (t) => {
  const elapse = setElapsedForward(t)
  const { client, next, seen } = await held(t)
  const sent = client.sendMessage({ conversationId: 'c', text: 'a' })
  const exchange = await next(t)
  const typing = client.setTyping('c', true)
  elapse(5000)
  exchange.json(201, message(1))
  await sent
  t.strictSame(await typing, { conversationId: 'c', isTyping: true })
  t.strictSame(seen(), ['POST messages c a'])

  const busy = client.sendMessage({ conversationId: 'c', text: 'b' })
  const answer = await next(t)
  const late = client.setTyping('c', true)
  const after = client.markRead('c', 1)
  elapse(4950)
  answer.json(201, message(2))
  await busy
  await next(t)
  await t.rejects(late, { code: 'TIMEOUT' })
  ;(await next(t)).json(200, { conversationId: 'c', seq: 1, changed: true })
  await after
})

test('messages, edits and who is there arrive in order; a failure passes', async (t) => {
  const { client, next, seen } = await held(t)
  const call = { conversationId: 'c' }
  const calls = [
    client.sendMessage({ conversationId: 'c', text: 'a' }), client.editMessage('m1', 'b', call), client.addParticipants('c', ['dave']),
    client.deleteMessage('m1', call), client.setMessageStatus('m2', 'read', call), client.removeParticipant('c', 'dave')
  ]
  const settled = Promise.allSettled(calls)
  for (let i = 0; i < calls.length; i++) {
    const exchange = await next(t)
    if (i % 2 === 0) exchange.refuse(409)
    else exchange.json(200, {})
  }
  t.strictSame((await settled).map(({ status }) => status), ['rejected', 'fulfilled', 'rejected', 'fulfilled', 'rejected', 'fulfilled'])
  t.strictSame(seen(), [
    'POST messages c a', 'PATCH messages/m1 b', 'POST conversations/c/participants dave', 'DELETE messages/m1 ',
    'PUT messages/m2/status read', 'DELETE conversations/c/participants/dave '
  ])
})

test('edits of one message, without knowing its conversation', async (t) => {
  const { client, next, seen, exchanges } = await held(t)
  const calls = [client.editMessage('m1', 'a'), client.editMessage('m1', 'b'), client.deleteMessage('m1')]
  while (exchanges.length < calls.length) (await next(t)).json(200, {})
  await Promise.all(calls)
  t.strictSame(seen(), ['PATCH messages/m1 a', 'PATCH messages/m1 b', 'DELETE messages/m1 '])
})

test('of marks that wait, the newest is sent', async (t) => {
  const { client, next, seen } = await held(t)
  const calls = [1, 2, 3, 5, 4].map(async (seq) => (await client.markRead('c', seq)).seq)
  for (const seq of [1, 5, 5]) (await next(t)).json(200, { conversationId: 'c', seq, changed: true })
  t.strictSame(await Promise.all(calls), [1, 5, 5, 5, 5])
  t.strictSame(seen(), ['PUT conversations/c/read 1', 'PUT conversations/c/read 5', 'PUT conversations/c/read 4'])
  const online = [client.setOnline(false), client.setOnline(true), client.setOnline(false)]
  for (const isOnline of [false, false]) (await next(t)).json(200, { userId: 'alice', isOnline, lastSeen: null })
  t.match(await Promise.all(online), [{ isOnline: false }, { isOnline: false }, { isOnline: false }])
})

test('a mark that gets no answer holds a message up for a while only', async (t) => {
  const { client, exchanges } = await held(t)
  const { setTimeout: original } = globalThis
  t.teardown(() => { globalThis.setTimeout = original })
  globalThis.setTimeout = ((callback: () => void, ms: number) => original(callback, ms === 5000 ? 0 : ms)) as typeof setTimeout
  const abort = new AbortController()
  const mark = client.markRead('c', 1, { signal: abort.signal })
  const sent = client.sendMessage({ conversationId: 'c', text: 'a' })
  while (exchanges.length < 2) await turns(1)
  exchanges[1]?.json(201, message(1))
  await sent
  abort.abort(new Error('enough'))
  await t.rejects(mark, { message: 'enough' })
})

test('conversations don\'t wait for each other', async (t) => {
  const { client, exchanges } = await held(t)
  const calls = ['c', 'd', 'e'].map(async (conversationId) => await client.sendMessage({ conversationId, text: 'a' }))
  while (exchanges.length < 3) await turns(1)
  for (const exchange of exchanges) exchange.json(201, message(1))
  await Promise.all(calls)
})

test('what is aborted leaves the line, in front or behind', async (t) => {
  const { client, next, seen } = await held(t)
  const aborts = [new AbortController(), new AbortController()]
  const calls = ['a', 'b', 'c'].map(async (text, i) => await client.sendMessage({ conversationId: 'c', text }, { signal: aborts[i]?.signal }))
  const settled = Promise.allSettled(calls)
  const first = await next(t)
  aborts[1]?.abort(new Error('behind'))
  await turns()
  aborts[0]?.abort(new Error('in front'))
  await first.closed
  ;(await next(t)).json(201, message(1))
  t.match(await settled, [{ reason: { message: 'in front' } }, { reason: { message: 'behind' } }, { status: 'fulfilled' }])
  t.strictSame(seen(), ['POST messages c a', 'POST messages c c'])
})

test('a live conversation\'s typing, message and edit, each as slow as it likes', async (t) => {
  const seen: string[] = []
  const { baseUrl } = await scriptedServer(t, (exchange, number) => {
    const { url: { pathname }, request: { method }, body } = exchange
    const text = (body as { text?: string } | undefined)?.text ?? ''
    if (pathname === '/api/sse') return exchange.headers().event('connected', connected({ conversationId: null }), 'start')
    if (method === 'GET') return exchange.json(200, pathname.endsWith('messages') ? { messages: [], hasMore: false } : conversation())
    // Earlier responses are slower: whatever is not kept in order arrives in reverse.
    setTimeout(() => {
      seen.push(`${method ?? ''} ${pathname.split('/').pop() ?? ''} ${text}`)
      exchange.json(200, message(1, { senderId: 'alice', text, clientId: (body as { clientId?: string }).clientId ?? null }))
    }, 30 - 10 * number)
  })
  const session = createSession(createChatClient({ baseUrl, token: 't' }), { userId: 'alice' })
  const live = openConversation(session, 'c')
  t.teardown(() => { live.close(); session.close() })
  live.setTyping(true)
  live.send('ok')
  const edited = live.edit('m1', 'better')
  live.setTyping(true)
  await edited
  while (seen.length < 4) await turns(1)
  t.strictSame(seen, ['POST typing ', 'POST messages ok', 'PATCH m1 better', 'POST typing '])
})

test('reactions of one message keep their order, and the newest of an emoji overtakes those that wait', async (t) => {
  const { client, exchanges } = await held(t)
  const answer = (emoji: string, reacted: boolean) => ({ messageId: 'm', conversationId: 'c', emoji, reacted, changed: true, reactions: [], myReactions: [] })
  const calls = [
    client.react('m', '👍', true),
    client.react('m', '❤', true), // Overtaken by the next but one, written in another form
    client.react('m', '😀', true),
    client.react('m', '❤️', false),
    client.react('m', '👍', false)
  ]
  const elsewhere = client.sendMessage({ conversationId: 'c', text: 'ok' })
  await turns()
  t.equal(exchanges.length, 2, 'a message does not wait for them')
  const [first] = exchanges
  exchanges[1]?.json(201, message(1))
  await elsewhere
  first?.json(200, answer('👍', true))
  for (const [index, emoji, reacted] of [[2, '😀', true], [3, '❤️', false], [4, '👍', false]] as const) {
    while (exchanges[index] === undefined) await turns(1)
    t.equal(exchanges.length, index + 1, 'one at a time')
    exchanges[index].json(200, answer(emoji, reacted))
  }
  const answers = await Promise.all(calls)
  t.strictSame(answers.map(({ emoji, reacted }) => [emoji, reacted]), [['👍', true], ['❤️', false], ['😀', true], ['❤️', false], ['👍', false]])
  t.strictSame(exchanges.filter((_, i) => i !== 1).map(({ request, url }) => [request.method, decodeURIComponent(url.pathname.split('/').at(-1) ?? '')]), [
    ['PUT', '👍'], ['PUT', '😀'], ['DELETE', '❤️'], ['DELETE', '👍']
  ])
})
