import { test } from 'tap'
import { openConversation, openConversationList, subscribeToSSE, type ChatClient } from '../../client/index.js'
import { createReceipts } from '../../client/live/receipts.js'
import { subscribeShared } from '../../client/tabs/shared-stream.js'
import type { Conversation, ConversationPage } from '../../schemas/conversations.js'
import type { ChatEvents } from '../../schemas/events.js'
import type { MessagePage, OwnMessage } from '../../schemas/messages.js'
import { createFakeLocks, createFakeTab } from './fake-tabs.js'
import { conversation, conversationEvent, message, messageEvent, participant, profile, timestamp } from './made.js'
import { createRecorder, quick } from './recorder.js'
import { frame, scriptedServer } from './scripted-server.js'
import { createStubSession, deferred, settle } from './stub-session.js'

const mine = { senderId: 'alice', sender: profile('alice', { displayName: 'alice' }) }
const at = (minute: number) => `2026-01-15T11:${String(minute).padStart(2, '0')}:00.000Z`
let eventSeq = 0
const event = (seq: number, data: Partial<OwnMessage> = {}): ChatEvents['message'] => ({ ...messageEvent(seq, data), eventSeq: ++eventSeq })
const range = (from: number, to: number, data: Partial<OwnMessage> = {}) => Array.from({ length: to - from + 1 }, (_, i) => message(from + i, data))
const listed = (id: string, minute: number, data: Partial<Conversation> = {}) =>
  conversation({ id, conversationId: id, updatedAt: at(minute), ...data })

function setUp (t: { teardown (callback: () => unknown): void }, answers: Partial<ChatClient> = {}) {
  const stub = createStubSession({
    getConversation: async () => conversation(),
    listMessages: async () => ({ messages: range(1, 2), hasMore: false }),
    listConversations: async () => ({ conversations: [], nextCursor: null }),
    ...answers
  })
  const live = openConversation(stub.session, 'c')
  const list = openConversationList(stub.session)
  t.teardown(() => { live.close(); list.close() })
  const ready = async () => {
    stub.connect()
    await settle()
  }
  const texts = () => live.getSnapshot().messages.map(({ text }) => text)
  const find = (id: string) => list.getSnapshot().conversations.find((conversation) => conversation.id === id)
  return { ...stub, live, list, ready, texts, find, ids: () => list.getSnapshot().conversations.map(({ id }) => id) }
}

test('a second edit beats the first one, though the server\'s clock was set back between', async (t) => {
  const edited = deferred<OwnMessage>()
  let page: MessagePage = { messages: range(1, 2, mine), hasMore: false }
  const { emit, ready, texts, live, find } = setUp(t, {
    listMessages: async () => page,
    listConversations: async () => ({ conversations: [listed('c', 1, { lastMessage: message(2, mine) })], nextCursor: null }),
    editMessage: () => edited.promise
  })
  await ready()
  emit('messageUpdated', event(2, { ...mine, text: 'first', editedAt: at(30) }))
  emit('messageUpdated', event(2, { ...mine, text: 'second', editedAt: at(1) }))
  t.strictSame(texts(), ['text 1', 'second'])
  t.equal(find('c')?.lastMessage?.text, 'second')

  // The event of a later edit overtakes the response to an earlier one.
  const edit = live.edit('m2', 'third')
  emit('messageUpdated', event(2, { ...mine, text: 'third', editedAt: at(20) }))
  emit('messageUpdated', event(2, { ...mine, text: 'fourth', editedAt: at(10) }))
  edited.resolve(message(2, { ...mine, text: 'third', editedAt: at(20) }))
  await edit
  t.strictSame(texts(), ['text 1', 'fourth'])

  // A later fetch counts.
  page = { messages: [message(1, mine), message(2, { ...mine, text: 'fifth', editedAt: at(0) })], hasMore: false }
  await live.reload()
  t.strictSame(texts(), ['text 1', 'fifth'])
})

test('an edit heard during a fetch is not undone by it', async (t) => {
  const page = deferred<MessagePage>()
  let fetches = 0
  const { emit, ready, texts, live } = setUp(t, {
    listMessages: async () => fetches++ === 0 ? { messages: range(1, 2), hasMore: false } : await page.promise
  })
  await ready()
  const reloaded = live.reload()
  await settle()
  emit('messageUpdated', event(2, { text: 'new', editedAt: at(1) }))
  page.resolve({ messages: [message(1), message(2, { text: 'old', editedAt: at(2) })], hasMore: false })
  await reloaded
  t.strictSame(texts(), ['text 1', 'new'])
})

