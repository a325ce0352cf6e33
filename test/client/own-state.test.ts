import { test } from 'tap'
import { ChatError, openConversation, openConversationList, type ChatClient, type ConversationFilter } from '../../client/index.js'
import { DEFAULT_STATE, type Conversation, type ConversationPage, type OwnStateAnswer } from '../../schemas/conversations.js'
import type { ChatEvents } from '../../schemas/events.js'
import { connected, conversation, message, messageEvent, timestamp } from './made.js'
import { createStubSession, deferred, settle } from './stub-session.js'

const answer = (conversationId: string, userVersion: number, data: Partial<OwnStateAnswer> = {}): OwnStateAnswer =>
  ({ conversationId, ...DEFAULT_STATE, unreadCount: 0, unreadMentionCount: 0, userVersion, ...data })
const state = (...args: Parameters<typeof answer>): ChatEvents['conversationState'] => ({ ...answer(...args), timestamp })
const listed = (id: string, data: Partial<Conversation> = {}) => conversation({ id, conversationId: id, lastMessage: message(5, { conversationId: id, id: `${id}5` }), ...data })
const said = (conversationId: string, seq: number) => messageEvent(seq, { ...message(seq, { conversationId, id: `${conversationId}${seq}` }) })

function setUp (t: { teardown (callback: () => unknown): void }, answers: Partial<ChatClient>, filter?: ConversationFilter) {
  let conversations: Conversation[] = [listed('a'), listed('b'), listed('c')]
  const stub = createStubSession({
    listConversations: async (): Promise<ConversationPage> => ({ conversations, nextCursor: null }),
    getConversation: async (id) => conversations.find((each) => each.id === id) ?? listed(id),
    ...answers
  })
  const list = openConversationList(stub.session, filter)
  t.teardown(() => list.close())
  return {
    ...stub,
    list,
    serve: (...next: Conversation[]) => { conversations = next },
    ids: () => list.getSnapshot().conversations.map(({ id }) => id),
    me: (id: string) => list.getSnapshot().conversations.find((each) => each.id === id)?.me,
    fetches: () => stub.callsOf('listConversations').length + stub.callsOf('getConversation').length,
    async ready (userVersion = 5) {
      stub.connect({ userVersion })
      await settle()
    }
  }
}

test('a change shows at once, and no longer if it is refused', async (t) => {
  const answers = [deferred<OwnStateAnswer>(), deferred<OwnStateAnswer>()]
  let asked = 0
  const { list, ids, me, ready, fetches } = setUp(t, { updateOwnState: () => answers[asked++]!.promise })
  await ready()
  const before = fetches()
  const done = list.updateOwnState('b', { favourite: true, mutedUntil: undefined as never })
  const refused = t.rejects(list.updateOwnState('b', { archived: true }), { code: 'NOT_FOUND' })
  t.strictSame(ids(), ['a', 'c'], 'an archived one is not in the list')
  answers[0]!.resolve(answer('b', 6, { favourite: true }))
  await done
  t.strictSame(ids(), ['a', 'c'])
  answers[1]!.reject(new ChatError('NOT_FOUND', 'gone'))
  await refused
  t.strictSame(ids(), ['a', 'b', 'c'], 'at its place')
  t.strictSame(me('b'), { ...DEFAULT_STATE, favourite: true })
  t.equal(fetches(), before)
})

