import { test, type Test } from 'tap'
import type { Conversation } from '../../schemas/conversations.js'
import type { MentionPage, MessagePage, OwnMessage as Message } from '../../schemas/messages.js'
import type { EventReader } from '../event-reader.js'
import { buildListening, travel, users, written, type Answer, type User } from '../helper.js'

async function scene (t: Test, chat = {}) {
  const app = await buildListening(t, { chat })
  const [bot, ann, ben] = users(app, 'bot', 'ann', 'ben') as [User, User, User]
  const id = await bot.group([ann, ben])
  return { app, bot, ann, ben, id }
}

const pathOf = (id: string, call = ''): string => `/api/chat/messages/${id}${call}`
const start = async (who: User, conversationId: string, text = '', more = {}): Promise<Message> => await who.send(conversationId, text, { growing: true, ...more })
const append = async (who: User, { id }: Pick<Message, 'id'>, offset: number, text: string): Promise<Answer<{ length?: number, messageId?: string, code?: string }>> =>
  await who.call('POST', pathOf(id, '/append'), { offset, text })
const finish = async (who: User, { id }: Pick<Message, 'id'>, body?: object): Promise<Answer<Message & { code?: string }>> =>
  await who.call('POST', pathOf(id, '/finish'), body)
const stop = async (who: User, { id }: Pick<Message, 'id'>): Promise<Answer> => await who.call('POST', pathOf(id, '/stop'))
const get = async (who: User, { id }: Pick<Message, 'id'>): Promise<Message> => await who.ok('GET', pathOf(id))

/** What is told up to a message that is sent now. */
async function toldUpToNow (stream: EventReader, sender: User, conversationId: string): Promise<unknown[]> {
  const marker = await sender.send(conversationId, 'marker')
  const events = await stream.until(({ type, data }) => type === 'message' && data.id === marker.id)
  return events.slice(0, -1).filter(({ type }) => type.startsWith('message')).map(({ type, data }) => [type, data.offset ?? data.seq, data.text])
}

test('a message grows, and is finished', async t => {
  const { bot, ann, ben, id } = await scene(t)
  const [one, all, mine, echo] = [await ann.stream(t, { conversationId: id }), await ben.stream(t), await bot.stream(t, { conversationId: id }), await bot.stream(t, { echo: 'true' })]
  const sent = await bot.call<Message>('POST', '/api/chat/messages', { conversationId: id, growing: true, text: '', clientId: 'c1' })
  t.match([sent.status, sent.body], [201, { growing: true, text: '', seq: 1 }])
  const message = sent.body
  t.match((await bot.call('POST', '/api/chat/messages', { conversationId: id, growing: true, text: '', clientId: 'c1' })), { status: 200, body: { id: message.id } })

  t.match(await append(bot, message, 0, 'Once '), { status: 200, body: { messageId: message.id, length: 5 } })
  t.match(await append(bot, message, 5, '😀\u2028'), { status: 200, body: { length: 8 } })
  t.match(await append(bot, message, 5, '😀'), { status: 200, body: { length: 8 } }, 'a repetition')
  for (const [offset, text] of [[5, 'x'], [9, 'x'], [7, 'x'], [0, 'Once x']] as const) {
    t.match(await append(bot, message, offset, text), { status: 409, body: { code: 'OFFSET_MISMATCH', length: 8 } }, `${offset} ${text}`)
  }
  t.match(await get(ann, message), { text: 'Once 😀\u2028', growing: true, editedAt: null })
  t.match((await ann.ok<MessagePage>('GET', `/api/chat/conversations/${id}/messages`)).messages, [{ text: 'Once 😀\u2028', growing: true }])
  t.match(await ann.conversation(id), { unreadCount: 1, lastMessage: { growing: true } }, 'it counts from the start')
  t.match(await bot.call('PATCH', pathOf(message.id), { text: 'x' }), { status: 409, body: { code: 'STILL_GROWING' } })
  t.match(await bot.call('PATCH', pathOf(message.id), { metadata: {} }), { status: 409, body: { code: 'STILL_GROWING' } })

  const reply = await ben.send(id, 'why?', { replyToId: message.id })
  t.match(reply.replyTo, { id: message.id, text: 'Once 😀\u2028' }, 'it can be answered')
  t.match(await ben.ok('PUT', pathOf(message.id, `/reactions/${encodeURIComponent('👍')}`)), { changed: true })
  t.match(await append(bot, message, 8, '.'), { status: 200, body: { length: 9 } })

  const done = await finish(bot, message, { metadata: { tokens: 3 } })
  t.match([done.status, done.body], [200, { growing: false, text: 'Once 😀\u2028.', editedAt: null, metadata: { tokens: 3 }, replyCount: 1, reactions: [{ emoji: '👍', count: 1 }] }])
  t.match(await finish(bot, message, { text: 'other', metadata: null }), { status: 200, body: { text: 'Once 😀\u2028.', metadata: { tokens: 3 } } }, 'again')
  t.match(await append(bot, message, 9, 'x'), { status: 409, body: { code: 'NOT_GROWING' } })
  t.match(await append(bot, message, 8, '.'), { status: 200, body: { length: 9 } }, 'an answer that was lost')
  t.match(await bot.call('PATCH', pathOf(message.id), { text: 'Edited' }), { status: 200, body: { text: 'Edited', growing: false } })
  t.match(await finish(bot, message), { status: 200, body: { text: 'Edited' } })
  t.match(await bot.call('POST', '/api/chat/messages', { conversationId: id, growing: true, clientId: 'c1' }), { status: 200, body: { id: message.id } }, 'the content first sent')

  const told = [['messageAppended', 0, 'Once '], ['messageAppended', 5, '😀\u2028'], ['message', 2, 'why?'], ['messageAppended', 8, '.'],
    ['messageUpdated', 1, 'Once 😀\u2028.'], ['messageUpdated', 1, 'Edited']]
  t.strictSame(await toldUpToNow(one, ben, id), [['message', 1, ''], ...told])
  t.strictSame((await all.until(({ data }) => data.text === 'Edited')).filter(({ type }) => type.startsWith('message')).map(({ type, data }) => [type, data.offset ?? data.seq, data.text]),
    [['message', 1, ''], ...told].filter(([, , text]) => text !== 'why?'))
  t.strictSame((await mine.until(({ data }) => data.text === 'marker')).filter(({ type }) => type === 'messageAppended'), [], 'not to the sender')
  t.strictSame((await echo.until(({ data }) => data.text === 'marker')).filter(({ type }) => type === 'messageAppended').map(({ data }) => data.text), ['Once ', '😀\u2028', '.'])
  const appended = one.events.find(({ type }) => type === 'messageAppended')!
  t.strictSame([appended.id, appended.data], [undefined, { conversationId: id, messageId: message.id, offset: 0, text: 'Once ', timestamp: appended.data.timestamp }])
  t.notOk(one.raw.includes('\u2028'))
})

