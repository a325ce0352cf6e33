import { mock } from 'node:test'
import { test } from 'tap'
import { ChatError, openConversation, type ChatClient, type ChatMessage } from '../../client/index.js'
import type { Conversation } from '../../schemas/conversations.js'
import type { ChatEvents } from '../../schemas/events.js'
import type { MessagePage, OwnMessage } from '../../schemas/messages.js'
import { setElapsedForward } from './clocks.js'
import { conversation, message, messageEvent, participant, participantEvent, profile, timestamp } from './made.js'
import { createStubSession, deferred, settle } from './stub-session.js'

const mine = { senderId: 'alice', sender: profile('alice') }
let eventSeq = 0
const event = (seq: number, data: Partial<OwnMessage> = {}): ChatEvents['message'] => ({ ...messageEvent(seq, data), eventSeq: ++eventSeq })
const status = (messageId: string, status: 'delivered' | 'read', userId: string): ChatEvents['statusUpdate'] =>
  ({ messageId, status, userId, conversationId: 'c', timestamp, eventSeq: ++eventSeq })
const range = (from: number, to: number, data: Partial<OwnMessage> = {}) => Array.from({ length: to - from + 1 }, (_, i) => message(from + i, data))
const texts = (messages: readonly ChatMessage[]) => messages.map(({ text }) => text)
const unreachable = () => new ChatError('NETWORK', 'unreachable')

function setUp (
  t: { teardown (callback: () => unknown): void },
  answers: Partial<ChatClient> & { conversation?: Conversation, messages?: OwnMessage[], hasMore?: boolean } = {}
) {
  const { conversation: theConversation = conversation(), messages = [], hasMore = false } = answers
  const stub = createStubSession({
    getConversation: async () => theConversation,
    listMessages: async () => ({ messages, hasMore }),
    setTyping: async (conversationId, isTyping) => ({ conversationId, isTyping }),
    ...answers
  })
  const live = openConversation(stub.session, 'c')
  t.teardown(() => live.close())
  const ready = async () => {
    stub.connect()
    await settle()
    return live.getSnapshot()
  }
  return { ...stub, live, ready }
}

test('loads when the stream is open', async (t) => {
  const { live, calls, ready, setStatus } = setUp(t, { messages: range(1, 3), hasMore: true })
  t.match(live.getSnapshot(), { status: 'loading', messages: [], conversation: null, hasOlder: false, unreadCount: 0, removed: false })
  setStatus('connecting')
  t.equal(calls.length, 0, 'else something could happen between')
  const snapshot = await ready()
  t.match(snapshot, { status: 'ready', error: null, conversation: { id: 'c' }, hasOlder: true })
  t.strictSame(texts(snapshot.messages), ['text 1', 'text 2', 'text 3'])
  t.equal(live.getSnapshot(), snapshot)
})

test('or when there is none for now', async (t) => {
  const { live, setStatus } = setUp(t, { messages: range(1, 1) })
  setStatus('waiting')
  await settle()
  t.equal(live.getSnapshot().status, 'ready')
})

test('or at once, when it has long been open', async (t) => {
  const stub = createStubSession({ getConversation: async () => conversation(), listMessages: async () => ({ messages: [], hasMore: false }) })
  stub.connect()
  const live = openConversation(stub.session, 'c')
  await settle()
  t.equal(live.getSnapshot().status, 'ready')
  live.close()
})

test('what can\'t be loaded', async (t) => {
  let fails: unknown = new ChatError('NOT_FOUND', 'no', { statusCode: 404 })
  const { live, ready, connect } = setUp(t, { getConversation: async () => { if (fails) throw fails; return conversation() } })
  await ready()
  t.match(live.getSnapshot(), { status: 'failed', error: { code: 'NOT_FOUND' } })
  fails = unreachable()
  await live.reload()
  t.match(live.getSnapshot(), { status: 'failed', error: { code: 'NETWORK' } })
  fails = undefined
  connect({ resumed: true })
  await settle()
  t.match(live.getSnapshot(), { status: 'ready', error: null })
})

