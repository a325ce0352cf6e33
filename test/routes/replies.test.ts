import { setImmediate } from 'node:timers/promises'
import { test, type Test } from 'tap'
import type { Conversation, ConversationPage } from '../../schemas/conversations.js'
import type { MessagePage, OwnMessage as Message, Quote } from '../../schemas/messages.js'
import { build, buildListening, shared, user, users, written, type User } from '../helper.js'

/** Three users in a group. */
async function scene (t: Test, make = build) {
  const app = await make(t)
  const [alice, bob, carol] = users(app, 'alice', 'bob', 'carol') as [User, User, User]
  return { app, alice, bob, carol, conversationId: await alice.group([bob, carol]) }
}

const pathOf = (id: string, rest = ''): string => `/api/chat/messages/${id}${rest}`
const reply = async (sender: User, original: Message, text: string): Promise<Message> =>
  await sender.send(original.conversationId, text, { replyToId: original.id })
const get = async (reader: User, { id }: Pick<Message, 'id'>): Promise<Message> => await reader.ok('GET', pathOf(id))
const history = async (reader: User, id: string, query = ''): Promise<MessagePage> => await reader.ok('GET', `/api/chat/conversations/${id}/messages${query}`)
const seqs = ({ messages }: MessagePage): number[] => messages.map(({ seq }) => seq)

test('a reply quotes the message as it is now', async t => {
  const { alice, bob, carol, conversationId } = await scene(t, buildListening)
  const original = await alice.send(conversationId, 'Shall we?', { type: 'question', metadata: { a: 1 }, mentions: [{ userId: 'bob' }] })
  const stream = await carol.stream(t, { conversationId })
  const answer = await reply(bob, original, 'Yes')
  const quote: Quote = {
    id: original.id,
    seq: 1,
    senderId: 'alice',
    sender: { userId: 'alice', displayName: 'alice', avatar: null, isBot: false },
    text: 'Shall we?',
    truncated: false,
    type: 'question',
    attachmentCount: 0,
    replyCount: 1,
    deletedAt: null
  }
  t.strictSame(answer.replyTo, quote, 'answered')
  t.equal(answer.replyCount, 0)
  const { data: { eventSeq: _, ...told } } = await stream.next<Message & { eventSeq: number }>('message')
  t.strictSame(told, shared(answer), 'told')
  t.strictSame(await get(carol, answer), answer, 'read')
  t.strictSame((await history(carol, conversationId)).messages, [await get(carol, original), answer])
  t.strictSame((await alice.conversation(conversationId)).lastMessage, answer)
  t.strictSame((await alice.ok<ConversationPage>('GET', '/api/chat/conversations')).conversations[0]!.lastMessage, answer)
  t.strictSame({ ...await get(alice, original), replyCount: 0 }, original, 'of the original, nothing but the count changes')
  t.equal((await alice.conversation(conversationId)).unreadCount, 1, 'a reply is unread as any message')

  await alice.ok('PATCH', pathOf(original.id), { text: 'Shall we go?' })
  t.strictSame((await get(bob, answer)).replyTo, { ...quote, text: 'Shall we go?' }, 'after an edit')
  const [edited, ...others] = (await stream.until(({ type }) => type === 'messageUpdated')).filter(({ type }) => type !== 'connected')
  t.match(edited, { data: { id: original.id, replyCount: 1 } })
  t.strictSame(others, [], 'an edit does not tell the replies again')
  t.strictSame((await bob.ok<Message>('PATCH', pathOf(answer.id), { text: 'Yes!', replyToId: answer.id })).replyTo, { ...quote, text: 'Shall we go?' }, 'an edit cannot change what it replies to')

  const { deletedAt } = await alice.ok<Message>('DELETE', pathOf(original.id))
  const tombstone = { ...quote, text: '', deletedAt }
  t.strictSame((await get(bob, answer)).replyTo, tombstone)
  t.strictSame((await history(bob, conversationId)).messages[1]!.replyTo, tombstone)
  const gone = await get(bob, original)
  t.match(gone, { text: '', type: 'question', replyCount: 1, metadata: null, mentions: [], deletedBy: 'alice' })
  const replay = await carol.openStream(t, { conversationId, lastEventId: stream.events[0]!.id! })
  t.strictSame((await replay.next<Message>('message')).data.replyTo, tombstone, 'replayed as it is now')
  t.notMatch(replay.raw, 'Shall we')
})

