import { test } from 'tap'
import { mentionsOf, type ChatClient } from '../../client/index.js'
import type { OwnMessage } from '../../schemas/messages.js'
import { conversation, message, messageEvent, participant, profile, timestamp } from './made.js'
import { createStubSession, openBoth, settle, type Teardown } from './stub-session.js'

const people = (...names: string[]) => names.map((displayName) => profile(displayName.toLowerCase(), { displayName }))
const found = (text: string, ...names: string[]) => mentionsOf(text, people(...names)).map(({ userId, start, length }) => `${userId} ${text.slice(start, start + length)}`)

test('mentions are found in a text', async (t) => {
  t.strictSame(mentionsOf('Hi @Bob!', people('Bob')), [{ userId: 'bob', start: 3, length: 4 }])
  t.strictSame(mentionsOf('👍👍 @Zoë 👍', people('Zoë')), [{ userId: 'zoë', start: 5, length: 4 }], 'places are UTF-16 code units')
  t.strictSame(found('@Ann Lee, @Ann and @Ann Lee Miller', 'Ann', 'Ann Lee Miller', 'Ann Lee'), ['ann lee @Ann Lee', 'ann @Ann', 'ann lee miller @Ann Lee Miller'])
  t.strictSame(found('@Bob @Bob', 'Bob'), ['bob @Bob', 'bob @Bob'])
  t.strictSame(found('mail@Bob @Bobby @Bob_ @Bob7 ü@Bob 𝒜@Bob @Bob𝒜 @Bobé', 'Bob'), [], 'not inside words')
  t.strictSame(found('(@Bob) @Bob\'s @@Bob, @Bob.', 'Bob'), Array(4).fill('bob @Bob'))
  t.strictSame(found('@Bobby Tables', 'Bob', 'Bobby'), ['bobby @Bobby'])
  t.strictSame(found('你好@小明你好 @田中さん @김민수가', '小明', '田中', '김민수'), ['小明 @小明', '田中 @田中', '김민수 @김민수'], 'scripts without spaces')
  t.strictSame(found('@a@b', 'a@b', 'a', 'b'), ['a@b @a@b'])
  t.strictSame(found('@a@b', 'a', 'b'), ['a @a'], 'the second is inside a word')
  t.strictSame(found('@.* @(', '.*', '('), ['.* @.*', '( @('])
  t.strictSame(found('@ @', '', 'x'), [])
  t.strictSame(mentionsOf('', []), [])
  t.equal(mentionsOf('@Bob '.repeat(60), people('Bob')).length, 50, 'as many as the service takes')
})

test('an engine without Unicode properties', async (t) => {
  const { RegExp } = globalThis
  t.teardown(() => { globalThis.RegExp = RegExp })
  globalThis.RegExp = class extends RegExp {
    constructor (pattern: string, flags?: string) {
      if (pattern.includes('\\p')) throw new SyntaxError('Invalid property name')
      super(pattern, flags)
    }
  } as RegExpConstructor
  const mentions = mentionsOf('mail@Bob @Bobby @Bob!', people('Bob'))
  globalThis.RegExp = RegExp
  t.strictSame(mentions, [{ userId: 'bob', start: 16, length: 4 }])
})

let eventSeq = 100
const event = (seq: number, data: Partial<OwnMessage> = {}) => ({ ...messageEvent(seq, data), eventSeq: ++eventSeq })
const alice = [{ userId: 'alice', displayName: 'alice', start: null, length: null }]
const mine = { senderId: 'alice' }
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => message(from + i))

async function setUp (
  t: Teardown,
  messages: OwnMessage[],
  { unread = 0, mentioned = 0, readSeq = 0, ...answers }: Partial<ChatClient> & { unread?: number, mentioned?: number, readSeq?: number } = {}
) {
  const counts = { unreadCount: unread, unreadMentionCount: mentioned }
  const fetched = () => conversation({
    lastMessage: messages.at(-1) ?? null, ...counts, participants: [participant('alice', { readSeq }), participant('bob')]
  })
  const stub = createStubSession({
    getConversation: async () => fetched(),
    listConversations: async () => ({ conversations: [fetched()], nextCursor: null }),
    listMessages: async () => ({ messages, hasMore: (messages[0]?.seq ?? 1) > 1 }),
    ...answers
  })
  const { live, list } = await openBoth(t, stub)
  const shown = () => {
    const { conversations: [first], unreadMentionCount } = list.getSnapshot()
    return [live.getSnapshot().unreadMentionCount, first?.unreadMentionCount, unreadMentionCount]
  }
  return { ...stub, live, list, counts, shown }
}

