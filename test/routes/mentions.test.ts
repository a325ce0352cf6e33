import { test, type Test } from 'tap'
import type { ConversationPage } from '../../schemas/conversations.js'
import type { Mention, MentionPage, OwnMessage as Message } from '../../schemas/messages.js'
import { build, buildListening, shared, user, users, written, type User } from '../helper.js'

/** Three users in a group. */
async function scene (t: Test, make = build) {
  const app = await make(t)
  const [alice, bob, carol] = users(app, 'alice', 'bob', 'carol') as [User, User, User]
  return { app, alice, bob, carol, conversationId: await alice.group([bob, carol]) }
}

const pathOf = ({ id }: Pick<Message, 'id'>): string => `/api/chat/messages/${id}`
const mention = (userId: string, start: number | null = null, length: number | null = null): Omit<Mention, 'displayName'> => ({ userId, start, length })
const shownOf = (mentions: Mention[]): unknown => mentions.map(({ displayName: _, ...rest }) => rest)
const list = async (who: User, query = ''): Promise<MentionPage> => await who.ok('GET', `/api/chat/mentions${query}`)
const textsOf = ({ messages }: MentionPage): string[] => messages.map(({ text }) => text)
const leave = async (who: User, conversationId: string): Promise<void> => { await who.ok('DELETE', `/api/chat/conversations/${conversationId}/participants/${who.id}`) }
const add = async (who: User, conversationId: string, ...others: User[]): Promise<void> => {
  await who.ok('POST', `/api/chat/conversations/${conversationId}/participants`, { participantIds: others.map(({ id }) => id) })
}
/** The count in both answers that have it. */
async function unread (t: Test, who: User, conversationId: string): Promise<number> {
  const { unreadMentionCount } = await who.conversation(conversationId)
  const { conversations } = await who.ok<ConversationPage>('GET', '/api/chat/conversations?limit=100')
  t.equal(conversations.find(({ id }) => id === conversationId)!.unreadMentionCount, unreadMentionCount)
  return unreadMentionCount
}

test('mentions are kept in the order sent', async t => {
  const { alice, bob, carol, conversationId } = await scene(t, buildListening)
  const stream = await carol.stream(t, { conversationId })
  const text = '🙂 @bob and @carol, @bob'
  const sent = await alice.send(conversationId, text, {
    mentions: [mention('carol', 12, 6), mention('bob', 20, 4), mention('nobody'), mention('bob', 3, 4), mention('mallory', 7, 1), { userId: 'bob' }, mention('alice'), mention('bob'), mention('carol')]
  })
  t.strictSame(sent.mentions.map(({ start, length }) => start === null ? null : text.slice(start, start + length!)), ['@carol', '@bob', '@bob', null, null, null], 'as String.prototype.slice counts')
  t.strictSame(sent.mentions, [
    { userId: 'carol', displayName: 'carol', start: 12, length: 6 },
    { userId: 'bob', displayName: 'bob', start: 20, length: 4 },
    { userId: 'bob', displayName: 'bob', start: 3, length: 4 },
    { userId: 'bob', displayName: 'bob', start: null, length: null },
    { userId: 'alice', displayName: 'alice', start: null, length: null },
    { userId: 'carol', displayName: 'carol', start: null, length: null }
  ], 'who does not take part is left out; without a range, one entry a user; oneself is kept')
  const { data: { eventSeq: _, ...told } } = await stream.next<Message & { eventSeq: number }>('message')
  t.strictSame(told, shared(sent))
  t.strictSame(await bob.ok('GET', pathOf(sent)), sent)
  t.strictSame((await alice.send(conversationId, '@bob @carol')).mentions, [], 'the text is never parsed')
  t.strictSame((await alice.send(conversationId, 'x', { mentions: [mention('nobody'), mention('mallory')] })).mentions, [])
  t.match(await alice.send(conversationId, 'x', { mentions: null, mentionsAll: null }), { mentions: [], mentionsAll: false })
  t.match(await alice.send(conversationId, 'x', { mentionsAll: true }), { mentions: [], mentionsAll: true })
  t.equal((await alice.send(conversationId, 'x', { mentions: Array.from({ length: 50 }, (_, index) => mention(index === 49 ? 'bob' : `user${index}`)) })).mentions.length, 1)
})