test('what is refused', async t => {
  const { app, bot, ann, ben, id } = await scene(t, { maxTextLength: 30 })
  const message = await start(bot, id, 'ab')
  const stream = await ann.stream(t, { conversationId: id })
  await stream.next('messageAppended')
  const bodies = [undefined, {}, { offset: 2 }, { text: 'x' }, { offset: -1, text: 'x' }, { offset: 2.5, text: 'x' }, { offset: '2', text: 'x' }, { offset: 2, text: '' },
    { offset: 2, text: 'x'.repeat(31) }, { offset: 2, text: '\u0000' }, { offset: 2, text: '\ud83d' }, { offset: 2, text: null }, { offset: 2 ** 53, text: 'x' }]
  for (const body of bodies) t.match(await bot.call('POST', pathOf(message.id, '/append'), body), { status: 400, body: { code: 'VALIDATION_FAILED' } }, JSON.stringify(body))
  t.match(await append(bot, message, 2, 'x'.repeat(29)), { status: 400, body: { code: 'VALIDATION_FAILED' } }, 'over MAX_TEXT_LENGTH')
  t.match(await append(bot, message, 2, '🙂'.repeat(28)), { status: 200, body: { length: 58 } }, 'in code points')
  t.match(await append(bot, message, 58, 'x'), { status: 400 })
  for (const [body, code] of [[{ text: 'x'.repeat(31) }, 'VALIDATION_FAILED'], [{ text: 7 }, 'VALIDATION_FAILED'], [{ metadata: { x: 'x'.repeat(5000) } }, 'METADATA_TOO_LARGE']] as const) {
    t.match(await finish(bot, message, body), { status: 400, body: { code } })
  }
  for (const text of ['x'.repeat(31)]) t.match(await bot.call('POST', '/api/chat/messages', { conversationId: id, text }), { status: 400 })
  for (const body of [{ growing: 'true' }, { growing: 1 }, { growing: false, text: '' }, { growing: null, text: '' }]) {
    t.match(await bot.call('POST', '/api/chat/messages', { conversationId: id, ...body }), { status: 400 }, JSON.stringify(body))
  }

  const [stranger] = users(app, 'stranger') as [User]
  await stranger.arrive()
  for (const call of ['/append', '/finish', '/stop']) {
    const body = call === '/append' ? { offset: 2, text: 'x' } : undefined
    const unknown = await stranger.call('POST', pathOf('nothing', call), body)
    t.match(unknown, { status: 404, body: { code: 'NOT_FOUND' } })
    t.strictSame((await stranger.call('POST', pathOf(message.id, call), body)).body, unknown.body, 'foreign and unknown alike')
  }
  t.match(await append(ann, message, 58, 'x'), { status: 403, body: { code: 'FORBIDDEN' } })
  t.match(await append(ann, message, 0, 'ab'), { status: 403 }, 'what is there, too')
  t.match(await finish(ann, message), { status: 403, body: { code: 'FORBIDDEN' } })

  const plain = await bot.send(id, 'plain')
  t.match([await append(bot, plain, 5, 'x'), await append(bot, plain, 0, 'plain'), await finish(bot, plain), await stop(ann, plain)],
    Array.from({ length: 4 }, () => ({ status: 409, body: { code: 'NOT_GROWING' } })), 'a message that was sent whole')

  const empty = await start(bot, id)
  t.match(await finish(bot, empty), { status: 409, body: { code: 'STILL_GROWING' } })
  t.match(await finish(bot, empty, { text: '' }), { status: 409, body: { code: 'STILL_GROWING' } })
  t.match(await bot.call('DELETE', pathOf(empty.id)), { status: 200, body: { growing: false, text: '', deletedBy: 'bot' } })
  t.match([await append(bot, empty, 0, 'x'), await finish(bot, empty), await stop(ann, empty)], Array.from({ length: 3 }, () => ({ status: 409, body: { code: 'NOT_GROWING' } })))
  t.match(await finish(bot, await start(bot, id), { text: 'whole' }), { status: 200, body: { text: 'whole', growing: false } }, 'the whole text at the end')

  const told = (await toldUpToNow(stream, ben, id)).map(event => (event as unknown[])[0])
  t.strictSame(told, ['messageAppended', 'message', 'message', 'messageDeleted', 'message', 'messageUpdated'], 'what is refused tells nothing')
  t.match(await bot.call('DELETE', pathOf(message.id)), { status: 200, body: { growing: false } })
  t.match(await append(bot, message, 58, 'x'), { status: 409, body: { code: 'NOT_GROWING' } })
  t.match(await append(bot, message, 0, 'ab'), { status: 409, body: { code: 'NOT_GROWING' } })
})

