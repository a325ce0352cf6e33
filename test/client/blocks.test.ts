import { test } from 'tap'
import { createChatClient, createSession, type ChatSession } from '../../client/index.js'
import { conversation, message, messageEvent, participant, profile, timestamp, userProfile } from './made.js'
import { quick } from './recorder.js'
import { scriptedServer, type Exchange } from './scripted-server.js'
import { createStubSession, openBoth, settle } from './stub-session.js'

const until = async (session: ChatSession, condition: () => boolean): Promise<void> => {
  await new Promise<void>((resolve) => {
    const stop = session.subscribe(check)
    function check () {
      if (!condition()) return
      stop()
      resolve()
    }
    check()
  })
}

test('a session knows whom the user blocks, on whichever device', async (t) => {
  let blocked = ['bob']
  const held: Exchange[] = []
  const streams: Exchange[] = []
  let hold = false
  const server = await scriptedServer(t, (exchange) => {
    const { pathname } = exchange.url
    if (pathname === '/api/sse') streams.push(exchange)
    else if (pathname !== '/api/chat/blocks') exchange.json(200, userProfile('alice'))
    else if (hold) held.push(exchange)
    else exchange.json(200, { users: blocked.map((id) => profile(id)) })
  })
  const streamNumber = async (number: number) => {
    while (streams.length <= number) await new Promise(setImmediate)
    return streams[number] as Exchange
  }
  const session = createSession(createChatClient({ baseUrl: server.baseUrl, token: 't', ...quick, maxRetries: 0 }), { shareTabs: false })
  t.teardown(() => { session.close() })
  const known = () => [...session.getSnapshot().blocked]
  const event = (userId: string, blocked: boolean, userVersion: number) => ({ userId, blocked, userVersion, timestamp })
  const asked = () => server.exchanges.filter(({ url }) => url.pathname === '/api/chat/blocks').length

  let stream = (await streamNumber(0)).open({ conversationId: null, userVersion: 4 })
  await until(session, () => known().length === 1)
  t.strictSame(known(), ['bob'])
  const before = session.getSnapshot().blocked
  stream.event('blocked', event('carol', true, 5)).event('blocked', event('carol', true, 5))
  await until(session, () => known().length === 2)
  t.strictSame([...before], ['bob'], 'a snapshot does not change')
  stream.event('blocked', event('bob', false, 6))
  await until(session, () => known().length === 1)
  t.strictSame(known(), ['carol'])

  stream.cut()
  stream = (await streamNumber(1)).open({ conversationId: null, userVersion: 6, resumed: true })
  await until(session, () => session.getSnapshot().status === 'connected')
  await settle()
  t.equal(asked(), 1, 'nothing was missed')
  stream.event('conversationDeleted', { conversationId: 'd', timestamp })
  stream.event('blocked', event('dora', true, 8))
  await until(session, () => known().length === 2)
  stream.cut()
  stream = (await streamNumber(2)).open({ conversationId: null, userVersion: 8, resumed: true })
  await until(session, () => session.getSnapshot().status === 'connected')
  await settle()
  t.equal(asked(), 1)

  blocked = ['eve']
  stream.cut()
  stream = (await streamNumber(3)).open({ conversationId: null, userVersion: 9, resumed: true })
  await until(session, () => known()[0] === 'eve')
  t.strictSame(known(), ['eve'], 'what was missed is fetched')

  blocked = ['fay']
  stream.event('blocked', event('eve', false, 11))
  await until(session, () => known()[0] === 'fay')
  t.strictSame(known(), ['fay'], 'also one whose number was passed over, without another connection')
  blocked = ['gus']
  stream.event('blocked', event('hal', true, 10))
  await until(session, () => known()[0] === 'gus')
  t.strictSame(known(), ['gus'], 'and one that comes late does not undo a later one')

  hold = true
  stream.cut()
  stream = (await streamNumber(4)).open({ conversationId: null, userVersion: 12, resumed: true }).event('blocked', event('finn', true, 13))
  await until(session, () => known().includes('finn'))
  while (held.length === 0) await new Promise(setImmediate)
  held[0]!.json(200, { users: [profile('gwen')] })
  await until(session, () => known().includes('gwen'))
  t.strictSame(known(), ['gwen', 'finn'], 'an event during a fetch is not undone by it')

  held.length = 0
  stream.cut()
  stream = (await streamNumber(5)).open({ conversationId: null, userVersion: 14, resumed: true })
  while (held.length === 0) await new Promise(setImmediate)
  held[0]!.refuse(500)
  await settle()
  stream.event('blocked', event('ian', true, 15))
  await until(session, () => known().includes('ian'))
  hold = false
  blocked = []
  stream.cut()
  ;(await streamNumber(6)).open({ conversationId: null, userVersion: 15, resumed: true })
  await until(session, () => known().length === 0)
  t.pass('what could not be fetched is fetched with the next connection')
})

test('mentions by somebody whom the user blocks do not count, in a conversation and in the list', async (t) => {
  let mentioned = 2
  const toAlice = { mentions: [{ userId: 'alice', displayName: 'Alice', start: null, length: null }] }
  const fetched = () => conversation({
    lastMessage: message(2, toAlice), unreadCount: 2, unreadMentionCount: mentioned, participants: [participant('alice'), participant('bob'), participant('carol')]
  })
  let hasMore = true
  const stub = createStubSession({
    getConversation: async () => fetched(),
    listConversations: async () => ({ conversations: [fetched()], nextCursor: null }),
    listMessages: async () => ({ messages: hasMore ? [message(2, toAlice)] : [message(1, toAlice), message(2, toAlice)], hasMore })
  })
  const { live, list } = await openBoth(t, stub)
  const counts = () => [live.getSnapshot().unreadMentionCount, list.getSnapshot().unreadMentionCount]
  const block = async (blocked: boolean, count: number) => {
    mentioned = count
    stub.setBlocked(...blocked ? ['bob'] : [])
    stub.emit('blocked', { userId: 'bob', blocked, userVersion: 1, timestamp })
    await settle()
  }
  t.strictSame(counts(), [2, 2])
  await block(true, 0)
  t.strictSame(counts(), [0, 0])
  stub.emit('message', messageEvent(3, { ...toAlice, senderId: 'bob' }))
  t.strictSame(counts(), [0, 0])
  t.match([live.getSnapshot().unreadCount, list.getSnapshot().unreadCount], [3, 3], 'but they are unread, and shown')
  t.equal(live.getSnapshot().messages.at(-1)?.seq, 3)
  stub.emit('message', messageEvent(4, { ...toAlice, senderId: 'carol' }))
  t.strictSame(counts(), [1, 1])

  hasMore = false
  await live.reload()
  t.equal(live.getSnapshot().unreadMentionCount, 0, 'counted here, if everything is loaded')
  stub.setBlocked()
  t.equal(live.getSnapshot().unreadMentionCount, 2, 'and counted again when the session learns more')
})