test('mentions that are wrong write nothing', async t => {
  const { app, alice, conversationId } = await scene(t)
  const message = await alice.send(conversationId, 'a🙂b')
  const before = await written(app)
  const wrong: unknown[] = [
    [mention('bob', 0, null)], [mention('bob', null, 1)], [{ userId: 'bob', start: 0 }], [{ userId: 'bob', length: 1 }],
    [mention('bob', 0, 0)], [mention('bob', -1, 1)], [mention('bob', 0, 5)], [mention('bob', 4, 1)], [mention('bob', 5, 1)], [mention('bob', 0.5, 1)], [mention('bob', 0, 1e300)], [mention('bob', 2 ** 53, 1)],
    [mention('bob', 0, 2)], [mention('bob', 2, 1)], [mention('bob', 2, 2)], [mention('bob', 1, 1)],
    [mention('bob', 0, 1), mention('carol', 0, 1)], [mention('bob', 1, 3), mention('carol', 3, 1)], [mention('nobody', 0, 4), mention('bob', 3, 1)],
    [{}], [{ userId: '' }], [{ userId: '..' }], [{ userId: 'a\u0000' }], [{ userId: 'x'.repeat(129) }], [{ userId: 1 }], [null], ['bob'], 'bob', {}, true,
    Array.from({ length: 51 }, () => mention('bob'))
  ]
  for (const mentions of wrong) {
    for (const [method, url, body] of [['POST', '/api/chat/messages', { conversationId }], ['PATCH', pathOf(message), {}]] as const) {
      const answer = await alice.call(method, url, { ...body, text: 'a🙂b', mentions })
      t.match(answer, { status: 400, body: { code: 'VALIDATION_FAILED' } }, `${method} ${JSON.stringify(mentions).slice(0, 60)}`)
    }
  }
  for (const mentionsAll of [1, 'true', {}, []]) {
    t.match(await alice.call('POST', '/api/chat/messages', { conversationId, text: 'x', mentionsAll }), { status: 400, body: { code: 'VALIDATION_FAILED' } })
  }
  t.strictSame(await written(app), before)
  t.equal((await alice.send(conversationId, 'a🙂b', { mentions: [mention('bob', 3, 1), mention('carol', 1, 2), mention('alice', 0, 1)] })).mentions.length, 3, 'side by side, between characters')
})

test('unread mentions are counted by the rules', async t => {
  const { alice, bob, carol, conversationId } = await scene(t)
  const count = async (who = bob): Promise<number> => await unread(t, who, conversationId)
  t.equal(await count(), 0)
  await alice.send(conversationId, 'nobody')
  const first = await alice.send(conversationId, 'bob', { mentions: [mention('bob', 0, 1), mention('bob', 1, 1), mention('bob')], mentionsAll: true })
  t.equal(await count(), 1, 'a message counts once')
  t.equal(await count(carol), 1, 'all of them')
  t.equal(await count(alice), 0, 'not for the sender')
  await alice.send(conversationId, 'myself', { mentions: [mention('alice')] })
  t.equal(await count(alice), 0)
  const second = await carol.send(conversationId, 'bob and alice', { mentions: [mention('bob'), mention('alice')] })
  t.strictSame([await count(), await count(alice), await count(carol)], [2, 1, 1])

  await bob.ok('PUT', `/api/chat/conversations/${conversationId}/read`, { seq: first.seq })
  t.equal(await count(), 1, 'above the read mark')
  await carol.ok('DELETE', pathOf(second))
  t.strictSame([await count(), await count(alice)], [0, 0], 'deleting lowers it')

  const edited = await carol.send(conversationId, 'x')
  const edit = async (body: Record<string, unknown>): Promise<Message> => await carol.ok('PATCH', pathOf(edited), body)
  await edit({ text: 'x', mentions: [mention('bob')] })
  t.strictSame([await count(), await count(alice)], [1, 0], 'an edit counts at once')
  await edit({ text: 'x', mentionsAll: true })
  t.strictSame([await count(), await count(alice), await count(carol)], [1, 1, 1])
  await edit({ text: 'x', mentions: [], mentionsAll: false })
  t.strictSame([await count(), await count(alice)], [0, 0], 'both ways')
  t.strictSame([(await bob.conversation(conversationId)).unreadCount, (await list(bob)).messages.length], [2, 1])
})