test('a quote holds 200 code points', async t => {
  const { alice, bob, conversationId } = await scene(t)
  for (const [text, shown, truncated] of [
    ['x'.repeat(200), 'x'.repeat(200), false], ['x'.repeat(201), 'x'.repeat(200), true], ['🙂'.repeat(200), '🙂'.repeat(200), false],
    ['🙂'.repeat(4000), '🙂'.repeat(200), true], [`${'x'.repeat(199)}🙂`, `${'x'.repeat(199)}🙂`, false], [`${'x'.repeat(199)}🙂y`, `${'x'.repeat(199)}🙂`, true]
  ] as const) {
    const answer = await reply(bob, await alice.send(conversationId, text), 'y')
    t.match(answer.replyTo, { text: shown, truncated })
    t.match((await get(alice, answer)).replyTo, { text: shown, truncated })
  }
})

test('replyCount counts the direct replies that are not deleted', async t => {
  const { alice, bob, carol, conversationId } = await scene(t, buildListening)
  const original = await alice.send(conversationId, 'original')
  const stream = await carol.stream(t, { conversationId })
  const [one, two] = [await reply(bob, original, 'one'), await reply(alice, original, 'two')]
  const nested = await reply(carol, one, 'nested')
  t.equal(nested.replyTo!.replyCount, 1)
  t.equal('replyTo' in nested.replyTo!, false, 'no quote within a quote')
  t.strictSame([two.replyTo!.replyCount, (await get(bob, original)).replyCount, (await get(bob, one)).replyCount], [2, 2, 1], 'a reply to a reply is a direct one of that')
  const deleted = await bob.ok<Message>('DELETE', pathOf(one.id))
  t.match(deleted, { replyTo: { id: original.id, text: 'original', replyCount: 1 }, replyCount: 1 })
  await bob.ok('DELETE', pathOf(one.id))
  t.equal((await get(bob, original)).replyCount, 1, 'deleted twice, counted once')
  const told = (await stream.until(({ type }) => type === 'messageDeleted')).map(({ data }) => (data as unknown as Message).replyTo?.replyCount)
  t.strictSame(told, [1, 2, 1], 'message and messageDeleted tell the count')
  const replay = await carol.openStream(t, { conversationId, lastEventId: stream.events[0]!.id! })
  const again = await replay.until(({ type }) => type === 'messageDeleted')
  t.strictSame(again.filter(({ type }) => type === 'message').map(({ data }) => (data as unknown as Message).replyTo?.replyCount), [1, 1], 'on replay, as it is now')

  const list = await carol.ok<MessagePage>('GET', pathOf(original.id, '/replies'))
  t.strictSame(list, { messages: [await get(carol, one), await get(carol, two)], hasMore: false }, 'tombstones are listed')
  t.strictSame((await carol.ok<MessagePage>('GET', pathOf(one.id, '/replies'))).messages, [await get(carol, nested)], 'replies to a deleted one, too')
})

test('replies are paged like a history', async t => {
  const { alice, bob, conversationId } = await scene(t)
  const original = await alice.send(conversationId, 'original')
  for (let index = 0; index < 6; index++) {
    await reply(bob, original, 'reply')
    await alice.send(conversationId, 'between')
  }
  const page = async (query: string): Promise<unknown> => {
    const found = await bob.ok<MessagePage>('GET', pathOf(original.id, `/replies${query}`))
    return [seqs(found), found.hasMore]
  }
  t.strictSame(await page(''), [[2, 4, 6, 8, 10, 12], false])
  t.strictSame(await page('?limit=2'), [[10, 12], true], 'the newest')
  t.strictSame(await page('?before=10&limit=2'), [[6, 8], true])
  t.strictSame(await page('?before=11&limit=6'), [[2, 4, 6, 8, 10], false])
  t.strictSame(await page('?after=3&limit=2'), [[4, 6], true])
  t.strictSame(await page('?after=12'), [[], false])
  t.strictSame(await page('?before=2'), [[], false])
  for (const query of ['limit=0', 'limit=101', 'before=1&after=2', 'before=x', 'after=-1']) {
    t.match(await bob.call('GET', pathOf(original.id, `/replies?${query}`)), { status: 400, body: { code: 'VALIDATION_FAILED' } }, query)
  }
  t.strictSame(await bob.ok('GET', pathOf((await alice.send(conversationId, 'x')).id, '/replies')), { messages: [], hasMore: false })
})

