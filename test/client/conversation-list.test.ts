import { test } from 'tap'
import { ChatError, conversationTitle, openConversationList, type ChatClient } from '../../client/index.js'
import type { Conversation, ConversationPage } from '../../schemas/conversations.js'
import type { ChatEvents } from '../../schemas/events.js'
import type { OwnMessage } from '../../schemas/messages.js'
import { conversation, message, messageEvent, participant, participantEvent, profile, timestamp } from './made.js'
import { createStubSession, deferred, settle } from './stub-session.js'

let eventSeq = 0
const sender = (userId: string) => profile(userId, { displayName: userId })
const at = (minute: number) => `2026-01-15T11:${String(minute).padStart(2, '0')}:00.000Z`
const last = (conversationId: string, seq: number, data: Partial<OwnMessage> = {}) =>
  message(seq, { conversationId, id: `${conversationId}${seq}`, createdAt: at(seq), sender: sender(data.senderId ?? 'bob'), ...data })
const event = (conversationId: string, seq: number, data: Partial<OwnMessage> = {}): ChatEvents['message'] =>
  ({ ...messageEvent(seq, last(conversationId, seq, data)), eventSeq: ++eventSeq })
const listed = (id: string, minute: number, data: Partial<Conversation> = {}) =>
  conversation({ id, conversationId: id, updatedAt: at(minute), ...data })
const mine = { senderId: 'alice' }

function setUp (t: { teardown (callback: () => unknown): void }, answers: Partial<ChatClient>) {
  const stub = createStubSession(answers)
  const list = openConversationList(stub.session)
  t.teardown(() => list.close())
  const ids = () => list.getSnapshot().conversations.map(({ id }) => id)
  const ready = async () => {
    stub.connect()
    await settle()
  }
  return { ...stub, list, ids, ready, find: (id: string) => list.getSnapshot().conversations.find((conversation) => conversation.id === id) }
}

const page = (...conversations: Conversation[]) => async (): Promise<ConversationPage> => ({ conversations, nextCursor: null })

test('the latest activity comes first', async (t) => {
  const { list, emit, ready, ids, find, callsOf } = setUp(t, {
    listConversations: page(listed('b', 2, { lastMessage: last('b', 2), unreadCount: 1 }), listed('a', 1))
  })
  t.match(list.getSnapshot(), { status: 'loading', conversations: [], hasMore: false, unreadCount: 0 })
  await ready()
  t.match(list.getSnapshot(), { status: 'ready', unreadCount: 1 })
  t.strictSame(ids(), ['b', 'a'])
  const before = find('b')
  emit('message', event('a', 3))
  t.strictSame(ids(), ['a', 'b'])
  t.match(find('a'), { unreadCount: 1, lastMessage: { text: 'text 3' }, updatedAt: at(3) })
  t.equal(find('b'), before, 'what didn\'t change is the same object')
  emit('message', event('a', 4, mine))
  t.match(find('a'), { unreadCount: 1, lastMessage: { seq: 4 } })
  emit('message', event('a', 3))
  t.match(find('a'), { unreadCount: 1, lastMessage: { seq: 4 } }, 'an old one counts for nothing')
  t.equal(list.getSnapshot().unreadCount, 2)
  t.strictSame(callsOf('delivered'), [['delivered', 'b2']], 'the rest is the session\'s')
})

test('the last message changes', async (t) => {
  const { emit, ready, find } = setUp(t, { listConversations: page(listed('a', 1, { lastMessage: last('a', 5) })) })
  await ready()
  emit('messageUpdated', event('a', 5, { text: 'edited', editedAt: timestamp }))
  t.match(find('a'), { lastMessage: { text: 'edited' } })
  emit('messageDeleted', event('a', 4, { text: '', deletedAt: timestamp }))
  t.match(find('a'), { lastMessage: { text: 'edited' } })
  emit('messageDeleted', event('a', 5, { text: '', deletedAt: timestamp }))
  t.match(find('a'), { lastMessage: { text: '', deletedAt: timestamp } })
})

