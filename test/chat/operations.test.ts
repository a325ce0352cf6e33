import { test, type Test } from 'tap'
import { build, user, users, type User } from '../helper.js'

const join = (participantIds: string[]) => ({ participantIds })

async function group (t: Test) {
  const app = await build(t)
  const [alice, bob] = users(app, 'alice', 'bob') as [User, User]
  return { app, chat: app.chat, id: await alice.group([bob]) }
}

test('what comes at the same moment is decided in its order, in one transaction', async (t) => {
  const { chat, id } = await group(t)
  const [first, , again, second] = await Promise.all([
    chat.sendMessage('alice', { conversationId: id, text: 'one', clientId: 'k' }),
    chat.setTyping('alice', { conversationId: id, isTyping: true }),
    chat.sendMessage('alice', { conversationId: id, text: 'one', clientId: 'k' }),
    chat.sendMessage('bob', { conversationId: id, text: 'two' }),
    chat.markRead('bob', id, { seq: 99 })
  ])
  t.strictSame([first.created, again.created, first.message.id], [true, false, again.message.id])
  t.equal(second.message.seq, 2)
  t.match((await chat.conversation('bob', id)).participants, [{ userId: 'alice' }, { userId: 'bob', readSeq: 2 }])
})

test('one refusal leaves the others of its transaction', async (t) => {
  const { chat, id } = await group(t)
  const outcomes = await Promise.allSettled([
    chat.sendMessage('alice', { conversationId: id, text: 'one' }),
    chat.sendMessage('mallory', { conversationId: id, text: 'x' }),
    chat.addParticipants('alice', id, join(['nobody'])),
    chat.createConversation('alice', { type: 'direct', userId: 'nobody' }),
    chat.removeParticipant('bob', id, 'alice'),
    chat.sendMessage('bob', { conversationId: id, text: 'two' })
  ])
  t.strictSame(outcomes.map(outcome => outcome.status === 'fulfilled' ? 'done' : (outcome.reason as { code: string }).code),
    ['done', 'NOT_FOUND', 'UNKNOWN_USER', 'UNKNOWN_USER', 'FORBIDDEN', 'done'])
  t.strictSame((await chat.messages('alice', id)).messages.map(({ seq, text }) => [seq, text]), [[1, 'one'], [2, 'two']])
})

test('who comes back, writes and is counted in the same moment', async (t) => {
  const { chat, id } = await group(t)
  for (const text of ['1', '2', '3']) await chat.sendMessage('bob', { conversationId: id, text })
  await chat.removeParticipant('alice', id, 'bob')
  await chat.sendMessage('alice', { conversationId: id, text: '4' })
  await Promise.all([chat.addParticipants('alice', id, join(['bob'])), chat.sendMessage('bob', { conversationId: id, text: '5' })])
  t.equal((await chat.conversation('bob', id)).unreadCount, 0)
  await chat.sendMessage('alice', { conversationId: id, text: '6' })
  t.equal((await chat.conversation('bob', id)).unreadCount, 1)
  t.equal((await chat.conversation('alice', id)).unreadCount, 4)
})

test('removed, added and removed again in the same moment', async (t) => {
  const { app, chat, id } = await group(t)
  const carol = await user(app, 'carol').arrive()
  await Promise.all([
    chat.removeParticipant('alice', id, 'bob'), chat.addParticipants('alice', id, join(['bob', carol.id])),
    chat.removeParticipant('alice', id, 'carol'), chat.addParticipants('alice', id, join(['carol'])), chat.removeParticipant('alice', id, 'bob')
  ])
  const { participants, participantCount } = await chat.conversation('alice', id)
  t.strictSame([participants.map(({ userId }) => userId).sort(), participantCount], [['alice', 'carol'], 2])
  await t.rejects(chat.conversation('bob', id), { code: 'NOT_FOUND' })
})

test('a user made, talked to and talking in the same moment', async (t) => {
  const { chat } = await group(t)
  const caller = { userId: 'new', displayName: 'New', avatar: null, issuedAt: null, expiresAt: null }
  const [, , { conversation, created }] = await Promise.all([chat.ensureUser(caller), chat.ensureUser(caller),
    chat.createConversation('alice', { type: 'direct', userId: 'new' }), chat.sendMessage('alice', { conversationId: 'conv_alice_new', text: 'welcome' })])
  t.ok(created)
  t.match((await chat.conversation('new', conversation.id)), { unreadCount: 1, lastMessage: { text: 'welcome', seq: 1 } })
})

test('calls in process are checked as bodies are', async (t) => {
  const { chat, id } = await group(t)
  const { message } = await chat.sendMessage('alice', { conversationId: id, text: 'x' })
  const wrong = (value: unknown): never => value as never
  for (const [label, refused] of [
    ['text', async () => await chat.sendMessage('alice', wrong({ conversationId: id, text: 7 }))],
    ['long', async () => await chat.sendMessage('alice', { conversationId: id, text: 'x'.repeat(4001) })],
    ['type', async () => await chat.sendMessage('alice', { conversationId: id, text: 'x', type: 'Not a type' })],
    ['edit', async () => await chat.editMessage('alice', message.id, { text: '\ud800' })],
    ['status', async () => await chat.markMessage('bob', message.id, wrong({ status: 'seen' }))],
    ['seq', async () => await chat.markRead('bob', id, { seq: -1 })],
    ['typing', async () => await chat.setTyping('bob', wrong({ conversationId: id }))],
    ['online', async () => await chat.setOnline('bob', wrong({ isOnline: 1 }))],
    ['group', async () => await chat.createConversation('bob', wrong({ type: 'group' }))],
    ['role', async () => await chat.changeRole('alice', id, 'bob', wrong({ role: 'owner' }))],
    ['page', async () => await chat.messages('bob', id, { limit: 0 })],
    ['both bounds', async () => await chat.messages('bob', id, { before: 1, after: 1 })],
    ['list', async () => await chat.conversations('bob', { limit: 101 })],
    ['user', async () => { await chat.ensureUser({ userId: 'a\u0000', displayName: null, avatar: null, issuedAt: null, expiresAt: null }) }]
  ] as Array<[string, () => Promise<unknown>]>) {
    await t.rejects(async () => { await refused() }, { code: 'VALIDATION_FAILED', statusCode: 400 }, label)
  }
  for (const impossible of ['a\u0000', '\ud800', '', 'x'.repeat(301)]) {
    const calls: Array<() => Promise<unknown>> = [
      () => chat.conversation('alice', impossible), () => chat.messages('alice', impossible), () => chat.markRead('alice', impossible, { seq: 1 }),
      () => chat.addParticipants('alice', impossible, join([])), () => chat.removeParticipant('alice', impossible, 'bob'), () => chat.removeParticipant('alice', id, impossible),
      () => chat.changeRole('alice', id, impossible, { role: 'admin' }), () => chat.deleteMessage('alice', impossible), () => chat.editMessage('alice', impossible, { text: 'x' }),
      () => chat.markMessage('alice', impossible, { status: 'read' })
    ]
    for (const refused of calls) await t.rejects(async () => { await refused() }, { code: 'NOT_FOUND' })
  }
  await t.rejects(chat.sendMessage('alice', { conversationId: id, text: 'x', clientId: '' }), { code: 'VALIDATION_FAILED' })
})
