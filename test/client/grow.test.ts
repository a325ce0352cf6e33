import { test, type Test } from 'tap'
import { createChatClient, createSession, openConversation, openConversationList, type GrowingMessage, type LiveConversation } from '../../client/index.js'
import { baseUrl, buildListening, users, type User } from '../helper.js'
import { until } from './people.js'

/** A bot and a reader, whose live states show the conversation, against the real server. */
async function scene (t: Test) {
  const app = await buildListening(t, { chat: { maxTextLength: 200 } })
  const [bot, ann] = users(app, 'bot', 'ann') as [User, User]
  const id = await ann.direct(bot)
  /** Calls of the bot, and what happens to them: an answer that is lost, or a stream that has gone. */
  const calls: string[] = []
  let lose = 0
  const clientOf = (user: User, counts = false) => createChatClient({
    baseUrl: baseUrl(app),
    token: user.token,
    retryBaseMs: 1,
    fetch: (async (url: string, init: RequestInit) => {
      if (counts) calls.push(`${init.method} ${new URL(url).pathname.split('/').at(-1)}`)
      const response = await fetch(url, init)
      if (!counts || !url.endsWith('/append') || lose === 0) return response
      lose--
      throw new TypeError('the answer is lost')
    }) as unknown as typeof fetch
  })
  const session = createSession(clientOf(ann), { shareTabs: false })
  const [chat, list] = [openConversation(session, id), openConversationList(session)]
  t.teardown(() => { session.close() })
  await until(chat, () => chat.getSnapshot().status === 'ready' && session.getSnapshot().status === 'connected')
  await until(list, () => list.getSnapshot().status === 'ready')
  return { app, bot, ann, id, calls, chat, list, session, client: clientOf(bot, true), clientOf, loseAnswers: (count: number) => { lose = count } }
}

const last = (chat: LiveConversation) => chat.getSnapshot().messages.at(-1)
const grown = (chat: LiveConversation) => [last(chat)?.text, last(chat)?.growing]

test('what is said is sent in batches, over lost answers, and shown as it grows', async (t) => {
  const { id, calls, chat, list, client, loseAnswers } = await scene(t)
  const message = client.grow(id, { text: 'Once', metadata: { model: 'made' }, type: 'answer' })
  loseAnswers(2)
  for (const word of [' upon', ' a', ' time', ' 😀'.slice(0, 2), '😀'.slice(1), '.']) message.append(word)
  await until(chat, () => grown(chat)[0] === 'Once upon a time 😀.')
  t.strictSame(grown(chat), ['Once upon a time 😀.', true])
  await until(list, () => list.getSnapshot().conversations[0]?.lastMessage?.text === 'Once upon a time 😀.')
  t.equal(list.getSnapshot().unreadCount, 1)
  message.append('\ud83d')
  const finished = await message.finish({ metadata: { tokens: 4 } })
  t.match(finished, { text: 'Once upon a time 😀.\ufffd', growing: false, metadata: { tokens: 4 }, type: 'answer' })
  await until(chat, () => grown(chat)[1] === false)
  t.strictSame(grown(chat), ['Once upon a time 😀.\ufffd', false])
  t.equal(chat.getSnapshot().messages.length, 1)
  t.ok(calls.filter(call => call === 'POST append').length <= 6, calls.join())
  t.throws(() => { message.append('x') }, { code: 'NOT_GROWING' })
  t.equal(await message.finish(), finished, 'once')
})

