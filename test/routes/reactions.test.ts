import { test, type Test } from 'tap'
import type { Conversation, ConversationPage } from '../../schemas/conversations.js'
import type { MessagePage, OwnMessage as Message, ReactionAnswer, ReactionPage } from '../../schemas/messages.js'
import { build, buildListening, user, users, written, type Answer, type User } from '../helper.js'

const [THUMB, HEART, PARTY] = ['👍', '❤️', '🎉'] as const
/** More different emoji than a message holds. */
const MANY = Array.from('😀😃😄😁😆😅🤣😂🙂🙃🫠😉😊😇🥰😍🤩😘😗😚😙🥲')
/** The longest in a URL. */
const KISS = '👩🏻\u200d❤️\u200d💋\u200d👩🏼'

/** Three users in a group with a message. */
async function scene (t: Test, make = build) {
  const app = await make(t)
  const [alice, bob, carol] = users(app, 'alice', 'bob', 'carol') as [User, User, User]
  const conversationId = await alice.group([bob, carol])
  return { app, alice, bob, carol, conversationId, message: await alice.send(conversationId, 'x') }
}

const pathOf = (id: string, emoji: string): string => `/api/chat/messages/${id}/reactions/${encodeURIComponent(emoji)}`
const react = async (who: User, { id }: Pick<Message, 'id'>, emoji: string, reacted = true): Promise<ReactionAnswer> =>
  await who.ok(reacted ? 'PUT' : 'DELETE', pathOf(id, emoji))
const tryTo = async (who: User, { id }: Pick<Message, 'id'>, emoji: string, method: 'PUT' | 'DELETE' = 'PUT'): Promise<Answer<ReactionAnswer & { code?: string }>> =>
  await who.call(method, pathOf(id, emoji))
const get = async (reader: User, { id }: Pick<Message, 'id'>): Promise<Message> => await reader.ok('GET', `/api/chat/messages/${id}`)
const list = async (reader: User, { id }: Pick<Message, 'id'>, query = ''): Promise<ReactionPage> => await reader.ok('GET', `/api/chat/messages/${id}/reactions${query}`)

test('a reaction is set and taken back, answered and told', async t => {
  const { alice, bob, carol, conversationId, message } = await scene(t, buildListening)
  const [mine, theirs] = [await bob.stream(t, { conversationId }), await carol.stream(t)]
  const both = async (): Promise<unknown> => {
    const [one, other] = [await mine.next('reaction'), await theirs.next('reaction')]
    t.strictSame(one.data, other.data, 'the same for all, the one who reacts included')
    t.type(one.id, 'string')
    t.type(other.id, 'string')
    const { timestamp, ...data } = one.data
    t.match(timestamp, /^\d{4}-\d\d-\d\dT.*Z$/)
    return data
  }
  const answer = await react(bob, message, THUMB)
  t.strictSame(answer, {
    messageId: message.id, conversationId, emoji: THUMB, reacted: true, changed: true, reactions: [{ emoji: THUMB, count: 1 }], myReactions: [THUMB]
  })
  t.strictSame(await both(), {
    conversationId,
    messageId: message.id,
    messageSeq: 1,
    userId: 'bob',
    displayName: 'bob',
    emoji: THUMB,
    reacted: true,
    count: 1,
    reactions: [{ emoji: THUMB, count: 1 }],
    eventSeq: 3
  })
  t.strictSame(await react(bob, message, THUMB), { ...answer, changed: false }, 'a repeat')
  t.strictSame(await react(carol, message, HEART), {
    ...answer, emoji: HEART, reactions: [{ emoji: THUMB, count: 1 }, { emoji: HEART, count: 1 }], myReactions: [HEART]
  })
  t.match(await both(), { userId: 'carol', emoji: HEART, count: 1, eventSeq: 4 }, 'the repeat told nothing')
  t.match(await react(carol, message, THUMB), { reactions: [{ emoji: THUMB, count: 2 }, { emoji: HEART, count: 1 }], myReactions: [THUMB, HEART] })
  t.match(await both(), { emoji: THUMB, count: 2 })
  t.match(await react(alice, message, PARTY), { reacted: true }, 'one\'s own message')
  t.match(await both(), { userId: 'alice' })

  t.match(await react(bob, message, THUMB, false), {
    reacted: false, changed: true, reactions: [{ emoji: THUMB, count: 1 }, { emoji: HEART, count: 1 }, { emoji: PARTY, count: 1 }], myReactions: []
  })
  t.match(await both(), { userId: 'bob', reacted: false, count: 1 })
  t.match(await react(bob, message, THUMB, false), { reacted: false, changed: false })
  t.match(await react(bob, message, '🚀', false), { reacted: false, changed: false }, 'one that was never there')
  t.match(await react(carol, message, THUMB, false), { reactions: [{ emoji: HEART, count: 1 }, { emoji: PARTY, count: 1 }] })
  t.match(await both(), { emoji: THUMB, reacted: false, count: 0, reactions: [{ emoji: HEART, count: 1 }, { emoji: PARTY, count: 1 }] })
  t.strictSame((await react(bob, message, THUMB)).reactions.map(({ emoji }) => emoji), [HEART, PARTY, THUMB], 'one that was gone comes back last')
  t.match(await both(), { eventSeq: 9 })
})