test('the list stands as the server gave it and as things happened, whatever the instants', async (t) => {
  let page: ConversationPage = { conversations: [listed('a', 1), listed('b', 30), listed('c', 20)], nextCursor: null }
  const { emit, ready, ids, connect } = setUp(t, { listConversations: async () => page, getConversation: async (id) => listed(id, 0) })
  await ready()
  t.strictSame(ids(), ['a', 'b', 'c'])
  emit('message', event(1, { conversationId: 'c', createdAt: at(0) }))
  emit('message', event(1, { conversationId: 'b', createdAt: at(0) }))
  t.strictSame(ids(), ['b', 'c', 'a'])
  emit('message', event(1, { conversationId: 'new', createdAt: at(0) }))
  await settle()
  t.strictSame(ids(), ['new', 'b', 'c', 'a'])
  emit('messageUpdated', event(1, { conversationId: 'a' }))
  t.strictSame(ids(), ['new', 'b', 'c', 'a'], 'an edit is no activity')
  page = { conversations: [listed('c', 1), listed('new', 9), listed('a', 5), listed('b', 7)], nextCursor: null }
  connect({ resumed: true })
  await settle()
  t.strictSame(ids(), ['c', 'new', 'a', 'b'])
})

test('after a reset, numbers may be lower', async (t) => {
  let last = 9
  const { emit, ready, live, list, calls, texts } = setUp(t, {
    getConversation: async () => conversation({ unreadCount: 1, lastMessage: message(last), participants: [participant('alice', { readSeq: last - 1 }), participant('bob')] }),
    listConversations: async () => ({ conversations: [conversation({ unreadCount: 1, lastMessage: message(last) })], nextCursor: null }),
    listMessages: async () => ({ messages: range(1, last), hasMore: false })
  })
  await ready()
  live.markRead()
  emit('message', event(10))
  last = 5
  emit('reset', { conversationId: null, reason: 'ahead' })
  await settle()
  t.equal(texts().length, 5)
  t.equal(live.getSnapshot().unreadCount, 1)
  emit('message', event(6, { text: 'another six' }))
  t.equal(texts().at(-1), 'another six')
  t.match(list.getSnapshot().conversations, [{ lastMessage: { seq: 6 }, unreadCount: 2 }])
  live.markRead()
  t.strictSame(calls.filter(([name]) => name === 'read'), [['read', 'c', 9], ['read', 'c', 6]])
})

test('receipts are told anew after a reset', async (t) => {
  const { client, calls } = createStubSession({
    setMessageStatus: async (messageId, status) => ({ messageId, status, conversationId: 'c', changed: true }),
    markRead: async (conversationId, seq) => ({ conversationId, seq, changed: true })
  })
  const receipts = createReceipts(client)
  for (const conversationId of ['c', null]) {
    receipts.delivered(message(9))
    receipts.read('c', 9)
    await settle()
    receipts.forget(conversationId)
    receipts.delivered(message(5))
    await settle()
    receipts.read('c', 5)
    await settle()
    t.strictSame(calls.splice(0).slice(-2), [['setMessageStatus', 'm5', 'delivered'], ['markRead', 'c', 5]])
    receipts.forget(null)
  }
})

test('a log that was cut short: what comes after the reset is new', async (t) => {
  const { baseUrl } = await scriptedServer(t, (exchange) => exchange.open()
    .event('message', messageEvent(7), 'p1')
    .raw(frame('reset', { conversationId: 'c', reason: 'diverged' }, 'p2'))
    .event('message', messageEvent(5), 'p3'))
  const recorder = createRecorder()
  const { unsubscribe } = subscribeToSSE({ conversationId: 'c', token: 't', baseUrl, ...recorder.callbacks })
  await recorder.until('onMessage', 2)
  unsubscribe()
  t.match(recorder.of('onReset'), [[{ reason: 'diverged' }]])
})

