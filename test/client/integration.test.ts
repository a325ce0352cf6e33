import t from 'tap'
import { createSession, openConversation, type LiveConversation } from '../../client/index.js'
import { createFakeLocks, createFakeTab } from './fake-tabs.js'
import { clientOf, pair as pairOf, texts, until } from './people.js'
import { createRecorder } from './recorder.js'
import { serverProcess } from './server-process.js'

// Live conversations against the real server, in its own process.

const { baseUrl, start, kill } = await serverProcess(t)
const pair = (t: Parameters<typeof pairOf>[0]) => pairOf(t, baseUrl)

t.test('two people: messages, ticks, typing, presence, unread', async (t) => {
  const { names: [annId, benId], ann, ben, clients } = await pair(t)
  const tick = () => ann.chat.getSnapshot().messages[0]?.status

  ann.chat.setTyping(true)
  await until(ben.chat, () => ben.chat.getSnapshot().typing[0]?.userId === annId)
  const key = ann.chat.send('Hello! 👋')
  t.equal(tick(), 'sending')
  await until(ben.chat, () => texts(ben.chat).includes('Hello! 👋'))
  t.strictSame(ben.chat.getSnapshot().typing, [], 'sending ends typing')
  await until(ann.chat, () => tick() === 'delivered')
  t.equal(ann.chat.getSnapshot().messages[0]?.key, key)
  t.equal(ben.chat.getSnapshot().unreadCount, 1)
  await until(ben.list, () => ben.list.getSnapshot().unreadCount === 1)
  ben.chat.markRead()
  t.equal(ben.chat.getSnapshot().unreadCount, 0)
  await until(ann.chat, () => tick() === 'read')
  await until(ben.list, () => ben.list.getSnapshot().unreadCount === 0)
  await until(ann.list, () => ann.list.getSnapshot().conversations[0]?.lastMessage?.status === 'read')

  const [message] = ben.chat.getSnapshot().messages
  await t.rejects(ben.chat.edit(message?.id ?? '', 'not mine'), { code: 'FORBIDDEN', statusCode: 403 })
  await ann.chat.edit(message?.id ?? '', 'Hello')
  await until(ben.chat, () => texts(ben.chat)[0] === 'Hello')
  await ann.chat.remove(message?.id ?? '')
  await until(ben.chat, () => ben.chat.getSnapshot().messages[0]?.deletedAt !== null)
  t.strictSame(texts(ben.chat), [''])

  const isOnline = (chat: LiveConversation, userId: string) => chat.getSnapshot().conversation?.participants.find(
    (participant) => participant.userId === userId
  )?.isOnline
  await until(ann.chat, () => isOnline(ann.chat, benId) === true)
  await clients[1].setOnline(false)
  await until(ann.chat, () => isOnline(ann.chat, benId) === false)
  t.equal(ann.session.getSnapshot().user?.displayName, annId.toUpperCase())
})

t.test('the server is killed while both write: nothing lost, nothing twice, in one order', async (t) => {
  const { ann, ben } = await pair(t)
  const expected: string[] = []
  const write = async (count: number, name: string) => {
    for (let i = 0; i < count; i++) {
      for (const [who, chat] of [['ann', ann.chat], ['ben', ben.chat]] as const) {
        const text = `${who} ${name} ${i}`
        expected.push(text)
        chat.send(text)
      }
      await new Promise(setImmediate)
    }
  }
  await write(10, 'before the crash')
  await kill()
  await write(5, 'during the crash')
  await start()
  await write(5, 'after the crash')
  const complete = ({ messages }: ReturnType<LiveConversation['getSnapshot']>) =>
    messages.length >= expected.length && messages.every(({ seq }) => seq !== null)
  await Promise.all([ann, ben].map(({ chat }) => until(chat, () => complete(chat.getSnapshot()))))
  t.strictSame(texts(ann.chat), texts(ben.chat))
  t.strictSame([...texts(ann.chat)].sort(), [...expected].sort())
  t.strictSame(ann.chat.getSnapshot().messages.map(({ seq }) => seq), expected.map((_, i) => i + 1))
  for (const who of ['ann', 'ben']) {
    const own = (all: string[]) => all.filter((text) => text.startsWith(who))
    t.strictSame(own(texts(ann.chat)), own(expected), 'in the order they were written in')
  }
  const { messages: history } = await ben.session.client.listMessages(ben.chat.conversationId, { limit: 100 })
  t.strictSame(texts(ben.chat), history.map(({ text }) => text))
})

t.test('a group: who is removed hears it, and no more', async (t) => {
  const { names: [, benId], ann, ben } = await pair(t)
  const group = await ann.session.client.createConversation({ type: 'group', title: 'Group', participantIds: [benId] })
  await until(ben.list, () => ben.list.getSnapshot().conversations.some(({ title }) => title === 'Group'))
  const recorder = createRecorder()
  ben.session.client.subscribe({ conversationId: group.id, ...recorder.callbacks })
  const chat = openConversation(ben.session, group.id)
  t.teardown(() => chat.close())
  await Promise.all([recorder.until('onConnect'), until(chat, () => chat.getSnapshot().status === 'ready')])
  await ann.session.client.removeParticipant(group.id, benId)
  await recorder.until('onError')
  t.match(recorder.of('onError'), [[{ code: 'REMOVED' }]])
  await until(chat, () => chat.getSnapshot().removed)
  await until(ben.list, () => !ben.list.getSnapshot().conversations.some(({ title }) => title === 'Group'))
})

t.test('tabs that share a stream, over a restart and a handover', async (t) => {
  const { names: [annId], id, ben } = await pair(t)
  const locks = createFakeLocks()
  const tabs = Array.from({ length: 3 }, () => {
    const session = createSession(clientOf(baseUrl, annId), { shareTabs: createFakeTab(locks) })
    const chat = openConversation(session, id)
    const heard: number[] = []
    session.listen((...[type, data]) => { if (type === 'message' && data.conversationId === id) heard.push(data.seq) })
    t.teardown(() => { chat.close(); session.close() })
    return { session, chat, heard }
  })
  await Promise.all(tabs.map(({ chat }) => until(chat, () => chat.getSnapshot().status === 'ready')))
  let sent = 0
  const send = (count: number) => { while (count-- > 0) ben.chat.send(`${++sent}`) }
  const all = (...of: typeof tabs) => Promise.all(of.map(({ chat }) => until(chat, () => chat.getSnapshot().messages.length === sent)))
  send(5)
  await all(...tabs)
  const [leader, ...others] = tabs
  leader?.session.close()
  send(5)
  await all(...others)
  await kill()
  send(5)
  await start()
  await all(...others)
  for (const { heard } of others) t.strictSame(heard, Array.from({ length: sent }, (_, i) => i + 1))
})