test('unread mentions are counted', async (t) => {
  const { live, emit, shown, counts } = await setUp(t, [])
  const all = (count: number) => [count, count, count]
  emit('message', event(1))
  t.strictSame(shown(), all(0))
  emit('message', event(2, { mentions: alice }))
  t.strictSame(shown(), all(1))
  emit('message', event(3, { mentionsAll: true, mentions: alice }))
  t.strictSame(shown(), all(2), 'a message counts once')
  emit('message', event(4, { ...mine, mentionsAll: true, mentions: alice }))
  emit('message', event(5, { mentions: [{ userId: 'bob', displayName: 'bob', start: null, length: null }] }))
  emit('message', event(3, { mentionsAll: true }))
  t.strictSame(shown(), all(2), 'not one\'s own, not others\', and nothing twice')

  // An edit counts at once. The list asks the service: it does not know the messages.
  Object.assign(counts, { unreadCount: 4, unreadMentionCount: 1 })
  emit('messageUpdated', event(2, { text: 'new', editedAt: timestamp }))
  await settle()
  t.equal(live.getSnapshot().unreadMentionCount, 1)
  t.strictSame(shown(), all(1))
  Object.assign(counts, { unreadCount: 3, unreadMentionCount: 0 })
  emit('messageDeleted', event(3, { text: '', deletedAt: timestamp }))
  await settle()
  t.strictSame(shown(), all(0))

  emit('message', event(6, { mentionsAll: true }))
  t.strictSame(shown(), all(1))
  live.markRead()
  t.equal(live.getSnapshot().unreadMentionCount, 0)
  emit('statusUpdate', { messageId: 'm6', status: 'read', userId: 'alice', conversationId: 'c', timestamp, eventSeq: ++eventSeq })
  t.strictSame(shown(), all(0))
})

test('mentions that are not loaded are the service\'s to count', async (t) => {
  const { live, emit, shown, counts, callsOf } = await setUp(t, range(91, 100), { unread: 80, mentioned: 7, readSeq: 20 })
  const asked = () => callsOf('getConversation').length
  t.strictSame(shown(), [7, 7, 7])
  emit('message', event(101, { mentions: alice }))
  t.strictSame(shown(), [8, 8, 8])
  const before = asked()
  emit('messageUpdated', event(10, { text: 'read long ago', mentions: alice }))
  emit('messageUpdated', event(101, { text: 'still', mentions: alice }))
  await settle()
  t.strictSame(shown(), [8, 8, 8])
  const idle = asked()
  t.equal(idle, before, 'what was read, or is loaded, is no reason to ask')
  Object.assign(counts, { unreadCount: 80, unreadMentionCount: 6 })
  emit('messageUpdated', event(50, { text: 'no longer', editedAt: timestamp }))
  await settle()
  t.ok(asked() > idle)
  t.strictSame(live.getSnapshot().unreadMentionCount, 7, 'six up to the hundredth, and one after it')
  Object.assign(counts, { unreadCount: 0, unreadMentionCount: 0 })
  emit('statusUpdate', { messageId: 'm60', status: 'read', userId: 'alice', conversationId: 'c', timestamp, eventSeq: ++eventSeq })
  await settle()
  t.equal(shown()[1], 0, 'the list asked')
})

test('a hundred means a hundred or more', async (t) => {
  const { emit, shown } = await setUp(t, range(151, 200), { unread: 180, mentioned: 100, readSeq: 20 })
  emit('message', event(201, { mentionsAll: true }))
  t.strictSame(shown(), [100, 100, 100])
})