test('a tab that has slept through a reset takes the lower numbers, too', async (t) => {
  let stream: Parameters<Parameters<typeof scriptedServer>[1]>[0] | undefined
  const { baseUrl } = await scriptedServer(t, (exchange) => { stream = exchange.open() })
  const locks = createFakeLocks()
  const open = () => {
    const tab = createFakeTab(locks)
    const recorder = createRecorder()
    const subscription = subscribeShared({ token: 't', userId: 'alice', baseUrl, tabs: tab, ...quick, patienceMs: 5000, ...recorder.callbacks })
    t.teardown(() => subscription.unsubscribe())
    return { tab, recorder }
  }
  const leader = open()
  await leader.recorder.until('onConnect')
  const sleeper = open()
  await sleeper.recorder.until('onConnect')
  stream?.event('message', messageEvent(2000), 'p0')
  await sleeper.recorder.until('onMessage')
  sleeper.tab.frozen = true
  stream?.raw(frame('reset', { conversationId: null, reason: 'diverged' }, 'p1'))
  for (let seq = 1; seq <= 1100; seq++) stream?.event('message', messageEvent(seq), `q${seq}`)
  await leader.recorder.until('onMessage', 1101)
  await sleeper.tab.misses('"q1100"')
  sleeper.tab.frozen = false
  stream?.event('message', messageEvent(1101), 'q1101')
  await sleeper.recorder.until('onReset')
  stream?.event('message', messageEvent(1102), 'q1102')
  await sleeper.recorder.until('onMessage', 2)
  t.match(sleeper.recorder.first('onMessage').at(-1), { seq: 1102 })
})

test('the newest name and picture of a user stand everywhere', async (t) => {
  const sender = profile('bob')
  const participants = [participant('alice'), participant('bob', { displayName: 'Bob' })]
  const fetched = deferred<Conversation>()
  let fetches = 0
  const { emit, ready, live, list, session } = setUp(t, {
    getConversation: async () => fetches++ === 0 ? conversation({ participants, lastMessage: message(2) }) : await fetched.promise,
    listConversations: async () => ({ conversations: [conversation({ participants, lastMessage: message(2) }), listed('d', 1, { participants })], nextCursor: null })
  })
  await ready()
  const before = live.getSnapshot()
  const names = () => [
    ...live.getSnapshot().messages.map((message) => message.sender.displayName),
    ...live.getSnapshot().typing.map(({ displayName }) => displayName),
    live.getSnapshot().conversation?.participants[1]?.displayName,
    live.getSnapshot().conversation?.lastMessage?.sender.displayName,
    ...list.getSnapshot().conversations.map(({ participants }) => participants[1]?.displayName),
    list.getSnapshot().conversations[0]?.lastMessage?.sender.displayName
  ]
  t.strictSame(new Set(names()), new Set(['Bob']))
  let told = 0
  live.subscribe(() => { told++ })
  void live.reload()
  await settle()
  told = 0
  emit('typing', { conversationId: 'd', userId: 'bob', displayName: 'Robert', isTyping: true, timestamp })
  emit('typing', { conversationId: 'c', userId: 'bob', displayName: 'Robert', isTyping: true, timestamp })
  await settle()
  t.strictSame(new Set(names()), new Set(['Robert']))
  t.equal(told, 1, 'who shows it is told')
  const avatar = 'https://example.org/bob.png'
  emit('message', event(3, { sender: { ...sender, displayName: 'Rob', avatar } }))
  t.strictSame(new Set(names()), new Set(['Rob']))
  t.ok(live.getSnapshot().messages.every((message) => message.sender.avatar === avatar))
  fetched.resolve(conversation({ participants, lastMessage: message(2) }))
  await settle()
  t.strictSame(new Set(names()), new Set(['Rob']), 'a fetch that began before is older')
  t.not(live.getSnapshot().messages[0], before.messages[0])
  t.equal(live.getSnapshot().messages[0], live.getSnapshot().messages[0])
  t.equal(session.people.name(sender).displayName, 'Rob')
})

test('title, picture and settings follow their event, over a fetch too, and the list keeps its order', async (t) => {
  const fetched = deferred<Conversation>()
  let answer = async () => conversation()
  const { emit, ready, live, find, ids } = setUp(t, {
    getConversation: () => answer(),
    listConversations: async () => ({ conversations: [listed('d', 2), listed('c', 1, { title: 'Old' })], nextCursor: null })
  })
  await ready()
  const settings = { posting: 'admins', mentionAll: 'admins', pinning: 'everyone', slowModeSeconds: 5, messageTtlSeconds: null } as const
  const shown = { title: 'New', avatar: 'https://example.com/', description: 'x', metadata: { a: 1 }, settings }
  const told = conversationEvent({ ...shown, changed: ['title', 'settings'], displayName: 'Robert' })
  emit('conversationUpdated', { ...told, conversationId: 'd', title: 'Other' })
  emit('conversationUpdated', told)
  t.match([live.getSnapshot().conversation, find('c')], [shown, shown])
  t.equal(find('d')?.title, 'Other')
  t.strictSame(ids(), ['d', 'c'])
  t.equal(find('c')?.updatedAt, at(1))
  t.equal(live.getSnapshot().conversation?.participants.find(({ userId }) => userId === 'bob')?.displayName, 'Robert', 'it brings a newer name')
  emit('conversationUpdated', told)
  t.match([live.getSnapshot().conversation, find('c')], [shown, shown], 'once more changes nothing')

  answer = () => fetched.promise
  const reload = live.reload()
  emit('conversationUpdated', { ...told, title: 'Newest', eventSeq: 2 })
  fetched.resolve(conversation({ ...shown, title: 'older than the event' }))
  await reload
  t.equal(live.getSnapshot().conversation?.title, 'Newest')
})

