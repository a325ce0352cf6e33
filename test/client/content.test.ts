import t from 'tap'
import { createSession, mentionsOf, openConversation, openConversationList, type ChatMessage, type LiveConversation } from '../../client/index.js'
import { clientOf, pair as pairOf, texts, until } from './people.js'
import { serverProcess } from './server-process.js'

// What messages carry, with the real server in its own process.

const { baseUrl, start, kill } = await serverProcess(t)
const pair = (t: Parameters<typeof pairOf>[0]) => pairOf(t, baseUrl)

const last = (chat: LiveConversation) => chat.getSnapshot().messages.at(-1)
const find = (chat: LiveConversation, id: string | undefined) => chat.getSnapshot().messages.find((message) => message.id === id)
const sent = async (chat: LiveConversation, ...args: Parameters<LiveConversation['send']>) => {
  const key = chat.send(...args)
  const own = () => chat.getSnapshot().messages.find((message) => message.key === key)
  await until(chat, () => typeof own()?.seq === 'number')
  return own() as ChatMessage
}
const reactionsOf = (chat: LiveConversation, id: string) => {
  const message = find(chat, id)
  return [message?.reactions.map(({ emoji, count }) => `${emoji}${count}`).join(' '), message?.myReactions.join(' ')]
}

/** What a fetch would show, without what live state adds. */
const fetched = ({ key, own, error, uploads, ...message }: ChatMessage) => message

t.test('metadata, replies and their quotes', async (t) => {
  const { ann, ben, id, clients } = await pair(t)
  const question = await sent(ann.chat, 'Ready?', { metadata: { order: 7 } })
  await until(ben.chat, () => last(ben.chat)?.id === question.id)
  t.match(last(ben.chat), { metadata: { order: 7 } })
  const reply = await sent(ben.chat, 'Yes', { replyTo: question.id })
  t.match(reply, { replyTo: { id: question.id, text: 'Ready?' } })
  await until(ann.chat, () => last(ann.chat)?.id === reply.id)
  t.match(find(ann.chat, question.id), { replyCount: 1 })
  t.match(last(ann.chat), { replyTo: { id: question.id, replyCount: 1 } })

  await ann.chat.edit(question.id, { metadata: { order: 8 } })
  t.match(find(ann.chat, question.id), { metadata: { order: 8 }, editedAt: null, replyCount: 1 })
  await until(ben.chat, () => find(ben.chat, question.id)?.metadata?.order === 8)
  await ann.chat.edit(question.id, 'Ready? 👍'.repeat(100))
  await until(ben.chat, () => find(ben.chat, reply.id)?.replyTo?.truncated === true)
  t.match(find(ben.chat, reply.id)?.replyTo, (await clients[1].getMessage(reply.id)).replyTo, 'cut where the service cuts')
  await ann.chat.remove(question.id)
  await until(ben.chat, () => find(ben.chat, reply.id)?.replyTo?.deletedAt !== null)
  t.match(find(ben.chat, reply.id)?.replyTo, { text: '', truncated: false })
  t.match(ben.list.getSnapshot().conversations[0]?.lastMessage?.replyTo, { text: '' })
  await t.rejects(clients[0].sendMessage({ conversationId: id, text: 'late', replyToId: question.id }), { code: 'MESSAGE_DELETED', statusCode: 409 })
  t.match(await clients[0].listReplies(question.id), { messages: [{ id: reply.id }], hasMore: false })
  t.match(await clients[0].listMessages(id, { around: 2, limit: 1 }), { messages: [{ id: reply.id }], hasMore: true, hasMoreAfter: false })
})