test('at most twenty appends a second; repetitions do not count', async t => {
  const clock = travel(t)
  const { app, bot, id } = await scene(t)
  const message = await start(bot, id)
  // However long the calls take, it is the same second.
  const { clock: shared } = app.chatDatabase
  const { ticks } = shared
  const at = shared.ticks()
  shared.ticks = () => at
  const answers = []
  for (let n = 0; n < 21; n++) {
    answers.push(await append(bot, message, n, 'x'))
    t.equal((await append(bot, message, 0, 'x')).status, 200)
  }
  t.strictSame(answers.map(({ status }) => status), [...Array.from({ length: 20 }, () => 200), 429])
  t.match(answers[20], { body: { code: 'TOO_MANY_REQUESTS' }, headers: { 'retry-after': '1' } })
  t.equal((await append(bot, await start(bot, id), 0, 'x')).status, 200, 'each message')
  shared.ticks = ticks
  await clock.advance(1000)
  t.match(await append(bot, message, 20, 'x'), { status: 200, body: { length: 21 } })
})

test('who comes in between gets all of the text, after the log and before what follows', async t => {
  const { bot, ann, ben, id } = await scene(t)
  const early = await ben.stream(t, { conversationId: id })
  const earlyAll = await ben.stream(t)
  const [first, second] = [await start(bot, id, 'a'), await start(ann, id)]
  await append(bot, first, 1, 'b')
  const seen = (await early.until(({ type }) => type === 'messageAppended')).findLast(({ id }) => id !== undefined)!.id!
  await append(bot, first, 2, 'c')
  await bot.send(id, 'between')
  await append(bot, first, 3, 'd')
  const snapshot = [['messageAppended', 0, 'abcd'], ['messageAppended', 0, '']]

  const live = async (stream: EventReader): Promise<unknown[]> =>
    (await stream.until(({ data }) => data.offset === 0 && data.messageId === second.id)).filter(({ type }) => type.startsWith('message'))
      .map(({ type, data }) => [type, data.offset ?? data.seq, data.text])
  const [one, all] = [await ben.openStream(t, { conversationId: id }), await ben.openStream(t)]
  t.strictSame([await live(one), await live(all)], [snapshot, snapshot], 'a new stream')
  t.strictSame(one.events.map(({ id }) => id !== undefined), [true, false, false])
  const resumed = await ben.openStream(t, { conversationId: id, lastEventId: seen })
  t.strictSame(await live(resumed), [['message', 3, 'between'], ...snapshot], 'a resumed one')
  const allSeen = (await earlyAll.until(({ type, data }) => type === 'message' && data.seq === 1)).at(-1)!.id!
  const resumedAll = await ben.openStream(t, { lastEventId: allSeen })
  // On a stream of all conversations, what was seen may come again: the contract allows it.
  const unseen = (await live(resumedAll)).filter(event => String(event) !== 'message,1,abcd')
  t.strictSame(unseen, [['message', 2, ''], ['message', 3, 'between'], ...snapshot])

  // The sender's streams do not get their own, unless they ask for an echo.
  const mine = await bot.openStream(t, { conversationId: id })
  t.strictSame(await live(mine), [snapshot[1]])
  const echo = await bot.openStream(t, { conversationId: id, echo: 'true' })
  t.strictSame(await live(echo), snapshot)

  await append(bot, first, 4, 'e')
  await finish(bot, first)
  for (const stream of [one, all, resumed, resumedAll, echo]) {
    t.match((await stream.until(({ type }) => type === 'messageUpdated')).map(({ type, data }) => [type, data.offset ?? data.seq, data.text]).slice(-2),
      [['messageAppended', 4, 'e'], ['messageUpdated', 1, 'abcde']])
  }
  const late = await ben.openStream(t, { conversationId: id })
  t.strictSame(await live(late), [snapshot[1]], 'what is finished is not told')
})

