import { test } from 'tap'
import { ChatError, type ChatClient } from '../../client/index.js'
import { quoteOf } from '../../client/live/fold.js'
import type { OwnMessage } from '../../schemas/messages.js'
import { conversation, message, messageEvent, participant, profile, quote, timestamp } from './made.js'
import { createStubSession, deferred, openBoth, settle, type Teardown } from './stub-session.js'

let eventSeq = 100
const event = (seq: number, data: Partial<OwnMessage> = {}) => ({ ...messageEvent(seq, data), eventSeq: ++eventSeq })
const mine = { senderId: 'alice', sender: profile('alice', { displayName: 'alice' }) }

async function setUp (t: Teardown, messages: OwnMessage[], answers: Partial<ChatClient> = {}) {
  const last = messages.at(-1) ?? null
  const stub = createStubSession({
    getConversation: async () => conversation({ lastMessage: last }),
    listConversations: async () => ({ conversations: [conversation({ lastMessage: last })], nextCursor: null }),
    listMessages: async () => ({ messages, hasMore: false }),
    ...answers
  })
  const { live, list } = await openBoth(t, stub)
  const at = (index: number) => live.getSnapshot().messages.at(index)
  return { ...stub, live, list, at }
}

test('a reply shows its quote at once, and is sent with all that it carries', async (t) => {
  const sent = deferred<OwnMessage>()
  const { live, at, callsOf, emit } = await setUp(t, [message(1, { text: 'How are you?' })], { sendMessage: () => sent.promise })
  const mentions = [{ userId: 'bob', start: 0, length: 4 }, { userId: 'nobody here' }]
  const key = live.send('@Bob fine', { type: 'note', metadata: { mood: 'good' }, replyTo: 'm1', mentions, mentionsAll: true })
  t.match(at(-1), {
    key,
    status: 'sending',
    seq: null,
    type: 'note',
    metadata: { mood: 'good' },
    replyTo: { id: 'm1', seq: 1, senderId: 'bob', text: 'How are you?', truncated: false, attachmentCount: 0, replyCount: 0, deletedAt: null },
    replyCount: 0,
    mentions: [{ userId: 'bob', displayName: 'bob', start: 0, length: 4 }, { userId: 'nobody here', displayName: 'nobody here', start: null, length: null }],
    mentionsAll: true,
    attachments: [],
    reactions: [],
    myReactions: [],
    deletedBy: null
  })
  t.equal(at(-1), at(-1), 'the same object until something changes')
  emit('messageUpdated', event(1, { text: 'How are you all?', editedAt: timestamp }))
  t.match(at(-1), { key, replyTo: { text: 'How are you all?' } }, 'the quote is as the original is')
  await settle()
  t.strictSame(callsOf('sendMessage'), [['sendMessage', {
    conversationId: 'c', text: '@Bob fine', type: 'note', clientId: key, metadata: { mood: 'good' }, replyToId: 'm1', mentions, mentionsAll: true
  }]])
  const original = message(1, { text: 'How are you all?', replyCount: 1 })
  const reply = { ...mine, clientId: key, text: '@Bob fine', replyTo: quote(original) }
  sent.resolve(message(2, reply))
  await settle()
  t.match(at(-1), { key, seq: 2, replyTo: { id: 'm1' } })
  emit('message', event(2, reply))
  t.match(at(-1), { key, seq: 2, replyTo: { id: 'm1', replyCount: 1 } })
  t.match(at(0), { replyCount: 1 })

  const plain = live.send('plain')
  await settle()
  t.strictSame(callsOf('sendMessage').at(-1), ['sendMessage', { conversationId: 'c', text: 'plain', type: 'text', clientId: plain }])
})

test('a reply that is refused is kept whole, and sent again as it was', async (t) => {
  let fails = true
  const { live, at, callsOf } = await setUp(t, [message(1)], {
    sendMessage: async ({ clientId }) => {
      if (fails) throw new ChatError('MESSAGE_DELETED', 'no', { statusCode: 409 })
      return message(2, { ...mine, clientId: clientId ?? null })
    }
  })
  const key = live.send('late', { replyTo: 'm1', metadata: { a: 1 } })
  await settle()
  t.match(at(-1), { key, status: 'failed', error: { code: 'MESSAGE_DELETED' }, replyTo: { id: 'm1' }, metadata: { a: 1 } })
  fails = false
  live.retry(key)
  await settle()
  const [first, second] = callsOf('sendMessage')
  t.strictSame(first, second)
  t.match(at(-1), { key, status: 'sent' })
  live.send('to what is not loaded', { replyTo: 'm0' })
  t.match(at(-1), { replyTo: null })
})