t.test('to the quoted message, and back', async (t) => {
  const { ann, ben } = await pair(t)
  const first = await sent(ann.chat, 'first')
  for (let i = 0; i < 110; i++) ann.chat.send(`${i}`)
  const reply = await sent(ann.chat, 'to the first', { replyTo: first.id })
  await until(ben.chat, () => last(ben.chat)?.id === reply.id)
  await ben.chat.reload()
  t.match(last(ben.chat)?.replyTo, { id: first.id, seq: 1, text: 'first' })
  t.equal(find(ben.chat, first.id), undefined)
  await ben.chat.loadAround(last(ben.chat)?.replyTo?.seq ?? 0)
  t.match(find(ben.chat, first.id), { replyCount: 1 })
  t.match(ben.chat.getSnapshot(), { hasOlder: false, hasNewer: true })
  while (ben.chat.getSnapshot().hasNewer) await ben.chat.loadNewer()
  t.strictSame(texts(ben.chat), texts(ann.chat))
})

t.test('reactions', async (t) => {
  const { names: [annId, benId], ann, ben, clients } = await pair(t)
  const message = await sent(ann.chat, 'Party!')
  await until(ben.chat, () => last(ben.chat)?.id === message.id)
  const reacting = ben.chat.react(message.id, '❤', true)
  t.strictSame(reactionsOf(ben.chat, message.id), ['❤1', '❤'], 'at once')
  await Promise.all([reacting, ann.chat.react(message.id, '❤️', true), ann.chat.react(message.id, '🎉', true)])
  const shown = (chat: LiveConversation) => reactionsOf(chat, message.id)[0]
  for (const chat of [ann.chat, ben.chat]) await until(chat, () => shown(chat) === '❤️2 🎉1' || shown(chat) === '🎉1 ❤️2')
  t.strictSame([reactionsOf(ann.chat, message.id)[1]?.length, reactionsOf(ben.chat, message.id)[1]], ['❤️ 🎉'.length, '❤️'])
  await t.rejects(ben.chat.react(message.id, 'no emoji', true), { code: 'UNKNOWN_EMOJI' })
  t.strictSame(reactionsOf(ben.chat, message.id)[1], '❤️', 'rolled back')
  const { reactions } = await clients[0].listReactions(message.id, { emoji: '❤' })
  t.strictSame(reactions.map(({ emoji, user }) => `${emoji} ${user.userId}`).sort(), [`❤️ ${annId}`, `❤️ ${benId}`].sort())
  await ben.chat.react(message.id, '❤️', false)
  await until(ann.chat, () => find(ann.chat, message.id)?.reactions.some(({ emoji, count }) => emoji === '❤️' && count === 1) === true)
  await until(ann.list, () => ann.list.getSnapshot().conversations[0]?.lastMessage?.myReactions.length === 2)
  await ann.chat.remove(message.id)
  t.strictSame(reactionsOf(ann.chat, message.id), ['', ''])
})

t.test('mentions', async (t) => {
  const { names: [, benId], ann, ben, clients, id } = await pair(t)
  const text = `Hello @${benId.toUpperCase()}!`
  const mentions = mentionsOf(text, ann.chat.getSnapshot().conversation?.participants ?? [])
  t.strictSame(mentions, [{ userId: benId, start: 6, length: benId.length + 1 }])
  const message = await sent(ann.chat, text, { mentions })
  await until(ben.chat, () => last(ben.chat)?.id === message.id)
  t.match(last(ben.chat)?.mentions, [{ userId: benId, displayName: benId.toUpperCase(), start: 6 }])
  t.equal(ben.chat.getSnapshot().unreadMentionCount, 1)
  await until(ben.list, () => ben.list.getSnapshot().unreadMentionCount === 1)
  t.equal((await clients[1].getConversation(id)).unreadMentionCount, 1)
  t.match(await clients[1].listMentions({ limit: 1 }), { messages: [{ id: message.id }], nextCursor: null })
  t.equal(ann.chat.getSnapshot().unreadMentionCount, 0)
  await ann.chat.edit(message.id, { text: 'Hello!', mentions: [] })
  await until(ben.chat, () => ben.chat.getSnapshot().unreadMentionCount === 0)
  await until(ben.list, () => ben.list.getSnapshot().unreadMentionCount === 0)
  await sent(ann.chat, 'all', { mentionsAll: true })
  await until(ben.chat, () => ben.chat.getSnapshot().unreadMentionCount === 1)
  ben.chat.markRead()
  await until(ben.list, () => ben.list.getSnapshot().unreadMentionCount === 0 && ben.list.getSnapshot().unreadCount === 0)
  t.equal((await clients[1].getConversation(id)).unreadMentionCount, 0)
})