test('who reads slowly is told what grew meanwhile in one piece', async t => {
  const { app, bot, ann, id } = await scene(t, { maxTextLength: 16_000, search: false })
  const stream = await ann.stream(t, { conversationId: id })
  stream.pause()
  const { fellBehind } = app.hub.counters
  // More than the kernel keeps for a reader.
  for (let sent = 0; sent < 500 && app.hub.counters.fellBehind === fellBehind; sent++) await bot.send(id, '€'.repeat(16_000))
  t.ok(app.hub.counters.fellBehind > fellBehind)
  const message = await start(bot, id)
  const before = await written(app)
  for (let n = 0; n < 10; n++) t.equal((await append(bot, message, n, String(n))).status, 200)
  t.strictSame(await written(app), before, 'an append writes no row')
  stream.resume()
  const grown = (await stream.until(({ type }) => type === 'messageAppended')).at(-1)!
  t.match(grown.data, { messageId: message.id, offset: 0, text: '0123456789' })
  await append(bot, message, 10, '!')
  t.match((await stream.next('messageAppended')).data, { offset: 10, text: '!' }, 'then as it happens')
  t.notOk(stream.events.some(({ type }) => type === 'disconnect'))
  await finish(bot, message)
  t.match((await stream.next('messageUpdated')).data, { text: '0123456789!' })
})

test('to stop tells the sender, and nobody else', async t => {
  const { bot, ann, ben, id } = await scene(t)
  const message = await start(bot, id, 'x')
  const streams = [await bot.stream(t), await bot.stream(t, { conversationId: id }), await ann.stream(t), await ben.stream(t, { conversationId: id })]
  const elsewhere = await bot.stream(t, { conversationId: await bot.group([ann]) })
  t.strictSame((await stop(ann, message)).body, { messageId: message.id })
  t.equal((await stop(bot, message)).status, 200)
  for (const stream of streams.slice(0, 2)) {
    const { data, id: eventId } = await stream.next('messageStop')
    t.strictSame([data, eventId], [{ conversationId: id, messageId: message.id, userId: 'ann', timestamp: data.timestamp }, undefined])
    t.equal((await stream.next('messageStop')).data.userId, 'bot')
  }
  await finish(bot, message)
  t.match(await stop(ann, message), { status: 409, body: { code: 'NOT_GROWING' } })
  for (const stream of streams.slice(2)) t.notOk((await stream.until(({ type }) => type === 'messageUpdated')).some(({ type }) => type === 'messageStop'))
  t.notOk(elsewhere.events.some(({ type }) => type === 'messageStop'))
})