test('messages come, change and go', async (t) => {
  const { live, emit, ready } = setUp(t, { messages: range(1, 2) })
  const before = await ready()
  emit('message', event(3))
  emit('message', { ...event(4), conversationId: 'another' })
  emit('messageUpdated', event(1, { text: 'edited', editedAt: timestamp }))
  emit('messageDeleted', event(2, { text: '', deletedAt: timestamp }))
  emit('messageUpdated', event(99, { text: 'of a page that isn\'t loaded', editedAt: timestamp }))
  const { messages, conversation } = live.getSnapshot()
  t.strictSame(texts(messages), ['edited', '', 'text 3'])
  t.equal(conversation?.lastMessage?.seq, 3)
  t.equal(messages[1]?.deletedAt, timestamp)
  t.not(messages, before.messages)
  emit('message', event(4))
  t.equal(live.getSnapshot().messages[0], messages[0], 'what didn\'t change is the same object')
  const then = live.getSnapshot()
  emit('typing', { conversationId: 'c', userId: 'bob', displayName: 'Bob', isTyping: true, timestamp })
  t.equal(live.getSnapshot().typing.length, 1)
  t.equal(live.getSnapshot().messages, then.messages, 'nor do the messages, if it is about something else')
  emit('messageUpdated', event(2, { text: 'from before it was deleted', editedAt: timestamp }))
  t.equal(live.getSnapshot().messages[1]?.text, '')
})

test('listeners are called once for what comes together', async (t) => {
  const { live, emit, ready } = setUp(t)
  await ready()
  let called = 0
  const listener = () => { called++ }
  const [first, second] = [live.subscribe(listener), live.subscribe(listener)]
  emit('message', event(1))
  emit('message', event(2))
  t.equal(called, 0)
  await settle()
  t.equal(called, 2)
  first()
  emit('message', event(3))
  await settle()
  t.equal(called, 3)
  second()
  emit('message', event(4))
  live.close()
  await settle()
  t.equal(called, 3)
})

test('what is heard during the fetch is not lost, nor undone by it', async (t) => {
  const page = deferred<MessagePage>()
  const fetched = [deferred<Conversation>(), deferred<Conversation>()]
  let fetches = 0
  const { live, emit, connect } = setUp(t, {
    listMessages: () => page.promise,
    getConversation: () => fetched[fetches++]?.promise ?? Promise.reject(new Error('once too often'))
  })
  connect()
  emit('message', event(3))
  emit('messageUpdated', event(2, { text: 'new', editedAt: timestamp }))
  emit('participantJoined', participantEvent('carol', { eventSeq: ++eventSeq }))
  emit('participantUpdated', participantEvent('bob', { role: 'admin', eventSeq: ++eventSeq }))
  emit('onlineStatus', { userId: 'bob', isOnline: true, lastSeen: null, timestamp })
  page.resolve({ messages: [message(1), message(2)], hasMore: false })
  fetched[0]?.resolve(conversation({ participants: [participant('alice'), participant('bob'), participant('dave')] }))
  await settle()
  const snapshot = live.getSnapshot()
  t.strictSame(texts(snapshot.messages), ['text 1', 'new', 'text 3'])
  t.match(snapshot.conversation?.participants, [{ userId: 'alice' }, { userId: 'bob', role: 'admin', isOnline: true }, { userId: 'dave' }, { userId: 'carol', avatar: null }])
  t.equal(snapshot.conversation?.participantCount, 4)
  t.equal(fetches, 2, 'who joined is asked for')
  emit('participantLeft', participantEvent('bob', { eventSeq: ++eventSeq }))
  fetched[1]?.resolve(conversation({ participants: [participant('alice'), participant('bob'), participant('carol', { avatar: 'https://example.org/carol.png' })] }))
  await settle()
  t.match(live.getSnapshot().conversation?.participants, [{ userId: 'alice' }, { userId: 'carol', avatar: 'https://example.org/carol.png' }])
})

