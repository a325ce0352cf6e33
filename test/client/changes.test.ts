import { test } from 'tap'
import { isChange, openConversation, type ChatClient, type ConversationChange } from '../../client/index.js'
import { conversation, conversationEvent, message, messageEvent, participantEvent } from './made.js'
import { createStubSession, deferred, settle, type Teardown } from './stub-session.js'

const joined = (eventSeq: number, afterSeq: number, userId: string): ConversationChange =>
  ({ type: 'participantJoined', data: participantEvent(userId, { eventSeq }), afterSeq })

/** The service's answer: changes by `afterSeq`, both bounds included. */
function pageOf (all: ConversationChange[], { from = 0, to = Infinity, after = 0, limit = 50 }: Parameters<ChatClient['listChanges']>[1] = {}) {
  const found = all.filter((change) => change.afterSeq >= from && change.afterSeq <= to && change.data.eventSeq > after)
  return { changes: found.slice(0, limit), hasMore: found.length > limit }
}

async function setUp (t: Teardown, count: number, changes: ConversationChange[], answers: Partial<ChatClient> = {}) {
  const all = Array.from({ length: count }, (_, i) => message(i + 1))
  const stub = createStubSession({
    getConversation: async () => conversation({ lastMessage: all.at(-1) ?? null }),
    listMessages: async (_id, { before = count + 1 } = {}) => ({ messages: all.slice(Math.max(before - 51, 0), before - 1), hasMore: before > 51 }),
    listChanges: async (_id, query) => pageOf(changes, query),
    ...answers
  })
  const live = openConversation(stub.session, 'c', { changes: true })
  t.teardown(() => { live.close() })
  stub.connect()
  await settle()
  const shown = () => live.getSnapshot().messages.map((line) => isChange(line) ? line.change.data.eventSeq * -1 : line.seq)
  return { ...stub, live, shown, changes }
}

test('what happened stands between the messages', async (t) => {
  const { live, shown, emit } = await setUp(t, 3, [joined(1, 0, 'bob'), joined(4, 2, 'carol'), joined(5, 2, 'dave')])
  t.strictSame(shown(), [-1, 1, 2, -4, -5, 3])
  const [line] = live.getSnapshot().messages
  t.match(line, { key: 'change 1', seq: null, change: { type: 'participantJoined', data: { userId: 'bob' } } })

  const { unreadCount } = live.getSnapshot()
  emit('participantLeft', participantEvent('bob', { eventSeq: 7 }))
  t.strictSame(shown(), [-1, 1, 2, -4, -5, 3, -7], 'told by the stream')
  t.equal(live.getSnapshot().unreadCount, unreadCount, 'and unread for nobody')
  emit('participantLeft', participantEvent('bob', { eventSeq: 7 }))
  emit('message', messageEvent(8, { id: 'm4', messageId: 'm4', seq: 4 }))
  emit('conversationUpdated', conversationEvent({ eventSeq: 9 }))
  live.send('not sent yet')
  t.strictSame(shown(), [-1, 1, 2, -4, -5, 3, -7, 4, -9, null], 'unsent messages stay last')
  t.equal(live.getSnapshot().messages[0], line, 'the same object until something changes')
})

test('only as far as messages are loaded, in pages', async (t) => {
  const many = Array.from({ length: 450 }, (_, i) => joined(i + 2, 100, `user${i}`))
  const { live, shown, callsOf } = await setUp(t, 120, [joined(1, 30, 'bob'), ...many])
  t.equal(shown().length, 50 + 450)
  t.equal(callsOf('listChanges').length, 3)
  await live.loadOlder()
  await settle()
  t.equal(shown().length, 100 + 451)
  t.equal(shown().indexOf(-1), shown().indexOf(30) + 1)
  t.strictSame(callsOf('listChanges').at(-1), ['listChanges', 'c', { from: 21, to: 70, limit: 200 }])
})

test('a call that fails is made again; without the option there is none', async (t) => {
  let fails = true
  const { live, shown, emit, connect, session, callsOf, changes } = await setUp(t, 1, [joined(1, 0, 'bob')], {
    listChanges: async (_id, query) => fails ? await Promise.reject(new Error('no')) : pageOf(changes, query)
  })
  t.strictSame(shown(), [1], 'messages are shown all the same')
  fails = false
  connect()
  await settle()
  t.strictSame(shown(), [-1, 1])
  changes.push(joined(3, 1, 'carol'))
  connect({ resumed: false })
  await settle()
  t.strictSame(shown(), [-1, 1, -3], 'what happened while the stream was away')

  const before = callsOf('listChanges').length
  const plain = openConversation(session, 'c')
  await settle()
  t.strictSame(plain.getSnapshot().messages.map(({ seq }) => seq), [1])
  emit('reset', { conversationId: 'c', reason: 'unknownId', timestamp: '' } as never)
  await settle()
  t.equal(callsOf('listChanges').length, before + 1, 'only the one with lines asks')
  plain.close()
  live.close()
})

test('closing ends an open call', async (t) => {
  const answer = deferred<never>()
  let signal: AbortSignal | undefined
  const { live, listeners } = await setUp(t, 1, [], {
    listChanges: async (_id, _query, options) => { signal = options?.signal; return await answer.promise }
  })
  live.close()
  t.ok(signal?.aborted)
  t.equal(listeners(), 0)
})