test('blocks, frozen conversations, announcements, slow mode, mentions, and who has left', async t => {
  const { bot, ann, id } = await scene(t)
  const direct = await bot.direct(ann)
  const message = await start(bot, direct, 'x')
  await ann.ok('PUT', '/api/chat/blocks/bot')
  t.match([await append(bot, message, 1, 'y'), await finish(bot, message), await stop(ann, message)], Array.from({ length: 3 }, () => ({ status: 403, body: { code: 'BLOCKED' } })))
  t.match(await append(bot, message, 0, 'x'), { status: 200 }, 'a repetition')
  await ann.ok('DELETE', '/api/chat/blocks/bot')
  t.match(await finish(bot, message), { status: 200 })

  const settings = async (settings: object): Promise<unknown> => await bot.ok('PATCH', `/api/chat/conversations/${id}`, { settings })
  await settings({ slowModeSeconds: 60 })
  const slow = await start(ann, id, 'Hi @bot', { mentions: [{ userId: 'bot', start: 3, length: 4 }] })
  t.match(await ann.call('POST', '/api/chat/messages', { conversationId: id, text: '', growing: true }), { status: 429, body: { code: 'SLOW_MODE' } })
  t.match([await append(ann, slow, 7, '!'), await append(ann, slow, 8, '!')], [{ status: 200 }, { status: 200 }], 'appends are no messages')
  t.match((await bot.ok<MentionPage>('GET', '/api/chat/mentions')).messages, [{ id: slow.id, mentions: [{ start: 3, length: 4 }] }])
  await settings({ posting: 'admins' })
  t.match(await append(ann, slow, 9, '!'), { status: 403, body: { code: 'POSTING_RESTRICTED' } })
  await settings({ posting: 'nobody' })
  t.match(await finish(ann, slow), { status: 403, body: { code: 'POSTING_RESTRICTED' } })
  await settings({ posting: 'admins' })
  t.match(await finish(ann, slow, { text: 'Bye' }), { status: 200, body: { text: 'Bye', mentions: [{ userId: 'bot', start: null }] } }, 'as one edits one\'s own')

  await settings({ posting: 'everyone', slowModeSeconds: 0 })
  const left = await start(ann, id, 'x')
  await ann.ok('DELETE', `/api/chat/conversations/${id}/participants/ann`)
  t.match([await append(ann, left, 1, 'y'), await finish(ann, left)], [{ status: 404 }, { status: 404 }])
})

test('a minute of silence ends it', async t => {
  const clock = travel(t)
  const { bot, ann, ben, id } = await scene(t)
  const stream = await ben.stream(t, { conversationId: id })
  const big = { note: 'x'.repeat(4070) }
  const [text, empty, large, kept, gone] = [await start(bot, id, 'Once', { metadata: { a: 1 } }), await start(bot, id), await start(bot, id, 'x', { metadata: big }), await start(bot, id, 'a'), await start(ann, id, 'b')]
  await ann.ok('DELETE', `/api/chat/conversations/${id}/participants/ann`)
  await clock.advance(59_000)
  t.equal((await append(bot, kept, 1, 'b')).status, 200)
  t.ok((await get(ben, text)).growing, 'not before')
  await clock.advance(6000)
  const ended = new Map<unknown, unknown[]>()
  await stream.until(({ type, data }) => {
    if (type === 'messageUpdated' || type === 'messageDeleted') ended.set(data.id, [type, data.text, data.metadata, data.growing, data.editedAt, data.deletedBy])
    return ended.size === 4
  })
  t.strictSame([text, empty, large, gone].map(({ id }) => ended.get(id)), [
    ['messageUpdated', 'Once', { a: 1, interrupted: true }, false, null, null],
    ['messageDeleted', '', null, false, null, null],
    ['messageUpdated', 'x', { interrupted: true }, false, null, null],
    ['messageUpdated', 'b', { interrupted: true }, false, null, null]
  ])
  t.match([await append(bot, text, 4, '!'), await append(bot, empty, 0, '!')], [{ status: 409, body: { code: 'NOT_GROWING' } }, { status: 409, body: { code: 'NOT_GROWING' } }])
  t.match(await finish(bot, text), { status: 200, body: { metadata: { interrupted: true } } })
  t.match(await get(ben, kept), { growing: true, text: 'ab' }, 'that one went on')
  t.match(await ben.ok<Conversation>('GET', `/api/chat/conversations/${id}`), { unreadCount: 4 }, 'all but the tombstone')
})