test('a message being sent is shown at once, and once', async (t) => {
  for (const first of ['answer', 'echo']) {
    const sent = deferred<OwnMessage>()
    const { live, emit, ready, callsOf } = setUp(t, { messages: range(1, 1), sendMessage: () => sent.promise })
    await ready()
    const key = live.send(' Hi ', { type: 'note' })
    t.match(live.getSnapshot().messages.at(-1), { key, text: ' Hi ', type: 'note', status: 'sending', seq: null, own: true, senderId: 'alice', conversationId: 'c', error: null })
    await settle()
    const [[, body] = []] = callsOf('sendMessage')
    t.strictSame(body, { conversationId: 'c', text: ' Hi ', type: 'note', clientId: key })
    const confirmed = message(2, { ...mine, text: ' Hi ', type: 'note', clientId: key })
    if (first === 'echo') emit('message', { ...confirmed, eventSeq: ++eventSeq })
    else sent.resolve(confirmed)
    await settle()
    const shown = live.getSnapshot().messages
    t.equal(shown.length, 2)
    t.match(shown[1], { key, id: 'm2', seq: 2, status: 'sent', own: true })
    if (first === 'echo') sent.resolve(confirmed)
    else emit('message', { ...confirmed, eventSeq: ++eventSeq })
    await settle()
    t.equal(live.getSnapshot().messages.length, 2)
    t.equal(callsOf('sendMessage').length, 1)
  }
})

test('messages are sent in the order they were written in', async (t) => {
  const answers = [deferred<OwnMessage>(), deferred<OwnMessage>(), deferred<OwnMessage>()]
  let n = 0
  const { live, ready, callsOf } = setUp(t, { sendMessage: () => answers[n++]?.promise ?? Promise.reject(new Error()) })
  await ready()
  const keys = ['a', 'b', 'c'].map((text) => live.send(text))
  await settle()
  t.equal(callsOf('sendMessage').length, 1, 'one at a time')
  answers[0]?.resolve(message(1, { ...mine, clientId: keys[0] ?? '', text: 'a' }))
  await settle()
  answers[1]?.reject(new ChatError('CLIENT_ID_REUSED', 'no', { statusCode: 409 }))
  await settle()
  answers[2]?.resolve(message(2, { ...mine, clientId: keys[2] ?? '', text: 'c' }))
  await settle()
  t.strictSame(live.getSnapshot().messages.map(({ text, status }) => [text, status]), [['a', 'sent'], ['c', 'sent'], ['b', 'failed']])
})

test('a refused message is kept, and sent again with the same clientId', async (t) => {
  let fails = true
  const { live, ready, callsOf } = setUp(t, {
    sendMessage: async ({ clientId }) => {
      if (fails) throw new ChatError('FORBIDDEN', 'no', { statusCode: 403 })
      return message(1, { ...mine, clientId: clientId ?? null })
    }
  })
  await ready()
  const key = live.send('a')
  await settle()
  t.match(live.getSnapshot().messages, [{ key, status: 'failed', error: { code: 'FORBIDDEN' } }])
  live.retry('another')
  fails = false
  live.retry(key)
  t.match(live.getSnapshot().messages, [{ key, status: 'sending', error: null }])
  live.retry(key)
  await settle()
  t.match(live.getSnapshot().messages, [{ key, status: 'sent', seq: 1 }])
  t.equal(new Set(callsOf('sendMessage').map(([, body]) => (body as OwnMessage).clientId)).size, 1)
  t.equal(callsOf('sendMessage').length, 2)

  fails = true
  const unwanted = live.send('b')
  live.discard(unwanted)
  t.equal(live.getSnapshot().messages.length, 2, 'not while it is being sent')
  await settle()
  live.discard(unwanted)
  t.equal(live.getSnapshot().messages.length, 1)
})

test('without a connection messages wait for the next one', async (t) => {
  let fails = true
  let seq = 0
  const { live, ready, setStatus, setReachable, connect } = setUp(t, {
    sendMessage: async ({ clientId, text }) => {
      if (fails) throw unreachable()
      return message(++seq, { ...mine, text: text ?? '', clientId: clientId ?? null })
    }
  })
  await ready()
  setStatus('waiting')
  live.send('a')
  live.send('b')
  await settle()
  t.match(live.getSnapshot().messages, [{ status: 'sending' }, { status: 'sending' }])
  fails = false
  connect({ resumed: true })
  await settle()
  t.match(live.getSnapshot().messages, [{ text: 'a', status: 'sent' }, { text: 'b', status: 'sent' }])

  fails = true
  setStatus('waiting')
  live.send('c')
  await settle()
  setStatus('closed')
  await settle()
  t.match(live.getSnapshot().messages[2], { text: 'c', status: 'sending' }, 'only what is refused has failed')
  fails = false
  setReachable(false)
  setReachable(true)
  await settle()
  t.match(live.getSnapshot().messages[2], { text: 'c', status: 'sent' })
})