test('marks', async (t) => {
  const status = (conversationId: string, messageId: string, status: 'delivered' | 'read', userId: string) =>
    ({ conversationId, messageId, status, userId, timestamp, eventSeq: ++eventSeq })
  const { emit, ready, find, callsOf } = setUp(t, {
    listConversations: page(
      listed('a', 3, { lastMessage: last('a', 5), unreadCount: 3 }),
      listed('b', 2, { lastMessage: last('b', 5, mine), participants: ['alice', 'bob', 'carol'].map((id) => participant(id)) }),
      listed('large', 1, { lastMessage: last('large', 5, mine), participantCount: 60 }),
      listed('left', 0, { lastMessage: last('left', 5, { ...mine, status: 'delivered' }), participants: [participant('alice'), participant('late', { deliveredSeq: 5, readSeq: 5 })] })
    ),
    getConversation: async () => listed('a', 3, { lastMessage: last('a', 5), unreadCount: 1 })
  })
  await ready()
  emit('statusUpdate', status('a', 'a4', 'delivered', 'alice'))
  t.match(find('a'), { unreadCount: 3 })
  emit('statusUpdate', status('a', 'a4', 'read', 'alice'))
  await settle()
  t.match(find('a'), { unreadCount: 1 }, 'asked for')
  emit('statusUpdate', status('a', 'a5', 'read', 'alice'))
  t.match(find('a'), { unreadCount: 0 })
  emit('statusUpdate', status('b', 'b5', 'read', 'bob'))
  t.match(find('b'), { lastMessage: { status: 'sent' } })
  emit('statusUpdate', status('b', 'b5', 'delivered', 'carol'))
  t.match(find('b'), { lastMessage: { status: 'delivered' } })
  emit('statusUpdate', status('b', 'b4', 'read', 'carol'))
  t.match(find('b'), { lastMessage: { status: 'delivered' } })
  emit('statusUpdate', status('large', 'large5', 'read', 'bob'))
  t.match(find('large'), { lastMessage: { status: 'sent' } }, 'not all are known')
  emit('statusUpdate', status('left', 'left5', 'delivered', 'gone'))
  t.match(find('left'), { lastMessage: { status: 'delivered' } }, 'of one who has left the server knows')
  emit('statusUpdate', status('unknown', 'x', 'read', 'bob'))
  await settle()
  t.equal(callsOf('getConversation').length, 1)
})

test('conversations come and go', async (t) => {
  const { emit, ready, ids, find, callsOf } = setUp(t, {
    listConversations: page(listed('a', 1)),
    getConversation: async (id) => {
      if (id === 'gone') throw new ChatError('NOT_FOUND', 'no', { statusCode: 404 })
      return listed(id, 9, { unreadCount: 1, lastMessage: last(id, 9) })
    }
  })
  await ready()
  emit('conversationCreated', { conversationId: 'b', type: 'group', title: null, createdBy: 'bob', timestamp, eventSeq: 1 })
  emit('participantJoined', participantEvent('alice', { conversationId: 'b', displayName: 'A', eventSeq: 2 }))
  emit('participantJoined', participantEvent('bob', { conversationId: 'b', displayName: 'B', eventSeq: 3 }))
  emit('message', event('b', 9))
  await settle()
  t.strictSame(ids(), ['b', 'a'])
  t.match(find('b'), { unreadCount: 1 }, 'counted once')
  t.equal(callsOf('getConversation').length, 2, 'all that comes during a fetch makes one more')
  emit('message', event('of a later page', 10))
  await settle()
  t.strictSame(ids(), ['of a later page', 'b', 'a'])
  emit('participantLeft', participantEvent('alice', { conversationId: 'b', displayName: 'A', eventSeq: 4 }))
  t.strictSame(ids(), ['of a later page', 'a'])
  emit('participantLeft', participantEvent('bob', { conversationId: 'a', displayName: 'B', eventSeq: 2 }))
  await settle()
  t.match(find('a'), { unreadCount: 1 })

  const before = callsOf('getConversation').length
  for (let i = 0; i < 3; i++) {
    emit('message', event('gone', 1))
    await settle()
  }
  t.equal(callsOf('getConversation').length, before + 1, 'what isn\'t there is asked for once')
})

test('what is heard during the fetch is not lost, nor counted twice', async (t) => {
  const fetched = deferred<ConversationPage>()
  const { emit, connect, find } = setUp(t, {
    listConversations: () => fetched.promise,
    getConversation: async () => { throw new ChatError('NETWORK', 'no') }
  })
  connect()
  emit('message', event('a', 2))
  emit('message', event('a', 3))
  emit('onlineStatus', { userId: 'bob', isOnline: true, lastSeen: null, timestamp })
  await settle()
  fetched.resolve({ conversations: [listed('a', 2, { lastMessage: last('a', 2), unreadCount: 2 })], nextCursor: null })
  await settle()
  t.match(find('a'), { unreadCount: 3, lastMessage: { seq: 3 }, participants: [{}, { isOnline: true }] })
})