test('every answer with a message tells the caller\'s own reactions', async t => {
  const { alice, bob, carol, conversationId, message } = await scene(t)
  const quoting = await bob.send(conversationId, 'y', { replyToId: message.id, mentionsAll: true, clientId: 'c' })
  for (const target of [message, quoting]) {
    await react(alice, target, THUMB)
    await react(bob, target, HEART)
    await react(alice, target, PARTY)
  }
  const expected: Array<[User, string[]]> = [[alice, [THUMB, PARTY]], [bob, [HEART]], [carol, []]]
  for (const [who, emoji] of expected) {
    const { messages } = await who.ok<MessagePage>('GET', `/api/chat/conversations/${conversationId}/messages`)
    t.strictSame(messages.map(({ myReactions }) => myReactions), [emoji, emoji], who.id)
    t.strictSame((await who.ok<MessagePage>('GET', `/api/chat/conversations/${conversationId}/messages?around=1`)).messages, messages)
    t.strictSame(await get(who, quoting), messages[1])
    t.strictSame((await who.ok<MessagePage>('GET', `/api/chat/messages/${message.id}/replies`)).messages, [messages[1]])
    t.strictSame((await who.conversation(conversationId)).lastMessage, messages[1])
    t.strictSame((await who.ok<ConversationPage>('GET', '/api/chat/conversations')).conversations[0]!.lastMessage, messages[1])
    if (who !== bob) t.strictSame((await who.ok<MessagePage>('GET', '/api/chat/mentions')).messages, [messages[1]])
  }
  t.strictSame((await bob.ok<Message>('POST', '/api/chat/messages', { conversationId, text: 'y', replyToId: message.id, mentionsAll: true, clientId: 'c' })).myReactions, [HEART], 'a repeat')
  const edited = await bob.ok<Message>('PATCH', `/api/chat/messages/${quoting.id}`, { text: 'z' })
  t.strictSame(edited.myReactions, [HEART])
  t.strictSame(edited, await get(bob, quoting))
})

test('a reaction changes nothing else', async t => {
  const { alice, bob, carol, conversationId, message } = await scene(t)
  await alice.typing(conversationId, true)
  await carol.mark(message, 'read')
  const state = async (who: User): Promise<unknown> => {
    const { lastMessage, ...conversation } = await who.conversation(conversationId)
    return { ...conversation, lastMessage: { ...lastMessage, reactions: [], myReactions: [] } }
  }
  const other = await alice.direct(bob)
  const before = [await state(alice), await state(bob)]
  const order = async (): Promise<string[]> => (await alice.ok<ConversationPage>('GET', '/api/chat/conversations')).conversations.map(({ id }) => id)
  const lines = await order()
  t.strictSame(lines, [other, conversationId])
  await react(bob, message, THUMB)
  await react(bob, message, THUMB, false)
  t.strictSame([await state(alice), await state(bob)], before, 'no effect on seq, updatedAt, unread, status')
  t.strictSame(await order(), lines)
})

test('any form of an emoji is one', async t => {
  const { alice, bob, message } = await scene(t)
  for (const [form, canonical] of [['❤', HEART], ['❤\ufe0e', HEART], [HEART, HEART], ['1\u20e3', '1\ufe0f\u20e3'], ['☝🏽', '☝🏽'], ['👁\u200d🗨', '👁️\u200d🗨️'], ['🇩🇪', '🇩🇪'],
    [KISS, KISS], [KISS.replaceAll('\ufe0f', ''), KISS], ['🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}', '🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}']] as const) {
    t.match(await react(bob, message, form), { emoji: canonical, reacted: true }, form)
    t.match(await react(bob, message, canonical), { emoji: canonical, changed: false })
    t.strictSame((await list(alice, message, `?emoji=${encodeURIComponent(form)}`)).reactions.map(({ emoji }) => emoji), [canonical])
    t.match(await react(bob, message, form, false), { emoji: canonical, changed: true, reactions: [] })
  }
  await Promise.all(['👍', '👍🏻', '👍🏿'].map(async emoji => await react(bob, message, emoji)))
  t.equal((await get(bob, message)).reactions.length, 3, 'skin tones are different emoji')
})