t.test('profiles', async (t) => {
  const { names: [annId], ann, ben, clients } = await pair(t)
  await until(ann.session, () => ann.session.getSnapshot().user !== null)
  t.match(await clients[0].updateMe({ metadata: { team: 'red' } }), { userId: annId, metadata: { team: 'red' } })
  await until(ann.session, () => ann.session.getSnapshot().user?.metadata?.team === 'red')
  t.match(await clients[1].getUser(annId), { userId: annId, metadata: { team: 'red' } })
  t.match(await clients[0].me(), { metadata: { team: 'red' } })
  await t.rejects(clients[0].getUser('nobody'), { code: 'NOT_FOUND' })
  await t.rejects(clients[0].updateMe({ metadata: { large: 'x'.repeat(5000) } }), { code: 'METADATA_TOO_LARGE' })
  await sent(ann.chat, 'hi')
  await until(ben.chat, () => last(ben.chat)?.senderId === annId)
})

t.test('title, settings and moderators', async (t) => {
  const { names: [annId, benId], ann, ben, clients } = await pair(t)
  const { id } = await clients[0].createConversation({ type: 'group', title: 'Old', participantIds: [benId] })
  const [owner, member] = [openConversation(ann.session, id), openConversation(ben.session, id)]
  t.teardown(() => { owner.close(); member.close() })
  await until(member, () => member.getSnapshot().status === 'ready')
  const message = await sent(member, 'secret')
  const answer = await clients[0].updateConversation(id, { title: 'New', metadata: { order: 7 }, settings: { slowModeSeconds: 3600 } })
  t.match(answer, { title: 'New', metadata: { order: 7 }, settings: { posting: 'everyone', slowModeSeconds: 3600 } })
  const isNew = () => member.getSnapshot().conversation?.title === 'New'
  await until(member, isNew)
  t.match(member.getSnapshot().conversation, { metadata: { order: 7 }, settings: answer.settings })
  const listed = () => ben.list.getSnapshot().conversations.find((conversation) => conversation.id === id)
  await until(ben.list, () => listed()?.title === 'New')
  const key = member.send('too soon')
  const own = () => member.getSnapshot().messages.find((message) => message.key === key)
  await until(member, () => own()?.status === 'failed')
  t.match(own()?.error, { code: 'SLOW_MODE', statusCode: 429 })
  await t.rejects(clients[1].updateConversation(id, { title: 'x' }), { code: 'FORBIDDEN' })
  await owner.remove(message.id)
  await until(member, () => find(member, message.id)?.deletedAt !== null)
  t.match(find(member, message.id), { text: '', deletedBy: annId, senderId: benId })
  const { changes, hasMore } = await clients[1].listChanges(id)
  t.strictSame(changes.map(({ type, afterSeq }) => [type, afterSeq]), [['conversationCreated', 0], ['conversationUpdated', 1]])
  t.equal(hasMore, false)
  t.match((await clients[1].listChanges(id, { after: 1, limit: 1 })).changes, [{ data: { title: 'New', changed: ['title', 'metadata', 'settings'] } }])
})

