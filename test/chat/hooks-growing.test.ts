import t, { type Test } from 'tap'
import { refuse, type Attempt, type BeforeHook } from '../../index.js'
import type { OwnMessage as Message } from '../../schemas/messages.js'
import { buildListening, travel, users, type Answer, type User } from '../helper.js'

async function scene (t: Test) {
  const asked: Attempt[] = []
  const hook: { answer: BeforeHook } = { answer: () => undefined }
  const before: BeforeHook = async attempt => {
    if (attempt.action !== 'message.edit') return undefined
    asked.push(attempt)
    return await hook.answer(attempt)
  }
  const app = await buildListening(t, { chat: { hooks: { before } } })
  const [bot, ann] = users(app, 'bot', 'ann') as [User, User]
  const id = await bot.group([ann])
  return { app, bot, ann, id, asked, hook }
}

const start = async (who: User, conversationId: string, text: string, more = {}): Promise<Message> =>
  await who.send(conversationId, text, { growing: true, ...more })
const append = async (who: User, { id }: Message, offset: number, text: string): Promise<Answer> =>
  await who.call('POST', `/api/chat/messages/${id}/append`, { offset, text })
const finish = async (who: User, { id }: Message, body?: object): Promise<Answer<Message & { code?: string }>> =>
  await who.call('POST', `/api/chat/messages/${id}/finish`, body)
const get = async (who: User, { id }: Message): Promise<Message> => await who.ok('GET', `/api/chat/messages/${id}`)

await t.test('finish asks about the whole text, once', async t => {
  const { bot, ann, id, asked, hook } = await scene(t)
  const message = await start(bot, id, 'Once ')
  await append(bot, message, 5, 'upon')
  t.strictSame(asked, [], 'appends are not asked about')
  t.match(await finish(bot, message, { metadata: { a: 1 } }), { status: 200, body: { text: 'Once upon', growing: false, metadata: { a: 1 } } })
  t.match(asked, [{ action: 'message.edit', userId: 'bot', via: 'http', conversation: { id }, input: { messageId: message.id, text: 'Once upon', metadata: { a: 1 } } }])
  t.equal((await finish(bot, message)).status, 200)
  t.equal(asked.length, 1, 'a repetition is not asked about')
  t.match(await finish(ann, await start(bot, id, 'x')), { status: 403, body: { code: 'FORBIDDEN' } })
  t.equal(asked.length, 1, 'nor is who may not finish it')

  hook.answer = ({ input }) => ({ ...input, text: String(input.text).toUpperCase() })
  t.match(await finish(bot, await start(bot, id, 'loud')), { status: 200, body: { text: 'LOUD', editedAt: null } })
  hook.answer = () => ({ text: 7 })
  const nonsense = await start(bot, id, 'x')
  t.match(await finish(bot, nonsense), { status: 500, body: { code: 'INTERNAL_ERROR' } })
  t.match(await get(bot, nonsense), { growing: true, text: 'x' }, 'nothing is written')
})

await t.test('refused at its end, a message becomes a tombstone', async t => {
  const { bot, ann, id, hook } = await scene(t)
  const stream = await ann.stream(t, { conversationId: id })
  hook.answer = () => refuse('Not so', { code: 'WORDS' })
  const message = await start(bot, id, 'bad words', { clientId: 'c1' })
  t.match(await finish(bot, message), { status: 403, body: { code: 'REFUSED', message: 'Not so', hookCode: 'WORDS' } })
  t.match(await stream.next('messageDeleted'), { data: { id: message.id, text: '', growing: false, deletedBy: null } })
  t.match(await get(ann, message), { text: '', growing: false, deletedBy: null })
  t.not((await get(ann, message)).deletedAt, null)
  t.match([await finish(bot, message), await append(bot, message, 9, 'x')], [{ status: 409, body: { code: 'NOT_GROWING' } }, { status: 409, body: { code: 'NOT_GROWING' } }])
})

await t.test('what is appended while the host thinks is asked about, too', async t => {
  const { bot, id, asked, hook } = await scene(t)
  const message = await start(bot, id, 'a')
  hook.answer = async () => {
    if (asked.length === 1) await append(bot, message, 1, 'b')
  }
  t.match(await finish(bot, message), { status: 200, body: { text: 'ab' } })
  t.strictSame(asked.map(({ input }) => input.text), ['a', 'ab'])
})

await t.test('the service asks, too, before it ends what has been silent', async t => {
  const clock = travel(t)
  const { bot, ann, id, asked, hook } = await scene(t)
  const stream = await ann.stream(t, { conversationId: id })
  hook.answer = ({ input, userId }) => input.text === 'bad' ? refuse('no') : userId === 'ann' ? { ...input, text: 'better' } : undefined
  const [good, bad, empty, left] = [await start(bot, id, 'good', { metadata: { a: 1 } }), await start(bot, id, 'bad'), await start(bot, id, ''), await start(ann, id, 'left')]
  const other = await bot.stream(t, { conversationId: id })
  await ann.ok('DELETE', `/api/chat/conversations/${id}/participants/ann`)
  await clock.advance(65_000)
  const ended = new Map<unknown, unknown[]>()
  await other.until(({ type, data }) => {
    if (type === 'messageUpdated' || type === 'messageDeleted') ended.set(data.id, [type, data.text, data.metadata])
    return ended.size === 4
  })
  t.strictSame([good, bad, empty, left].map(({ id }) => ended.get(id)), [
    ['messageUpdated', 'good', { a: 1, interrupted: true }],
    ['messageDeleted', '', null],
    ['messageDeleted', '', null],
    ['messageUpdated', 'better', { interrupted: true }]
  ])
  t.match(asked.map(({ userId, via, input }) => [userId, via, input.text, input.metadata]).sort(), [
    ['ann', 'process', 'left', { interrupted: true }], ['bot', 'process', 'bad', { interrupted: true }], ['bot', 'process', 'good', { a: 1, interrupted: true }]
  ])
  stream.close()
})