test('a send that failed while the connection came back is tried again', async (t) => {
  const answers = [deferred<OwnMessage>(), deferred<OwnMessage>()]
  let n = 0
  const { live, ready, setStatus, connect } = setUp(t, { sendMessage: () => answers[n++]?.promise ?? Promise.reject(new Error()) })
  await ready()
  const key = live.send('a')
  setStatus('waiting')
  connect({ resumed: true })
  answers[0]?.reject(unreachable())
  await settle()
  answers[1]?.resolve(message(1, { ...mine, clientId: key }))
  await settle()
  t.match(live.getSnapshot().messages, [{ key, status: 'sent' }])
})

test('an own message from before what is loaded leaves no hole', async (t) => {
  const answer = deferred<OwnMessage>()
  let messages = range(1, 3)
  const { live, emit, ready } = setUp(t, {
    listMessages: async (_id, { before } = {}) =>
      before === undefined ? { messages, hasMore: true } : { messages: range(1, before - 1), hasMore: false },
    sendMessage: async () => await answer.promise
  })
  await ready()
  const key = live.send('lost its answer')
  messages = range(60, 62)
  emit('reset', { conversationId: 'c', reason: 'pruned' })
  await settle()
  answer.resolve(message(4, { ...mine, clientId: key, text: 'lost its answer' }))
  await settle()
  t.strictSame(texts(live.getSnapshot().messages), ['text 60', 'text 61', 'text 62'], 'it has been sent, and comes with its page')
  await live.loadOlder()
  t.equal(live.getSnapshot().messages.length, 62)
})

test('ticks: the lowest over the others', async (t) => {
  const participants = ['alice', 'bob', 'carol'].map((userId) => participant(userId))
  const { live, emit, ready } = setUp(t, { messages: range(1, 4, mine), conversation: conversation({ participants }) })
  await ready()
  const ticks = () => live.getSnapshot().messages.map(({ status }) => status)
  emit('statusUpdate', status('m3', 'delivered', 'bob'))
  t.strictSame(ticks(), ['sent', 'sent', 'sent', 'sent'], 'carol has not got them')
  emit('statusUpdate', status('m2', 'read', 'carol'))
  t.strictSame(ticks(), ['delivered', 'delivered', 'sent', 'sent'])
  emit('statusUpdate', status('m4', 'delivered', 'carol'))
  t.strictSame(ticks(), ['delivered', 'delivered', 'delivered', 'sent'])
  emit('statusUpdate', status('m4', 'read', 'bob'))
  t.strictSame(ticks(), ['read', 'read', 'delivered', 'delivered'])
  emit('statusUpdate', status('m1', 'delivered', 'carol'))
  t.strictSame(ticks(), ['read', 'read', 'delivered', 'delivered'], 'never back')
  emit('statusUpdate', status('m4', 'read', 'carol'))
  t.strictSame(ticks(), ['read', 'read', 'read', 'read'])
  const { participants: marks } = live.getSnapshot().conversation ?? {}
  t.match(marks, [{ deliveredSeq: 0, readSeq: 0 }, { deliveredSeq: 4, readSeq: 4 }, { deliveredSeq: 4, readSeq: 4 }])
  emit('message', event(5, mine))
  t.equal(ticks()[4], 'sent')
})

test('ticks of others\' messages, and of messages that aren\'t loaded', async (t) => {
  const { live, emit, ready, callsOf } = setUp(t, { messages: [...range(10, 11), ...range(12, 12, mine)], hasMore: true })
  await ready()
  emit('statusUpdate', status('m11', 'read', 'bob'))
  emit('statusUpdate', status('m3', 'read', 'bob'))
  t.strictSame(live.getSnapshot().messages.map(({ status }) => status), ['sent', 'sent', 'sent'])
  t.equal(callsOf('getConversation').length, 1)
  emit('statusUpdate', status('m3', 'read', 'alice'))
  await settle()
  t.equal(callsOf('getConversation').length, 2, 'how many the user has left to read is asked for')
})