test('the page around a message', async t => {
  const { alice, bob, conversationId } = await scene(t)
  for (let seq = 1; seq <= 10; seq++) await alice.send(conversationId, `m${seq}`)
  const page = async (query: string): Promise<unknown> => {
    const found = await history(bob, conversationId, query)
    return [seqs(found), found.hasMore, found.hasMoreAfter]
  }
  t.strictSame(await page('?around=5&limit=4'), [[4, 5, 6, 7], true, true], '⌊(limit−1)/2⌋ before')
  t.strictSame(await page('?around=5&limit=5'), [[3, 4, 5, 6, 7], true, true])
  t.strictSame(await page('?around=5&limit=1'), [[5], true, true])
  t.strictSame(await page('?around=5&limit=2'), [[5, 6], true, true])
  t.strictSame(await page('?around=1&limit=5'), [[1, 2, 3], false, true], 'a short end is not filled from the other side')
  t.strictSame(await page('?around=10&limit=5'), [[8, 9, 10], true, false])
  t.strictSame(await page('?around=11&limit=5'), [[8, 9, 10], true, false], 'past the end means the end')
  t.strictSame(await page(`?around=${Number.MAX_SAFE_INTEGER}&limit=3`), [[9, 10], true, false])
  t.strictSame(await page('?around=3&limit=5'), [[1, 2, 3, 4, 5], false, true])
  t.strictSame(await page('?around=8&limit=5'), [[6, 7, 8, 9, 10], true, false])
  t.strictSame(await page('?around=5'), [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], false, false])
  t.equal('hasMoreAfter' in await history(bob, conversationId), false)
  for (const query of ['around=0', 'around=-1', 'around=1.5', 'around=x', 'around=', 'around=1&before=2', 'around=1&after=2', 'around=1&limit=0', 'around=1&around=2']) {
    t.match(await bob.call('GET', `/api/chat/conversations/${conversationId}/messages?${query}`), { status: 400, body: { code: 'VALIDATION_FAILED' } }, query)
  }
  const empty = await alice.group([bob])
  t.strictSame(await history(bob, empty, '?around=1'), { messages: [], hasMore: false, hasMoreAfter: false })
  t.equal((await user(alice.app, 'mallory').call('GET', `/api/chat/conversations/${conversationId}/messages?around=1`)).status, 404)
})

test('what cannot be replied to writes nothing', async t => {
  const { app, alice, bob, carol, conversationId } = await scene(t)
  const [message, deleted] = [await alice.send(conversationId, 'x'), await alice.send(conversationId, 'y')]
  await alice.ok('DELETE', pathOf(deleted.id))
  const foreign = await carol.send(await carol.direct(bob), 'foreign')
  const elsewhere = await alice.send(await alice.direct(bob), 'elsewhere')
  const before = await written(app)
  const answerTo = async (replyToId: unknown): Promise<unknown> => {
    const { status, body } = await alice.call('POST', '/api/chat/messages', { conversationId, text: 'x', replyToId })
    return { status, body }
  }
  const unknown = await answerTo('none')
  t.match(unknown, { status: 422, body: { code: 'UNKNOWN_MESSAGE' } })
  t.strictSame(await answerTo(foreign.id), unknown, 'of a conversation that is not the caller\'s')
  t.strictSame(await answerTo(elsewhere.id), unknown, 'of another conversation of the caller')
  t.match(await answerTo(deleted.id), { status: 409, body: { code: 'MESSAGE_DELETED' } })
  for (const replyToId of ['', 'x'.repeat(65), 'a\u0000', '\ud800', 1, true, {}, []]) {
    t.match(await answerTo(replyToId), { status: 400, body: { code: 'VALIDATION_FAILED' } }, JSON.stringify(replyToId))
  }
  t.strictSame(await written(app), before)
  t.equal((await alice.send(conversationId, 'x', { replyToId: null })).replyTo, null)
  t.equal((await get(alice, message)).replyCount, 0)
})