t.test('what a user sets for themselves shows on all their devices', async (t) => {
  const { names, id, ann, ben } = await pair(t)
  const other = { session: createSession(clientOf(baseUrl, names[0])) }
  const list = openConversationList(other.session)
  const chat = openConversation(other.session, id)
  t.teardown(() => { list.close(); chat.close(); other.session.close() })
  await Promise.all([list, chat].map((store) => until(store, () => store.getSnapshot().status === 'ready')))
  const me = (live: LiveConversation) => live.getSnapshot().conversation?.me
  const muting = ann.chat.updateOwnState({ mutedUntil: 'forever', favourite: true })
  t.match(me(ann.chat), { mutedUntil: 'forever', favourite: true }, 'at once')
  await muting
  await until(chat, () => me(chat)?.favourite === true)
  await until(list, () => list.getSnapshot().conversations[0]?.me.mutedUntil === 'forever')
  t.equal(me(ben.chat)?.favourite, false)

  await sent(ben.chat, 'unread')
  await until(chat, () => chat.getSnapshot().unreadCount === 1)
  chat.markRead()
  await until(ann.chat, () => ann.chat.getSnapshot().unreadCount === 0)
  await list.updateOwnState(id, { unreadFrom: 1 })
  await until(ann.chat, () => ann.chat.getSnapshot().unreadCount === 1)
  ann.chat.markRead()
  await until(chat, () => chat.getSnapshot().unreadCount === 0 && me(chat)?.unreadFrom === null)

  await ann.chat.updateOwnState({ mutedUntil: null, archived: true })
  await until(list, () => list.getSnapshot().conversations.length === 0)
  await sent(ben.chat, 'back')
  await until(list, () => list.getSnapshot().conversations.length === 1)
  await until(ann.list, () => ann.list.getSnapshot().conversations[0]?.me.archived === false)
  t.equal(me(chat)?.archived, false)
  await t.rejects(ann.chat.updateOwnState({ unreadFrom: 99 }), { code: 'VALIDATION_FAILED' })
  t.match(me(ann.chat), { unreadFrom: null, favourite: true })
})

t.test('both write all kinds of things while the server is killed: live state ends as a fetch', async (t) => {
  const { ann, ben, clients, id } = await pair(t)
  const ids = await Promise.all(Array.from({ length: 6 }, async (_, i) => (await sent(ann.chat, `${i}`)).id))
  let seed = 1
  const random = (below: number) => { seed = (seed * 48271) % 0x7fffffff; return seed % below }
  const open: Promise<unknown>[] = []
  const call = (promise: Promise<unknown>) => { open.push(promise.catch(() => {})) }
  const write = async (count: number) => {
    for (let i = 0; i < count; i++) {
      const { chat } = random(2) === 0 ? ann : ben
      const on = ids[random(ids.length)] ?? ''
      const what = random(6)
      if (what === 0) chat.send(`reply ${i}`, { replyTo: on, mentionsAll: random(2) === 0 })
      else if (what === 1) call(chat.edit(on, { text: `edited ${i}`, metadata: { i } }))
      else if (what === 2 && i % 10 === 0) call(chat.remove(on))
      else call(chat.react(on, ['👍', '❤', '🎉'][random(3)] ?? '', random(3) > 0))
      await new Promise(setImmediate)
    }
  }
  await write(40)
  await kill()
  await write(10)
  await start()
  await write(40)
  await Promise.all(open)
  const settled = (chat: LiveConversation) => chat.getSnapshot().messages.every(({ status }) => status !== 'sending')
  await Promise.all([ann, ben].map(({ chat }) => until(chat, () => settled(chat))))
  // One who comes fresh. What is sent now is the last event of all: who has it has everything before it.
  const end = await sent(ann.chat, 'end')
  const session = createSession(clientOf(baseUrl, ann.session.getSnapshot().userId ?? ''))
  const fresh = openConversation(session, id)
  t.teardown(() => { fresh.close(); session.close() })
  await until(fresh, () => fresh.getSnapshot().status === 'ready')
  for (const [n, { chat }] of [ann, ben].entries()) {
    await until(chat, () => find(chat, end.id) !== undefined)
    const { messages } = await clients[n as 0 | 1].listMessages(id, { limit: 100 })
    t.ok(messages.length < 100)
    const live = chat.getSnapshot().messages.filter(({ seq }) => seq !== null).map(fetched)
    t.strictSame(live.map(({ status, ...message }) => message), messages.map(({ status, ...message }) => message))
  }
  t.strictSame(texts(fresh), texts(ann.chat).filter((_, i) => ann.chat.getSnapshot().messages[i]?.seq !== null))
})