test('who joins later lowers no ticks; who leaves lets them be asked for', async (t) => {
  const { live, emit, ready, callsOf } = setUp(t, { messages: range(1, 2, mine) })
  await ready()
  emit('participantJoined', participantEvent('carol', { eventSeq: ++eventSeq }))
  emit('statusUpdate', status('m2', 'read', 'bob'))
  t.strictSame(live.getSnapshot().messages.map(({ status }) => status), ['read', 'read'])
  await settle()
  const before = callsOf('listMessages').length
  emit('participantLeft', participantEvent('bob', { eventSeq: ++eventSeq }))
  await settle()
  t.equal(callsOf('listMessages').length, before + 1)
})

test('when somebody leaves, older pages stay', async (t) => {
  const all = range(1, 120, mine)
  let read = false
  const { live, emit, ready } = setUp(t, {
    listMessages: async (_id, { before = 121, limit = 50 } = {}) => ({
      messages: all.slice(Math.max(0, before - 1 - limit), before - 1).map((one) => read ? { ...one, status: 'read' } : one),
      hasMore: before - 1 > limit
    })
  })
  await ready()
  await live.loadOlder()
  read = true
  emit('participantLeft', participantEvent('bob', { eventSeq: ++eventSeq }))
  await settle()
  const { messages, hasOlder } = live.getSnapshot()
  t.strictSame(texts(messages), texts(all.slice(20) as unknown as ChatMessage[]))
  t.ok(hasOlder)
  t.ok(messages.every(({ status }) => status === 'read'), 'and show the ticks that waited for who left')
})

test('roles change', async (t) => {
  const { live, emit, ready } = setUp(t)
  await ready()
  emit('participantUpdated', participantEvent('bob', { role: 'admin', eventSeq: ++eventSeq }))
  t.strictSame(live.getSnapshot().conversation?.participants.map(({ role }) => role), ['member', 'admin'])
})

test('unread', async (t) => {
  const { live, emit, ready, callsOf } = setUp(t, {
    messages: [...range(1, 3), ...range(4, 4, mine), ...range(5, 5)],
    conversation: conversation({ unreadCount: 2, lastMessage: message(5), participants: [participant('alice', { readSeq: 2, deliveredSeq: 2 }), participant('bob')] })
  })
  t.equal((await ready()).unreadCount, 2, 'one\'s own aren\'t')
  t.strictSame(callsOf('delivered'), [['delivered', 'm5']])
  emit('message', event(6))
  emit('message', event(7, mine))
  t.equal(live.getSnapshot().unreadCount, 3)
  emit('statusUpdate', status('m3', 'read', 'alice')) // On another device
  t.equal(live.getSnapshot().unreadCount, 2)
  live.markRead(5)
  t.equal(live.getSnapshot().unreadCount, 1, 'at once')
  live.markRead()
  live.markRead()
  live.markRead(2)
  t.equal(live.getSnapshot().unreadCount, 0)
  t.strictSame(callsOf('read'), [['read', 'c', 5], ['read', 'c', 7]])
})

test('unread beyond what is loaded', async (t) => {
  const { live, emit, ready } = setUp(t, {
    messages: range(91, 100),
    hasMore: true,
    conversation: conversation({ unreadCount: 70, lastMessage: message(100), participants: [participant('alice', { readSeq: 20 }), participant('bob')] })
  })
  t.equal((await ready()).unreadCount, 70)
  emit('message', event(101))
  t.equal(live.getSnapshot().unreadCount, 71)
  live.markRead(99)
  t.equal(live.getSnapshot().unreadCount, 2)
})