test('what was heard during the fetch of conversations that it didn\'t bring', async (t) => {
  const fetched = deferred<ConversationPage>()
  const { emit, connect, ids } = setUp(t, { listConversations: () => fetched.promise, getConversation: async (id) => listed(id, 5) })
  connect()
  for (const id of ['x', 'y', 'z']) emit('message', event(id, 1))
  fetched.resolve({ conversations: [listed('a', 9)], nextCursor: null })
  await settle()
  t.strictSame(ids(), ['z', 'y', 'x', 'a'], 'as they were heard of, after what the server had')
})

test('who types, and who is online', async (t) => {
  const { emit, ready, find, setStatus } = setUp(t, { listConversations: page(listed('a', 2), listed('b', 1)) })
  await ready()
  const typing = (conversationId: string, userId: string, isTyping = true) => emit('typing', { conversationId, userId, displayName: userId, isTyping, timestamp })
  const other = find('b')
  typing('a', 'bob')
  typing('a', 'alice')
  t.match(find('a')?.typing, [{ userId: 'bob' }])
  t.equal(find('b'), other)
  emit('message', event('a', 1))
  t.strictSame(find('a')?.typing, [])
  typing('a', 'bob')
  typing('a', 'bob', false)
  t.strictSame(find('a')?.typing, [])
  typing('b', 'bob')
  emit('onlineStatus', { userId: 'bob', isOnline: true, lastSeen: null, timestamp })
  emit('onlineStatus', { userId: 'stranger', isOnline: true, lastSeen: null, timestamp })
  for (const id of ['a', 'b']) t.match(find(id)?.participants, [{ isOnline: false }, { userId: 'bob', isOnline: true }])
  setStatus('waiting')
  t.strictSame(find('b')?.typing, [])
})

test('pages', async (t) => {
  const { list, ready, ids, callsOf, connect, emit } = setUp(t, {
    listConversations: async ({ cursor } = {}) => cursor === undefined
      ? { conversations: [listed('c', 3), listed('b', 2)], nextCursor: 'after b' }
      : { conversations: [listed('b', 2), listed('a', 1)], nextCursor: null }
  })
  await list.loadMore()
  await ready()
  t.ok(list.getSnapshot().hasMore)
  await Promise.all([list.loadMore(), list.loadMore()])
  t.strictSame(ids(), ['c', 'b', 'a'])
  t.notOk(list.getSnapshot().hasMore)
  t.strictSame(callsOf('listConversations').at(-1), ['listConversations', { limit: 50, cursor: 'after b' }])
  connect({ resumed: true })
  await settle()
  t.strictSame(ids(), ['c', 'b', 'a'], 'a resumed stream leaves them')
  emit('reset', { conversationId: null, reason: 'foreign' })
  await settle()
  t.strictSame(ids(), ['c', 'b'], 'a reset begins anew')
  t.ok(list.getSnapshot().hasMore)
})

test('a reset of one conversation', async (t) => {
  const { ready, emit, find } = setUp(t, { listConversations: page(listed('a', 1)), getConversation: async () => listed('a', 1, { unreadCount: 5 }) })
  await ready()
  emit('reset', { conversationId: 'a', reason: 'pruned' })
  await settle()
  t.match(find('a'), { unreadCount: 5 })
})

test('a list that can\'t be loaded', async (t) => {
  let fails = true
  const { list, setStatus, connect } = setUp(t, { listConversations: async () => { if (fails) throw new ChatError('NETWORK', 'no'); return { conversations: [listed('a', 1)], nextCursor: null } } })
  setStatus('waiting')
  await settle()
  t.match(list.getSnapshot(), { status: 'failed', error: { code: 'NETWORK' } })
  fails = false
  connect({ resumed: true })
  await settle()
  t.match(list.getSnapshot(), { status: 'ready', error: null, conversations: [{ id: 'a' }] })
})

test('closing leaves nothing', async (t) => {
  const { list, ready, emit, listeners, callsOf } = setUp(t, { listConversations: page(listed('a', 1)) })
  const before = process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
  await ready()
  emit('typing', { conversationId: 'a', userId: 'bob', displayName: 'B', isTyping: true, timestamp })
  list.close()
  t.equal(listeners(), 0)
  t.ok(process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length <= before)
  t.equal(callsOf('listConversations').length, 1)
})

test('titles', async (t) => {
  const participants = [participant('alice'), participant('bob', { displayName: 'Bob' }), participant('carol', { displayName: 'Carol' })]
  t.equal(conversationTitle(conversation({ title: 'T', participants }), 'alice'), 'T')
  t.equal(conversationTitle(conversation({ title: null, participants }), 'alice'), 'Bob, Carol')
  t.equal(conversationTitle(conversation({ title: '', participants: participants.slice(0, 2) }), 'alice'), 'Bob')
})