test('an edit and its mentions', async t => {
  const { app, alice, bob, carol, conversationId } = await scene(t, buildListening)
  const stream = await bob.stream(t, { conversationId })
  const message = await alice.send(conversationId, '@bob @carol @bob', { mentions: [mention('bob', 0, 4), mention('carol', 5, 6), mention('bob', 12, 4), mention('alice')], mentionsAll: true })
  const edit = async (body: Record<string, unknown>): Promise<Message> => await alice.ok('PATCH', pathOf(message), body)
  const kept = await edit({ text: 'bob, carol' })
  t.strictSame([shownOf(kept.mentions), kept.mentionsAll], [[mention('bob'), mention('carol'), mention('alice')], true], 'absent: the users stay, without their places')
  const before = await written(app)
  t.strictSame(await edit({ text: 'bob, carol' }), kept)
  t.strictSame(await edit({ text: 'bob, carol', mentions: [mention('bob'), { userId: 'carol' }, mention('alice'), mention('bob'), mention('nobody')], mentionsAll: true }), kept)
  t.strictSame(await edit({ text: 'bob, carol', mentions: null, mentionsAll: null }), kept)
  t.strictSame(await written(app), before, 'the same again tells nothing')
  const ranged = await edit({ text: 'bob, carol', mentions: [mention('bob', 0, 3)] })
  t.strictSame([shownOf(ranged.mentions), ranged.mentionsAll], [[mention('bob', 0, 3)], true])
  t.ok(Date.parse(ranged.editedAt!) > Date.parse(kept.editedAt!), 'mentions move editedAt')
  const notAll = await edit({ text: 'bob, carol', mentionsAll: false })
  t.strictSame([shownOf(notAll.mentions), notAll.mentionsAll], [[mention('bob', 0, 3)], false])
  const none = await edit({ text: 'bob, carol', mentions: [] })
  t.strictSame(none.mentions, [])
  const told = await stream.until(({ data }) => data.editedAt === none.editedAt)
  t.strictSame(told.filter(({ type }) => type === 'messageUpdated').map(({ data }) => (data.mentions as unknown[]).length), [3, 1, 1, 0])
  t.strictSame([await unread(t, bob, conversationId), await unread(t, carol, conversationId)], [0, 0])

  await edit({ text: 'carol', mentions: [mention('carol', 0, 5)] })
  await leave(carol, conversationId)
  const gone = await alice.ok<Message>('GET', pathOf(message))
  t.strictSame(gone.mentions, [{ userId: 'carol', displayName: 'carol', start: 0, length: 5 }], 'who leaves stays mentioned')
  t.strictSame(shownOf((await edit({ text: 'carol?' })).mentions), [mention('carol')])
  t.strictSame((await edit({ text: 'carol?', mentions: [mention('carol')] })).mentions, [], 'but cannot be mentioned any more')
})

test('what was there before one joined does not count', async t => {
  const { app, alice, bob, conversationId } = await scene(t)
  const dora = await user(app, 'dora').arrive()
  const early = await alice.send(conversationId, 'early all', { mentionsAll: true })
  const named = await alice.send(conversationId, 'early', {})
  await add(alice, conversationId, dora)
  t.equal(await unread(t, dora, conversationId), 0)
  t.strictSame(textsOf(await list(dora)), [])
  await alice.ok('PATCH', pathOf(named), { text: 'edited', mentions: [mention('dora')] })
  t.equal(await unread(t, dora, conversationId), 0, 'a message from before, that mentions her since')
  t.strictSame(textsOf(await list(dora)), ['edited'])
  await alice.ok('PATCH', pathOf(early), { text: 'early all!', mentionsAll: true })
  t.strictSame(textsOf(await list(dora)), ['edited'], 'all are those who were there when it was sent')
  await alice.send(conversationId, 'all', { mentionsAll: true })
  t.strictSame([await unread(t, dora, conversationId), textsOf(await list(dora))], [1, ['all', 'edited']])
  await leave(dora, conversationId)
  t.strictSame(textsOf(await list(dora)), [], 'a conversation that one has left')
  await alice.send(conversationId, 'away', { mentions: [mention('dora')] })
  await add(alice, conversationId, dora)
  t.strictSame([await unread(t, dora, conversationId), textsOf(await list(dora))], [0, ['edited']])
  t.strictSame(textsOf(await list(bob)), ['all', 'early all!'])
})