test('a source is piped until somebody stops it', async (t) => {
  const { id, chat, session, client, bot, app, clientOf } = await scene(t)
  let ended = false
  let taken = 0
  async function * words () {
    try {
      for (;;) {
        yield `${++taken} `
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    } finally {
      ended = true
    }
  }
  const stops: string[] = []
  const message = client.grow(id)
  message.onStop((userId) => { stops.push(userId) })
  const { signal } = message
  const done = message.pipe(words())
  const { id: messageId } = await message.message
  await until(chat, () => (last(chat)?.text.length ?? 0) > 10)
  const streams = app.hub.streamCount
  await session.client.stopMessage(messageId)
  const finished = await done
  t.match(finished, { growing: false, metadata: null })
  t.ok(finished.text.startsWith('1 2 3 '))
  t.strictSame([stops, signal.aborted, (signal.reason as { code: string }).code], [['ann'], true, 'STOPPED'])
  await until(chat, () => grown(chat)[1] === false)
  t.equal(last(chat)?.text, finished.text)
  t.ok(ended, 'the source knows')
  t.equal(streams, 2, 'a stream of its own told it')

  // A stream of the bot's that covers the conversation tells it as well, and what waits for ever is left.
  const own = clientOf(bot)
  const subscription = own.subscribe({})
  t.teardown(() => { subscription.unsubscribe() })
  const waiting = own.grow(id)
  const piped = waiting.pipe({ [Symbol.asyncIterator]: () => ({ next: async () => await new Promise(() => {}) }) })
  const empty = await waiting.message
  while (app.hub.streamCount < 2 || subscription.state !== 'connected') await new Promise((resolve) => setTimeout(resolve, 5))
  t.equal(app.hub.streamCount, 2)
  await session.client.stopMessage(empty.id)
  t.match(await piped, { id: empty.id, text: '', deletedBy: 'bot' }, 'nothing was said')
})

test('how a source or the message may fail', async (t) => {
  const { id, ann, chat, client } = await scene(t)
  async function * failing (...words: string[]) {
    yield * words
    throw new Error('out of tokens')
  }
  await t.rejects(client.grow(id, { metadata: { a: 1 } }).pipe(failing('Once', ' upon')), { message: 'out of tokens' })
  await until(chat, () => grown(chat)[1] === false)
  t.match(last(chat), { text: 'Once upon', metadata: { a: 1, interrupted: true } })
  await t.rejects(client.grow(id).pipe(failing()), { message: 'out of tokens' })
  await until(chat, () => last(chat)?.deletedAt !== null)

  let left: GrowingMessage | undefined
  async function * endless () {
    for (;;) {
      yield 'x'.repeat(50)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  left = client.grow(id)
  await t.rejects(left.pipe(endless()), { code: 'VALIDATION_FAILED' }, 'more than a message holds')
  await until(chat, () => last(chat)?.metadata?.['interrupted'] === true)
  t.ok((last(chat)?.text.length ?? 0) >= 50)

  left = client.grow(id)
  const piped = left.pipe(endless())
  piped.catch(() => {})
  await client.deleteMessage((await left.message).id)
  await t.rejects(piped, { code: 'NOT_GROWING' })
  t.ok(left.signal.aborted)

  await ann.ok('PUT', '/api/chat/blocks/bot')
  const refused = client.grow(id)
  await t.rejects(refused.pipe(endless()), { code: 'BLOCKED' })
  await t.rejects(refused.message, { code: 'BLOCKED' })
  await t.rejects(client.grow(id).finish(), { code: 'BLOCKED' })
  await ann.ok('DELETE', '/api/chat/blocks/bot')
  await t.rejects(client.grow(id).finish(), { code: 'STILL_GROWING' })
})

test('what was not told is fetched', async (t) => {
  const { app, id, bot, chat, list } = await scene(t)
  const message = await bot.send(id, '', { growing: true })
  const append = async (offset: number, text: string) => await bot.ok('POST', `/api/chat/messages/${message.id}/append`, { offset, text })
  await append(0, 'One')
  await until(chat, () => last(chat)?.text === 'One')
  // The node announces nothing, as if a bus had lost it.
  const { emit } = app.hub
  app.hub.emit = () => {}
  await append(3, ', two')
  app.hub.emit = emit
  await append(8, ', three')
  await until(chat, () => last(chat)?.text === 'One, two, three')
  await until(list, () => list.getSnapshot().conversations[0]?.lastMessage?.text === 'One, two, three')
  await append(15, '.')
  await until(chat, () => last(chat)?.text === 'One, two, three.')
})