test('a message deleted while unread is not unread any more', async (t) => {
  let unreadCount = 3
  const fetched = () => conversation({ unreadCount, lastMessage: message(3), participants: [participant('alice'), participant('bob')] })
  const { emit, ready, live, find } = setUp(t, {
    getConversation: async () => fetched(),
    listMessages: async () => ({ messages: range(1, 3), hasMore: false }),
    listConversations: async () => ({ conversations: [fetched()], nextCursor: null })
  })
  await ready()
  const counts = () => [live.getSnapshot().unreadCount, find('c')?.unreadCount]
  t.strictSame(counts(), [3, 3])
  unreadCount = 2
  emit('messageDeleted', event(3, { text: '', deletedAt: timestamp }))
  t.strictSame(counts(), [2, 2], 'at once')
  await settle()
  t.strictSame(counts(), [2, 2], 'and as the server counts')
  unreadCount = 1
  emit('messageDeleted', event(1, { text: '', deletedAt: timestamp }))
  t.strictSame(counts(), [1, 1])
  await settle()
  t.strictSame(counts(), [1, 1])
  emit('message', event(4, { text: '', deletedAt: timestamp }))
  t.strictSame(counts(), [1, 1], 'a tombstone that comes late counts for nothing')
})

test('a message deleted while unread, beyond what is loaded', async (t) => {
  let unreadCount = 70
  const { emit, ready, live } = setUp(t, {
    getConversation: async () => conversation({ unreadCount, lastMessage: message(100), participants: [participant('alice', { readSeq: 20 }), participant('bob')] }),
    listMessages: async () => ({ messages: range(91, 100), hasMore: true })
  })
  await ready()
  t.equal(live.getSnapshot().unreadCount, 70)
  unreadCount = 69
  emit('messageDeleted', event(95, { text: '', deletedAt: timestamp }))
  t.equal(live.getSnapshot().unreadCount, 69)
  unreadCount = 68
  emit('messageDeleted', event(30, { text: '', deletedAt: timestamp }))
  await settle()
  t.equal(live.getSnapshot().unreadCount, 68)
})

test('a crowd of new conversations is fetched as a list, not one by one', async (t) => {
  const all = Array.from({ length: 100 }, (_, i) => `n${i}`)
  let asked = 0
  const answer = deferred<undefined>()
  const { emit, ready, ids, callsOf } = setUp(t, {
    getConversation: async (id) => { asked++; await answer.promise; return listed(id, 1) },
    listConversations: async () => ({ conversations: asked === 0 ? [] : all.slice(50).reverse().map((id) => listed(id, 1)), nextCursor: asked === 0 ? null : 'more' })
  })
  await ready()
  asked = 0
  for (const id of all) emit('conversationCreated', { conversationId: id, type: 'group', title: null, createdBy: 'eve', timestamp, eventSeq: 1 })
  await settle()
  t.equal(asked, 20)
  answer.resolve(undefined)
  await settle()
  t.ok(callsOf('listConversations').length <= 4)
  t.strictSame(ids().slice(0, 50), all.slice(50).reverse())
})

test('more heard during a fetch than can be kept is fetched once more', async (t) => {
  const page = deferred<MessagePage>()
  let fetches = 0
  const { emit, connect, texts } = setUp(t, {
    listMessages: async () => fetches++ === 0 ? await page.promise : { messages: range(951, 1100), hasMore: true }
  })
  connect()
  for (let seq = 3; seq <= 1100; seq++) emit('message', event(seq))
  page.resolve({ messages: range(1, 2), hasMore: false })
  await settle()
  t.equal(texts().at(-1), 'text 1100')
  t.equal(fetches, 2)
})