test('one message: the caller\'s, or 404', async t => {
  const { app, alice, bob, carol, conversationId } = await scene(t)
  const message = await alice.send(conversationId, 'x')
  t.strictSame(await get(bob, message), message)
  await carol.ok('DELETE', `/api/chat/conversations/${conversationId}/participants/carol`)
  const before = await written(app)
  for (const rest of ['', '/replies', '/reactions']) {
    const unknown = await carol.call('GET', pathOf('none', rest))
    t.match(unknown, { status: 404, body: { code: 'NOT_FOUND' } })
    for (const [who, id] of [[carol, message.id], [await user(app, 'mallory').arrive(), message.id], [bob, 'x'.repeat(65)], [bob, '%00'], [bob, 'a%0ab']] as const) {
      const { status, body } = await who.call('GET', pathOf(id, rest))
      t.strictSame({ status, body }, { status: unknown.status, body: unknown.body }, `${who.id} ${rest}`)
    }
  }
  t.match(await carol.call('POST', '/api/chat/messages', { conversationId, text: 'x', replyToId: message.id }), { status: 404 })
  t.strictSame({ ...await written(app), users: 0 }, { ...before, users: 0 })
})

test('a reply racing a delete', async t => {
  const { alice, bob, conversationId } = await scene(t)
  const outcomes = new Set<number>()
  for (let turns = 0; turns < 16; turns++) {
    const original = await alice.send(conversationId, 'original')
    const deleting = async (): Promise<void> => {
      for (let turn = 0; turn < turns; turn++) await setImmediate()
      await alice.ok('DELETE', pathOf(original.id))
    }
    const [{ status, body }] = await Promise.all([
      bob.call<Message & { code?: string }>('POST', '/api/chat/messages', { conversationId, text: 'reply', replyToId: original.id }), deleting()
    ])
    outcomes.add(status)
    const stored = await get(alice, original)
    t.equal(stored.text, '')
    if (status === 201) {
      t.match((await get(bob, body)).replyTo, { text: '', deletedAt: stored.deletedAt, replyCount: 1 })
      t.equal(stored.replyCount, 1)
    } else {
      t.match({ status, code: body.code }, { status: 409, code: 'MESSAGE_DELETED' })
      t.equal(stored.replyCount, 0)
    }
  }
  t.comment(`outcomes: ${[...outcomes].join(', ')}`)
})

test('replies and their deletions at once are counted right', async t => {
  const { alice, bob, carol, conversationId } = await scene(t)
  const original = await alice.send(conversationId, 'original')
  const sent = await Promise.all(Array.from({ length: 15 }, async (_, index) => await reply([alice, bob, carol][index % 3]!, original, `${index}`)))
  t.strictSame(sent.map(({ replyTo }) => replyTo!.replyCount).sort((a, b) => a - b), sent.map((_, index) => index + 1))
  await Promise.all(sent.map(async ({ id }, index) => index < 9 ? await [alice, bob, carol][index % 3]!.ok('DELETE', pathOf(id)) : await reply(bob, original, 'more')))
  t.equal((await get(alice, original)).replyCount, 12)
  const { messages } = await alice.ok<MessagePage>('GET', pathOf(original.id, '/replies?limit=100'))
  t.equal(messages.length, 21)
  t.equal(messages.filter(({ deletedAt }) => deletedAt === null).length, 12)
})

test('the senders of a quote and of its original may be gone', async t => {
  const { alice, bob, carol, conversationId } = await scene(t)
  const original = await carol.send(conversationId, 'original')
  await carol.ok('DELETE', `/api/chat/conversations/${conversationId}/participants/carol`)
  const answer = await reply(bob, original, 'x')
  t.match(answer.replyTo, { senderId: 'carol', sender: { userId: 'carol', displayName: 'carol', avatar: null, isBot: false } })
  t.strictSame((await bob.ok<Message>('PATCH', pathOf(answer.id), { text: 'y' })).replyTo, answer.replyTo)
  t.strictSame((await bob.ok<Message>('DELETE', pathOf(answer.id))).replyTo, { ...answer.replyTo, replyCount: 0 })
  t.equal((await alice.ok<Conversation>('GET', `/api/chat/conversations/${conversationId}`)).lastMessage!.replyTo!.senderId, 'carol')
})