test('what is no emoji, and what is no message', async t => {
  const { app, alice, bob, carol, conversationId, message } = await scene(t)
  const mallory = await user(app, 'mallory').arrive()
  await carol.ok('DELETE', `/api/chat/conversations/${conversationId}/participants/carol`)
  await react(alice, message, THUMB)
  const before = await written(app)
  for (const method of ['PUT', 'DELETE'] as const) {
    for (const emoji of ['1', 'a', '#', '👍👍', '👍❤️', '🇩', ' ', ' 👍', '👍 ', ':thumbsup:', '/', '😀/😃', '\u0000', '\ufe0f', '%', 'x'.repeat(300), '__proto__']) {
      t.match(await tryTo(bob, message, emoji, method), { status: 400, body: { code: 'UNKNOWN_EMOJI' } }, `${method} ${encodeURIComponent(emoji).slice(0, 30)}`)
      t.match(await tryTo(mallory, { id: 'none' }, emoji, method), { status: 400, body: { code: 'UNKNOWN_EMOJI' } }, '400 before 404')
    }
    for (const emoji of ['%', '%F0', '%ED%A0%80', '%F0%9F%91', '%zz', '%FF', '%C0%80']) {
      t.equal((await bob.call(method, `/api/chat/messages/${message.id}/reactions/${emoji}`)).status, 400, `${method} ${emoji}`)
      t.equal((await mallory.call(method, `/api/chat/messages/none/reactions/${emoji}`)).status, 400)
    }
    t.equal((await bob.call(method, `/api/chat/messages/${message.id}/reactions/`)).status, 400, `${method} no emoji at all`)
    const unknown = await tryTo(bob, { id: 'none' }, THUMB, method)
    t.match(unknown, { status: 404, body: { code: 'NOT_FOUND' } })
    for (const who of [mallory, carol]) {
      const { status, body } = await tryTo(who, message, THUMB, method)
      t.strictSame({ status, body }, { status: unknown.status, body: unknown.body }, `${who.id} does not take part`)
    }
    for (const id of ['x'.repeat(65), '%00', 'a%0ab']) t.equal((await bob.call(method, `/api/chat/messages/${id}/reactions/${encodeURIComponent(THUMB)}`)).status, 404)
    const nobody = user(app, 'x')
    nobody.token = 'none'
    t.equal((await tryTo(nobody, message, 'a', method)).status, 401, '401 before 400')
  }
  t.strictSame(await written(app), before)
  for (const emoji of ['1', '', '👍👍', '%00']) t.match(await bob.call('GET', `/api/chat/messages/${message.id}/reactions?emoji=${emoji}`), { status: 400, body: { code: 'UNKNOWN_EMOJI' } })
})

test('a message holds twenty different emoji', async t => {
  const { app, alice, bob, carol, message } = await scene(t)
  const twenty = MANY.slice(0, 20)
  for (const emoji of twenty) await react(bob, message, emoji)
  t.strictSame((await get(alice, message)).reactions.map(({ emoji }) => emoji), twenty, 'all of them by one user, in the order in which they came')
  const before = await written(app)
  t.match(await tryTo(carol, message, THUMB), { status: 409, body: { code: 'TOO_MANY_REACTIONS' } })
  t.match(await tryTo(bob, message, THUMB), { status: 409, body: { code: 'TOO_MANY_REACTIONS' } })
  t.match(await react(bob, message, THUMB, false), { changed: false })
  t.match(await react(bob, message, twenty[3]!), { changed: false }, 'a repeat is no news')
  t.strictSame(await written(app), before)
  t.match(await react(carol, message, twenty[3]!), { changed: true }, 'one that is there already may still be joined')
  await react(bob, message, twenty[0]!, false)
  t.match(await react(carol, message, THUMB), { changed: true })
  t.equal((await get(alice, message)).reactions.at(-1)!.emoji, THUMB)
})