test('what other devices change is shown; one that was missed is fetched', async (t) => {
  const { list, emit, ids, me, ready, serve, fetches } = setUp(t, {})
  await ready()
  let before = fetches()
  emit('conversationState', state('a', 6, { mutedUntil: 'forever', notify: 'none' }))
  emit('conversationState', state('c', 7, { archived: true }))
  t.match(me('a'), { mutedUntil: 'forever', notify: 'none' })
  t.strictSame(ids(), ['a', 'b'])
  emit('conversationState', state('a', 6, { favourite: true }))
  t.match(me('a'), { favourite: false }, 'an older one that comes late changes nothing')
  emit('conversationDeleted', { conversationId: 'b', timestamp })
  emit('conversationState', state('c', 9, { archived: false }))
  t.strictSame(ids(), ['a', 'c'])
  await settle()
  t.equal(fetches(), before, 'a deletion counts')

  serve(listed('a', { unreadCount: 2 }), listed('c', { me: { ...DEFAULT_STATE, favourite: true } }))
  emit('conversationState', state('a', 11))
  await settle()
  t.equal(fetches(), before + 1, 'a jump')
  t.match(me('c'), { favourite: true })
  before = fetches()
  serve(listed('a', { unreadCount: 3, me: { ...DEFAULT_STATE, unreadFrom: 2 } }))
  emit('conversationState', state('a', 12, { unreadFrom: 2, unreadCount: 3 }))
  await settle()
  t.equal(fetches(), before + 1, 'the service knows what is unread now')
  t.match(list.getSnapshot(), { unreadCount: 3 })
  before = fetches()
  serve(listed('a'), listed('z'), listed('c'))
  emit('conversationState', state('z', 13))
  await settle()
  t.strictSame(ids(), ['a', 'z', 'c'], 'one that came out of the archive')
})

test('a change that was missed before a block is fetched, too, in the list and in a conversation', async (t) => {
  let current = listed('a')
  const { session, emit, me, ready, serve } =
    setUp(t, { getConversation: async () => current, listMessages: async () => ({ messages: [], hasMore: false }) })
  const chat = openConversation(session, 'a')
  t.teardown(() => { chat.close() })
  await ready(5)
  const favourite = { me: { ...DEFAULT_STATE, favourite: true } }
  current = listed('a', favourite)
  serve(current)
  emit('blocked', { userId: 'zoe', blocked: true, userVersion: 7, timestamp })
  await settle()
  t.match(me('a'), favourite.me)
  t.match(chat.getSnapshot().conversation?.me, favourite.me)
  current = listed('a')
  emit('conversationState', state('z', 9))
  await settle()
  t.match(chat.getSnapshot().conversation?.me, DEFAULT_STATE, 'one of another conversation tells it as well')
})

test('a client that was away refetches if the number differs', async (t) => {
  const { connect, ids, ready, serve, callsOf } = setUp(t, {})
  await ready(5)
  serve(listed('b'))
  connect({ userVersion: 5, resumed: true })
  await settle()
  t.strictSame(ids(), ['b', 'a', 'c'], 'the first page is refreshed')
  connect({ userVersion: 6, resumed: true })
  await settle()
  t.strictSame(ids(), ['b'], 'the list is replaced')
  t.ok(callsOf('listConversations').length >= 3)
  t.equal(connected().userVersion, 0)
})

test('messages bring an unmuted conversation back out of the archive', async (t) => {
  const { emit, ids, ready, serve } = setUp(t, {})
  serve(listed('a'), listed('b'), listed('c'))
  await ready()
  emit('conversationState', state('b', 6, { archived: true }))
  emit('conversationState', state('c', 7, { archived: true, mutedUntil: 'forever' }))
  t.strictSame(ids(), ['a'])
  emit('message', said('b', 5))
  t.strictSame(ids(), ['a'], 'not one that is known')
  emit('message', said('b', 6))
  emit('message', said('c', 6))
  t.strictSame(ids(), ['b', 'a'])
  serve(listed('d', { me: { ...DEFAULT_STATE, archived: true, mutedUntil: 'forever' } }))
  emit('message', said('d', 6))
  await settle()
  t.strictSame(ids(), ['b', 'a'], 'nor one that is not loaded, and muted')
})