test('older pages', async (t) => {
  const pages: Record<string, MessagePage> = {
    undefined: { messages: range(11, 15), hasMore: true },
    11: { messages: range(6, 10), hasMore: true },
    6: { messages: range(1, 5), hasMore: false }
  }
  const { live, emit, ready, callsOf } = setUp(t, {
    listMessages: async (_id, { before } = {}) => pages[String(before)] ?? { messages: [], hasMore: false }
  })
  await live.loadOlder() // There is no page before this one yet
  await ready()
  const [first, second] = [live.loadOlder(), live.loadOlder()]
  t.ok(live.getSnapshot().loadingOlder)
  emit('message', event(16))
  await Promise.all([first, second])
  t.equal(callsOf('listMessages').length, 2)
  t.strictSame(live.getSnapshot().messages.map(({ seq }) => seq), range(6, 16).map(({ seq }) => seq))
  t.match(live.getSnapshot(), { hasOlder: true, loadingOlder: false })
  await live.loadOlder()
  t.match(live.getSnapshot(), { hasOlder: false, loadingOlder: false })
  await live.loadOlder()
  t.equal(callsOf('listMessages').length, 3)
  t.equal(live.getSnapshot().messages.length, 16)
})

test('an older page that can\'t be had', async (t) => {
  const { live, ready } = setUp(t, {
    async listMessages (_id, { before } = {}) {
      if (before) throw unreachable()
      return { messages: range(5, 6), hasMore: true }
    }
  })
  await ready()
  await t.rejects(live.loadOlder(), { code: 'NETWORK' })
  t.match(live.getSnapshot(), { hasOlder: true, loadingOlder: false })
})

test('a reset: the history is fetched again, what is being sent is kept', async (t) => {
  let page = { messages: range(1, 3), hasMore: false }
  const { live, emit, ready } = setUp(t, { listMessages: async () => page, sendMessage: async () => { throw new ChatError('X', 'no', { statusCode: 500 }) } })
  await ready()
  live.send('mine')
  await settle()
  page = { messages: range(101, 102), hasMore: true }
  emit('reset', { conversationId: 'another', reason: 'pruned' })
  await settle()
  t.equal(live.getSnapshot().messages.length, 4)
  for (const conversationId of ['c', null]) {
    emit('reset', { conversationId, reason: 'pruned' })
    await settle()
    t.strictSame(live.getSnapshot().messages.map(({ seq, status }) => seq ?? status), [101, 102, 'failed'])
    t.ok(live.getSnapshot().hasOlder)
  }
})

test('a resumed stream: the messages stay, who is online is asked for', async (t) => {
  let isOnline = true
  const { live, ready, connect, callsOf } = setUp(t, {
    messages: range(1, 3),
    getConversation: async () => conversation({ participants: [participant('alice'), participant('bob', { isOnline })] })
  })
  await ready()
  isOnline = false
  connect({ resumed: true })
  await settle()
  t.equal(callsOf('listMessages').length, 1)
  t.strictSame(live.getSnapshot().conversation?.participants.map(({ isOnline }) => isOnline), [false, false])
})

test('who is online', async (t) => {
  const { live, emit, ready } = setUp(t)
  await ready()
  emit('onlineStatus', { userId: 'bob', isOnline: true, lastSeen: null, timestamp })
  t.match(live.getSnapshot().conversation?.participants[1], { userId: 'bob', isOnline: true })
  emit('onlineStatus', { userId: 'stranger', isOnline: true, lastSeen: null, timestamp })
  emit('onlineStatus', { userId: 'bob', isOnline: false, lastSeen: timestamp, timestamp })
  t.match(live.getSnapshot().conversation?.participants[1], { isOnline: false, lastSeen: timestamp })
})

test('who is typing', async (t) => {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  const { live, emit, connect, setStatus } = setUp(t)
  connect()
  const typing = (userId: string, isTyping: boolean, conversationId = 'c') => emit('typing', { userId, displayName: userId.toUpperCase(), isTyping, conversationId, timestamp })
  const who = () => live.getSnapshot().typing.map(({ displayName }) => displayName)
  typing('bob', true)
  typing('carol', true)
  typing('alice', true) // The user, on another device
  typing('dave', true, 'another')
  t.strictSame(who(), ['BOB', 'CAROL'])
  const { typing: before } = live.getSnapshot()
  typing('bob', true)
  t.equal(live.getSnapshot().typing, before)
  typing('carol', false)
  typing('carol', false)
  t.strictSame(who(), ['BOB'])
  emit('message', event(1))
  t.strictSame(who(), [])
  typing('bob', true)
  mock.timers.tick(7000)
  t.strictSame(who(), ['BOB'])
  mock.timers.tick(1100)
  t.strictSame(who(), [], 'lapsed, where the server\'s word got lost')
  typing('bob', true)
  setStatus('waiting')
  t.strictSame(who(), [])
  typing('bob', true)
  emit('participantLeft', participantEvent('bob', { eventSeq: ++eventSeq }))
  t.strictSame(who(), [])
})