test('quotes follow their original, here and in the list', async (t) => {
  const original = message(1, { replyCount: 1 })
  const { at, list, emit } = await setUp(t, [original, message(2, { replyTo: quote(original), replyCount: 0 })])
  const quoted = () => [at(1)?.replyTo, list.getSnapshot().conversations[0]?.lastMessage?.replyTo]
  const long = '👍'.repeat(201)
  emit('messageUpdated', event(1, { text: long, replyCount: 1, editedAt: timestamp }))
  for (const replyTo of quoted()) t.match(replyTo, { text: '👍'.repeat(200), truncated: true, replyCount: 1 })
  const before = at(1)
  emit('messageUpdated', event(1, { text: long, replyCount: 1, editedAt: timestamp }))
  t.equal(at(1), before, 'again, it changes nothing')
  emit('message', event(1, { text: 'as sent' }))
  t.equal(at(1), before)
  emit('messageDeleted', event(1, { text: '', replyCount: 1, deletedAt: timestamp, deletedBy: 'bob' }))
  for (const replyTo of quoted()) t.match(replyTo, { text: '', truncated: false, deletedAt: timestamp, senderId: 'bob', type: 'text', attachmentCount: 0 })
  emit('messageUpdated', event(1, { text: 'an older edit', editedAt: timestamp }))
  for (const replyTo of quoted()) t.match(replyTo, { text: '', deletedAt: timestamp }, 'a deletion is final')
  t.strictSame(quoteOf(message(3, { text: 'x'.repeat(200) })), quote(message(3, { text: 'x'.repeat(200) })))
})

test('the count of replies follows the replies', async (t) => {
  const original = message(1)
  const { at, emit } = await setUp(t, [original])
  const reply = (seq: number, replyCount: number, data: Partial<OwnMessage> = {}) => event(seq, { ...data, replyTo: quote(original, { replyCount }) })
  emit('message', reply(2, 1))
  emit('message', reply(3, 2))
  t.equal(at(0)?.replyCount, 2)
  t.strictSame([at(1)?.replyTo?.replyCount, at(2)?.replyTo?.replyCount], [2, 2], 'and in every quote of it')
  const before = at(0)
  emit('message', reply(3, 2))
  t.equal(at(0), before)
  emit('messageDeleted', reply(2, 1, { text: '', deletedAt: timestamp, deletedBy: 'bob' }))
  t.equal(at(0)?.replyCount, 1)
  t.match(at(2), { replyTo: { replyCount: 1 } })
})

test('what is heard after a request counts over its answer', async (t) => {
  const edited = deferred<OwnMessage>()
  const older = deferred<{ messages: OwnMessage[], hasMore: boolean }>()
  const original = message(5, { ...mine, text: 'mine' })
  const { live, at, emit } = await setUp(t, [original, message(6)], {
    listMessages: (_id, { before } = {}) =>
      before === undefined ? Promise.resolve({ messages: [original, message(6)], hasMore: true }) : older.promise,
    editMessage: () => edited.promise
  })
  const editing = live.edit('m5', { metadata: { a: 1 } })
  const loading = live.loadOlder()
  emit('message', event(7, { replyTo: quote(original, { replyCount: 1 }) }))
  emit('reaction', { conversationId: 'c', messageId: 'm5', messageSeq: 5, userId: 'bob', displayName: 'Bob', emoji: '👍', reacted: true, count: 1, reactions: [{ emoji: '👍', count: 1 }], timestamp, eventSeq: ++eventSeq })
  emit('messageUpdated', event(4, { text: 'edited', editedAt: timestamp }))
  edited.resolve({ ...original, metadata: { a: 1 } })
  older.resolve({ messages: [message(3, { text: 'three' }), message(4, { text: 'as it was' })], hasMore: false })
  await Promise.all([editing, loading])
  t.match(at(0), { seq: 3 })
  t.match(at(1), { seq: 4, text: 'edited' }, 'in a page that was rendered before')
  t.match(at(2), { seq: 5, metadata: { a: 1 }, replyCount: 1, reactions: [{ emoji: '👍', count: 1 }] }, 'and in the answer to an edit')
})

test('a user who changes name and picture has the new ones everywhere', async (t) => {
  const original = message(1)
  const reply = message(2, {
    ...mine,
    replyTo: quote(original),
    text: '@Bob',
    mentions: [{ userId: 'bob', displayName: 'Bob', start: 0, length: 4 }]
  })
  const carol = message(3, { senderId: 'carol' })
  const participants = [participant('alice'), participant('bob', { displayName: 'Bob' })]
  const { live, list, at, emit, people } = await setUp(t, [original, reply, carol], {
    getConversation: async () => conversation({ participants, lastMessage: carol })
  }).then((made) => ({ ...made, people: made.session.people }))
  const before = at(2)
  const avatar = 'https://example.org/bob.png'
  emit('userUpdated', { userId: 'bob', displayName: 'Robert', avatar, metadata: { team: 'red' }, timestamp })
  t.match(at(0)?.sender, { displayName: 'Robert', avatar })
  t.match(at(1), { replyTo: { sender: { displayName: 'Robert', avatar } }, mentions: [{ userId: 'bob', displayName: 'Robert', start: 0 }] })
  t.equal(at(2), before, 'a message that does not show them is the same object')
  t.match(live.getSnapshot().conversation?.participants[1], { displayName: 'Robert', avatar })
  t.match(list.getSnapshot().conversations[0]?.participants[1], { displayName: 'Robert', avatar })
  t.match(people.name(profile('bob')), { displayName: 'Robert', avatar })
  const after = at(1)
  emit('userUpdated', { userId: 'erin', displayName: 'Erin', avatar: null, metadata: null, timestamp })
  t.equal(at(1), after)
})