test('racing for the last place', async t => {
  const { alice, bob, carol, message } = await scene(t)
  const answers = await Promise.all(MANY.slice(0, 21).map(async (emoji, index) => await tryTo([alice, bob, carol][index % 3]!, message, emoji)))
  t.equal(answers.filter(({ status }) => status === 200).length, 20)
  t.strictSame(answers.filter(({ status }) => status !== 200).map(({ status, body }) => [status, body.code]), [[409, 'TOO_MANY_REACTIONS']])
  const { reactions } = await get(alice, message)
  t.equal(new Set(reactions.map(({ emoji }) => emoji)).size, 20)
  t.strictSame((await list(alice, message)).reactions.map(({ emoji }) => emoji).sort(), reactions.map(({ emoji }) => emoji).sort(), 'counts and rows agree')
})

test('the same reaction many times at once', async t => {
  const { app, alice, bob, carol, message } = await scene(t)
  const before = await written(app)
  const set = await Promise.all(Array.from({ length: 9 }, async (_, index) => await react([alice, bob, carol][index % 3]!, message, index % 2 === 0 ? HEART : '❤')))
  t.equal(set.filter(({ changed }) => changed).length, 3, 'both count; the same user twice is one')
  t.strictSame((await get(alice, message)).reactions, [{ emoji: HEART, count: 3 }])
  t.match(await written(app), { events: before.events! + 3, reactions: 3 })
  const back = await Promise.all(Array.from({ length: 9 }, async (_, index) => await react([alice, bob, carol][index % 3]!, message, HEART, false)))
  t.equal(back.filter(({ changed }) => changed).length, 3)
  t.strictSame((await get(alice, message)).reactions, [])
  t.match(await written(app), { events: before.events! + 6, reactions: 0 })
  await Promise.all(Array.from({ length: 30 }, async (_, index) => await react([alice, bob, carol][index % 3]!, message, HEART, index % 7 < 4)))
  const { reactions, myReactions } = await get(alice, message)
  const rows = (await list(alice, message)).reactions
  t.equal(reactions[0]?.count ?? 0, rows.length, 'set and taken back at once: counts and rows agree')
  t.equal(myReactions.length === 1, rows.some(({ user }) => user.userId === 'alice'))
})

test('deleting a message takes its reactions away', async t => {
  const { app, alice, bob, carol, conversationId, message } = await scene(t, buildListening)
  const stream = await carol.stream(t, { conversationId })
  for (const who of [alice, bob, carol]) await react(who, message, THUMB)
  await react(bob, message, THUMB, false)
  t.equal((await alice.ok<Message>('DELETE', `/api/chat/messages/${message.id}`)).reactions.length, 0)
  t.strictSame((await get(bob, message)).reactions, [])
  t.strictSame((await get(alice, message)).myReactions, [])
  t.strictSame(await list(bob, message), { reactions: [], nextCursor: null })
  t.equal((await written(app)).reactions, 0)
  const before = await written(app)
  t.match(await tryTo(bob, message, THUMB), { status: 409, body: { code: 'MESSAGE_DELETED' } })
  t.match(await tryTo(carol, message, THUMB), { status: 409, body: { code: 'MESSAGE_DELETED' } }, 'where the caller had reacted, too')
  t.strictSame(await react(carol, message, THUMB, false), {
    messageId: message.id, conversationId, emoji: THUMB, reacted: false, changed: false, reactions: [], myReactions: []
  })
  t.strictSame(await written(app), before)
  const replay = await carol.openStream(t, { conversationId, lastEventId: stream.events[0]!.id! })
  const told = (await replay.until(({ type }) => type === 'messageDeleted')).filter(({ type }) => type === 'reaction')
  t.strictSame(told.map(({ data: { userId, reacted, count, reactions } }) => [userId, reacted, count, reactions]),
    ['alice', 'bob', 'carol', 'bob'].map(userId => [userId, false, 0, []]), 'replayed as it is now')
})

test('a reaction is replayed as it is now', async t => {
  const { alice, bob, carol, conversationId, message } = await scene(t, buildListening)
  const stream = await carol.stream(t, { conversationId })
  await react(alice, message, THUMB)
  await react(bob, message, THUMB)
  await react(bob, message, THUMB, false)
  await react(bob, message, HEART)
  const replay = await carol.openStream(t, { conversationId, lastEventId: stream.events[0]!.id! })
  const [, ...events] = await replay.take(5)
  t.strictSame(events.map(({ data: { userId, emoji, reacted, count, reactions } }) => [userId, emoji, reacted, count, reactions]), [
    ['alice', THUMB, true, 1], ['bob', THUMB, false, 1], ['bob', THUMB, false, 1], ['bob', HEART, true, 1]
  ].map(parts => [...parts, [{ emoji: THUMB, count: 1 }, { emoji: HEART, count: 1 }]]))
})