test('the user\'s own typing', async (t) => {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  const elapse = setElapsedForward(t)
  const tick = (ms: number) => { elapse(ms); mock.timers.tick(ms) }
  const { live, connect, callsOf } = setUp(t, { sendMessage: async () => message(1, mine) })
  connect({ typingLapseMs: 6000 })
  const told = () => callsOf('setTyping').map(([, , isTyping]) => isTyping)
  live.setTyping(true)
  live.setTyping(true)
  t.strictSame(told(), [true], 'at once, and once')
  tick(2900)
  live.setTyping(true)
  t.equal(told().length, 1)
  tick(200)
  live.setTyping(true)
  t.strictSame(told(), [true, true], 'again after half a lapse')
  tick(4700)
  t.equal(told().length, 2)
  tick(200)
  t.strictSame(told(), [true, true, false], 'no key for a while')
  live.setTyping(false)
  t.equal(told().length, 3)
  live.setTyping(true)
  live.send('Hi')
  live.setTyping(false)
  tick(10_000)
  t.strictSame(told(), [true, true, false, true], 'sending ends it, without a word')
  live.setTyping(true)
  live.close()
  t.strictSame(told().slice(4), [true, false])
})

test('editing and deleting', async (t) => {
  const { live, ready } = setUp(t, {
    messages: range(1, 2, mine),
    editMessage: async (_id, text) => message(1, { ...mine, text: String(text), editedAt: timestamp }),
    deleteMessage: async () => { throw new ChatError('FORBIDDEN', 'no', { statusCode: 403 }) }
  })
  await ready()
  await live.edit('m1', 'better')
  t.strictSame(texts(live.getSnapshot().messages), ['better', 'text 2'])
  await t.rejects(live.remove('m2'), { code: 'FORBIDDEN' })
})

test('leaving, and coming back', async (t) => {
  const { live, emit, ready, connect, callsOf } = setUp(t)
  await ready()
  const me = participantEvent('alice', {})
  emit('participantLeft', { ...me, eventSeq: ++eventSeq })
  t.ok(live.getSnapshot().removed)
  live.setTyping(true)
  t.equal(callsOf('setTyping').length, 0)
  const before = callsOf('getConversation').length
  connect({ resumed: true })
  await settle()
  t.equal(callsOf('getConversation').length, before)
  emit('participantJoined', { ...me, eventSeq: ++eventSeq })
  await settle()
  t.notOk(live.getSnapshot().removed)
  t.equal(callsOf('getConversation').length, before + 1)
})

test('removed while nobody listened', async (t) => {
  let there = true
  const { live, ready, connect } = setUp(t, {
    messages: range(1, 2),
    getConversation: async () => {
      if (!there) throw new ChatError('CONVERSATION_NOT_FOUND', 'no', { statusCode: 404 })
      return conversation()
    }
  })
  await ready()
  there = false
  connect({ resumed: true })
  await settle()
  t.match(live.getSnapshot(), { removed: true, messages: { length: 2 } })
})

test('a listener that throws', async (t) => {
  const { live, ready } = setUp(t)
  await ready()
  const uncaught = new Promise((resolve) => process.setUncaughtExceptionCaptureCallback(resolve))
  t.teardown(() => process.setUncaughtExceptionCaptureCallback(null))
  let heard = 0
  live.subscribe(() => {
    stop()
    throw new Error('mine')
  })
  const stop = live.subscribe(() => t.fail('it was taken off'))
  live.subscribe(() => { heard++ })
  live.send('x')
  t.match(await uncaught, { message: 'mine' })
  t.ok(heard > 0)
})

test('closing leaves nothing', async (t) => {
  const before = process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
  const { live, emit, ready, listeners } = setUp(t)
  await ready()
  emit('typing', { userId: 'bob', displayName: 'Bob', isTyping: true, conversationId: 'c', timestamp })
  live.setTyping(true)
  live.close()
  t.equal(listeners(), 0)
  t.ok(process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length <= before)
})