test('mentions over all conversations, newest first', async t => {
  const { app, alice, bob, carol, conversationId } = await scene(t)
  const other = await bob.group([alice, carol])
  const direct = await carol.direct(alice)
  const expected: string[] = []
  for (let index = 0; index < 9; index++) {
    const sent = await [bob, carol][index % 2]!.send([conversationId, other, direct][index % 3]!, `m${index}`,
      index % 2 === 0 ? { mentionsAll: true } : { mentions: [mention('alice'), mention('alice', 0, 1)], mentionsAll: index === 3 }).catch(() => undefined)
    if (sent !== undefined) expected.unshift(sent.text)
  }
  await alice.send(conversationId, 'mine', { mentionsAll: true, mentions: [mention('alice')] })
  const deleted = await bob.send(other, 'deleted', { mentionsAll: true })
  await bob.ok('DELETE', pathOf(deleted))
  t.ok(expected.length >= 6)
  const whole = await list(alice)
  t.strictSame(textsOf(whole), expected)
  t.equal(whole.nextCursor, null)
  t.strictSame(whole.messages[0], await alice.ok('GET', pathOf(whole.messages[0]!)), 'with all that a message has')
  const walked: string[] = []
  let cursor: string | null = ''
  while (cursor !== null) {
    const page: MentionPage = await list(alice, `?limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`)
    t.ok(page.messages.length <= 2)
    walked.push(...textsOf(page))
    cursor = page.nextCursor
  }
  t.strictSame(walked, expected)

  const { nextCursor } = await list(alice, '?limit=2')
  t.match(await bob.call('GET', `/api/chat/mentions?cursor=${nextCursor}`), { status: 400, body: { code: 'INVALID_CURSOR' } }, 'another\'s cursor')
  t.match(await alice.call('GET', '/api/chat/mentions?cursor=x'), { status: 400, body: { code: 'INVALID_CURSOR' } })
  const [tag] = JSON.parse(Buffer.from(nextCursor!, 'base64url').toString()) as [string]
  for (const place of [[2 ** 53 - 1, 2 ** 53 - 1, 2 ** 53 - 1], [-1, -(2 ** 40), 5], [5, 5, 2 ** 40], [1.5, 1, 1], ['1', 1, 1], [1, 1]]) {
    const { status } = await alice.call('GET', `/api/chat/mentions?cursor=${Buffer.from(JSON.stringify([tag, ...place])).toString('base64url')}`)
    t.ok(status === 200 || status === 400, `a forged cursor: ${status}`)
  }
  for (const query of ['limit=0', 'limit=101', 'limit=x', `cursor=${'x'.repeat(257)}`]) {
    t.match(await alice.call('GET', `/api/chat/mentions?${query}`), { status: 400, body: { code: 'VALIDATION_FAILED' } }, query)
  }
  t.strictSame(await list(await user(app, 'mallory').arrive()), { messages: [], nextCursor: null })
})

test('the count ends at 100', async t => {
  const { alice, bob, conversationId } = await scene(t)
  await Promise.all(Array.from({ length: 99 }, async (_, index) => await alice.send(conversationId, 'x', index % 2 === 0 ? { mentionsAll: true } : { mentions: [mention('bob')] })))
  t.equal(await unread(t, bob, conversationId), 99)
  await Promise.all(Array.from({ length: 6 }, async () => await alice.send(conversationId, 'x', { mentionsAll: true, mentions: [mention('bob')] })))
  t.equal(await unread(t, bob, conversationId), 100)
  t.equal((await list(bob, '?limit=100')).messages.length, 100)
})

test('@all costs one row, however large the group', async t => {
  const { app, alice, bob, conversationId } = await scene(t)
  const others = await Promise.all(Array.from({ length: 20 }, async (_, index) => await user(app, `u${index}`).arrive()))
  await add(alice, conversationId, ...others)
  await alice.send(conversationId, 'x', { mentionsAll: true, mentions: [mention('alice')] })
  t.equal((await written(app)).mentions, 1)
  await alice.send(conversationId, 'x', { mentions: [...others.slice(0, 5).map(({ id }) => mention(id)), mention('alice'), mention('u0')] })
  t.equal((await written(app)).mentions, 6, 'and one for each who is mentioned, but oneself')
  t.equal(await unread(t, bob, conversationId), 1)
})

test('a mention shows the name as it is now', async t => {
  const { app, alice, conversationId } = await scene(t)
  const message = await alice.send(conversationId, 'x', { mentions: [mention('bob')] })
  await user(app, 'bob', { name: 'Robert' }).arrive()
  t.equal((await alice.ok<Message>('GET', pathOf(message))).mentions[0]!.displayName, 'Robert')
  t.equal((await alice.ok<Message>('PATCH', pathOf(message), { text: 'y' })).mentions[0]!.displayName, 'Robert')
})