test('who reacted, oldest first', async t => {
  const { app, alice, bob, carol, conversationId, message } = await scene(t)
  const order: Array<[User, string]> = [[carol, THUMB], [alice, HEART], [bob, THUMB], [alice, PARTY], [bob, HEART], [alice, THUMB], [carol, PARTY]]
  for (const [who, emoji] of order) await react(who, message, emoji)
  const shown = ({ reactions }: ReactionPage): unknown => reactions.map(({ emoji, user }) => [user.userId, emoji])
  const all = order.map(([{ id }, emoji]) => [id, emoji])
  const whole = await list(bob, message)
  t.strictSame(shown(whole), all)
  t.equal(whole.nextCursor, null)
  t.strictSame(whole.reactions[0], {
    emoji: THUMB, user: { userId: 'carol', displayName: 'carol', avatar: null, isBot: false }, createdAt: whole.reactions[0]!.createdAt
  })
  t.match(whole.reactions[0]!.createdAt, /Z$/)
  t.strictSame(shown(await list(bob, message, `?emoji=${encodeURIComponent('❤')}`)), [['alice', HEART], ['bob', HEART]])

  const walk = async (query: string): Promise<unknown[]> => {
    const found: unknown[] = []
    for (let cursor: string | null = ''; cursor !== null;) {
      const page: ReactionPage = await list(bob, message, `?${query}${cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`}`)
      t.ok(page.reactions.length <= 2)
      found.push(...shown(page) as unknown[])
      cursor = page.nextCursor
    }
    return found
  }
  t.strictSame(await walk('limit=2'), all)
  t.strictSame(await walk(`limit=2&emoji=${encodeURIComponent(THUMB)}`), all.filter(([, emoji]) => emoji === THUMB))

  const { nextCursor } = await list(bob, message, '?limit=2')
  const other = await alice.send(conversationId, 'other')
  const cursors: Array<[Pick<Message, 'id'>, string]> = [[other, `cursor=${nextCursor}`], [message, `emoji=${encodeURIComponent(THUMB)}&cursor=${nextCursor}`], [message, 'cursor=x'], [message, 'cursor=']]
  for (const [of, query] of cursors) t.match(await bob.call('GET', `/api/chat/messages/${of.id}/reactions?${query}`), { status: 400, body: { code: 'INVALID_CURSOR' } }, query)
  const [tag] = JSON.parse(Buffer.from(nextCursor!, 'base64url').toString()) as [string]
  for (const place of [[1e15, 'a\u0000', THUMB], [1e15, '\ud800', THUMB], [2 ** 53 - 1, 'a', '\u0000'], [-(2 ** 53 - 1), 'a', 'b']]) {
    const forged = Buffer.from(JSON.stringify([tag, ...place])).toString('base64url')
    const { status } = await bob.call('GET', `/api/chat/messages/${message.id}/reactions?cursor=${forged}`)
    t.ok(status === 200 || status === 400, `a forged cursor: ${status}`)
  }
  for (const query of ['limit=0', 'limit=101', 'limit=x', `cursor=${'x'.repeat(1025)}`]) {
    t.match(await bob.call('GET', `/api/chat/messages/${message.id}/reactions?${query}`), { status: 400, body: { code: 'VALIDATION_FAILED' } }, query)
  }

  await carol.ok('DELETE', `/api/chat/conversations/${conversationId}/participants/carol`)
  t.strictSame(shown(await list(bob, message)), all, 'who leaves keeps their reactions')
  t.equal((await get(bob, message)).reactions[0]!.count, 3)
  const long = await user(app, `"${'🙂'.repeat(126)}"`).arrive()
  await alice.ok<Conversation>('POST', `/api/chat/conversations/${conversationId}/participants`, { participantIds: [long.id] })
  for (const emoji of [THUMB, HEART, KISS]) await react(long, other, emoji)
  const first = await list(bob, other, '?limit=1')
  t.equal((await list(bob, other, `?limit=2&cursor=${first.nextCursor}`)).reactions.length, 2, 'a cursor may hold the longest id')
})