test('totals, and lists with a filter', async (t) => {
  const muted = { ...DEFAULT_STATE, mutedUntil: 'forever' }
  const { list, ids, emit, ready, serve, callsOf } = setUp(t, {}, { archived: 'all', favourite: true })
  serve(
    listed('a', { unreadCount: 2, unreadMentionCount: 1, me: { ...DEFAULT_STATE, favourite: true } }),
    listed('b', { unreadCount: 3, unreadMentionCount: 2, me: { ...muted, favourite: true, archived: true } }),
    listed('c', { unreadCount: 4, unreadMentionCount: 4, me: { ...muted, favourite: true, notify: 'none' } }),
    listed('past', { unreadCount: 1, me: { ...DEFAULT_STATE, favourite: true, mutedUntil: '2020-01-01T00:00:00.000Z' } }),
    listed('e', { me: DEFAULT_STATE })
  )
  await ready()
  t.match(callsOf('listConversations')[0]?.[1], { archived: 'all', favourite: true })
  t.strictSame(ids(), ['a', 'b', 'c', 'past'])
  t.match(list.getSnapshot(), { unreadCount: 3, unreadMentionCount: 3 }, 'muted ones count for mentions, unless they never notify')
  emit('conversationState', state('a', 6, { unreadCount: 2, unreadMentionCount: 1 }))
  t.strictSame(ids(), ['b', 'c', 'past'])
})

test('one conversation: its own state, and what is unread', async (t) => {
  const messages = [1, 2, 3, 4].map((seq) => message(seq, { senderId: seq === 2 ? 'alice' : 'bob' }))
  const participants = conversation().participants.map((each) => ({ ...each, readSeq: 4, deliveredSeq: 4 }))
  let current = conversation({ lastMessage: messages[3]!, participants })
  const pending: Array<ReturnType<typeof deferred<OwnStateAnswer>>> = []
  const { session, connect, emit, callsOf } = createStubSession({
    getConversation: async () => current,
    listMessages: async () => ({ messages, hasMore: false }),
    updateOwnState: () => {
      const next = deferred<OwnStateAnswer>()
      pending.push(next)
      return next.promise
    }
  })
  const chat = openConversation(session, current.id)
  t.teardown(() => chat.close())
  connect({ userVersion: 5 })
  await settle()
  t.match(chat.getSnapshot(), { unreadCount: 0, conversation: { me: DEFAULT_STATE } })
  const marking = chat.updateOwnState({ unreadFrom: 1 })
  t.match(chat.getSnapshot(), { unreadCount: 3, conversation: { me: { unreadFrom: 1 } } }, 'at once, without one\'s own')
  pending[0]!.resolve(answer(current.id, 6, { unreadFrom: 1, unreadCount: 3 }))
  await marking
  t.match(chat.getSnapshot(), { unreadCount: 3, conversation: { me: { unreadFrom: 1 } } })
  emit('conversationState', state(current.id, 6, { unreadFrom: 1, unreadCount: 3 }))
  emit('conversationState', state(current.id, 5))
  t.match(chat.getSnapshot(), { unreadCount: 3, conversation: { me: { unreadFrom: 1 } } }, 'an older one changes nothing')

  chat.markRead()
  t.match(chat.getSnapshot(), { unreadCount: 0, conversation: { me: { unreadFrom: null } } })
  t.strictSame(callsOf('updateOwnState').at(-1), ['updateOwnState', current.id, { unreadFrom: null }])
  pending[1]!.reject(new ChatError('NETWORK', 'gone'))
  await settle()
  t.match(chat.getSnapshot(), { unreadCount: 3, conversation: { me: { unreadFrom: 1 } } })

  current = { ...current, me: { ...DEFAULT_STATE, archived: true }, unreadCount: 0 }
  emit('conversationState', state(current.id, 7, { archived: true }))
  t.match(chat.getSnapshot(), { unreadCount: 0, conversation: { me: { archived: true, unreadFrom: null } } })
  emit('conversationState', state('another', 8, { archived: false }))
  emit('message', messageEvent(5))
  t.match(chat.getSnapshot(), { unreadCount: 1, conversation: { me: { archived: false } } })
  const refused = t.rejects(chat.updateOwnState({ favourite: true }), { code: 'NOT_FOUND' })
  t.match(chat.getSnapshot().conversation?.me, { favourite: true })
  pending[2]!.reject(new ChatError('NOT_FOUND', 'gone'))
  await refused
  t.match(chat.getSnapshot().conversation?.me, { favourite: false })
})
