import { test } from 'tap'
import type { ChatClient } from '../../client/index.js'
import type { HistoryQuery, MessagePage, OwnMessage } from '../../schemas/messages.js'
import { conversation, message, messageEvent, participant, participantEvent, timestamp } from './made.js'
import { createStubSession, deferred, openBoth, settle, type Teardown } from './stub-session.js'

const LIMIT = 50

/** A page of the history, by the service's rules. */
function pageOf (all: readonly OwnMessage[], { before, after, around, limit = LIMIT }: HistoryQuery = {}): MessagePage {
  if (around !== undefined) {
    const at = Math.min(around, all.length)
    const first = Math.max(at - 1 - Math.floor((limit - 1) / 2), 0)
    const messages = all.slice(first, at + limit - 1 - Math.floor((limit - 1) / 2))
    return { messages, hasMore: first > 0, hasMoreAfter: (messages.at(-1)?.seq ?? 0) < all.length }
  }
  if (after !== undefined) {
    const messages = all.slice(after, after + limit)
    return { messages, hasMore: after + limit < all.length }
  }
  const until = before === undefined ? all.length : before - 1
  return { messages: all.slice(Math.max(until - limit, 0), until), hasMore: until > limit }
}

async function setUp (t: Teardown, count: number, answers: Partial<ChatClient> = {}, rendered = async () => {}) {
  const all = Array.from({ length: count }, (_, i) => message(i + 1))
  let eventSeq = count
  const counts = { unreadCount: 0, unreadMentionCount: 0, readSeq: count }
  const fetched = () => {
    const { readSeq, ...unread } = counts
    return conversation({ lastMessage: all.at(-1) ?? null, ...unread, participants: [participant('alice', { readSeq, deliveredSeq: readSeq }), participant('bob')] })
  }
  const stub = createStubSession({
    getConversation: async () => fetched(),
    listConversations: async () => ({ conversations: [fetched()], nextCursor: null }),
    async listMessages (_id, query) {
      const page = pageOf(all, query)
      await rendered()
      return page
    },
    ...answers
  })
  const { live, list } = await openBoth(t, stub)
  return {
    ...stub,
    all,
    counts,
    live,
    list,
    /** Somebody else sends a message. */
    write (data: Partial<OwnMessage> = {}) {
      all.push(message(all.length + 1, data))
      counts.unreadCount++
      stub.emit('message', { ...messageEvent(all.length, data), eventSeq: ++eventSeq })
    },
    /** The first and the last of what is loaded, and whether there is more. */
    span () {
      const loaded = live.getSnapshot().messages.map(({ seq }) => seq ?? 0)
      const [first = 0] = loaded
      if (loaded.some((seq, i) => seq !== first + i)) throw new Error(`a gap in ${loaded.join()}`)
      const { hasOlder, hasNewer } = live.getSnapshot()
      return [first, loaded.at(-1) ?? 0, hasOlder, hasNewer]
    }
  }
}

test('to a message that is not loaded, and back', async (t) => {
  const { live, span, callsOf } = await setUp(t, 300)
  t.strictSame(span(), [251, 300, true, false])
  await live.loadAround(260)
  t.equal(callsOf('listMessages').length, 1, 'it is loaded')
  await live.loadAround(100)
  t.strictSame(span(), [76, 125, true, true])
  await live.loadOlder()
  t.strictSame(span(), [26, 125, true, true])
  const [first, second] = [live.loadNewer(), live.loadNewer()]
  t.equal(first, second)
  t.ok(live.getSnapshot().loadingNewer)
  await first
  t.notOk(live.getSnapshot().loadingNewer)
  t.strictSame(span(), [26, 175, true, true])
  for (let i = 0; i < 3; i++) await live.loadNewer()
  t.strictSame(span(), [26, 300, true, false])
  const before = callsOf('listMessages').length
  await live.loadNewer()
  t.equal(callsOf('listMessages').length, before)
  await live.loadAround(10)
  t.strictSame(span(), [1, 35, false, true], 'a short beginning is not filled from the other side')
  await live.reload()
  t.strictSame(span(), [251, 300, true, false])
  await live.loadAround(1000)
  t.strictSame(span()[1], 300, 'past the end is the end')
})

test('messages that arrive meanwhile leave no gap, and are counted', async (t) => {
  const { live, write, span, all, counts, emit } = await setUp(t, 200)
  await live.loadAround(100)
  t.strictSame(span(), [76, 125, true, true])
  counts.unreadMentionCount = 1
  write({ mentionsAll: true })
  await settle()
  t.strictSame(span(), [76, 125, true, true])
  t.match(live.getSnapshot(), { unreadCount: 1, unreadMentionCount: 1, conversation: { lastMessage: { seq: 201 } } })
  emit('messageUpdated', { ...messageEvent(100, { text: 'edited', editedAt: timestamp }), eventSeq: 900 })
  t.equal(live.getSnapshot().messages.find(({ seq }) => seq === 100)?.text, 'edited', 'what is loaded changes')
  all[99] = message(100, { text: 'edited', editedAt: timestamp })
  emit('participantLeft', participantEvent('bob', { eventSeq: 901 }))
  await settle()
  t.strictSame(span(), [76, 125, true, true], 'nobody is thrown out of the place that they read')
  await live.loadNewer()
  t.strictSame(span(), [76, 175, true, true])
  await live.loadNewer()
  t.strictSame(span(), [76, 201, true, false])
  write()
  t.strictSame(span(), [76, 202, true, false])
})

test('what arrives while the last page is fetched is added to it', async (t) => {
  const answer = deferred<undefined>()
  let held = false
  const { live, write, span } = await setUp(t, 160, {}, async () => { if (held) await answer.promise })
  await live.loadAround(100)
  held = true
  const loading = live.loadNewer()
  write()
  write()
  t.strictSame(span(), [76, 125, true, true])
  answer.resolve(undefined)
  await loading
  held = false
  t.strictSame(span(), [76, 162, true, false])
})

test('sending goes back to the newest messages', async (t) => {
  const sent = deferred<OwnMessage>()
  const { live, all } = await setUp(t, 200, { sendMessage: () => sent.promise })
  await live.loadAround(20)
  const key = live.send('here')
  await settle()
  t.match(live.getSnapshot(), { hasNewer: false })
  t.match(live.getSnapshot().messages.at(-2), { seq: 200 })
  t.match(live.getSnapshot().messages.at(-1), { key, status: 'sending' })
  all.push(message(201, { senderId: 'alice', clientId: key, text: 'here' }))
  sent.resolve(message(201, { senderId: 'alice', clientId: key, text: 'here' }))
  await settle()
  t.match(live.getSnapshot().messages.at(-1), { key, seq: 201 })
})

test('more events than are remembered during a request', async (t) => {
  const edited = deferred<OwnMessage>()
  const { live, emit } = await setUp(t, 3, { editMessage: () => edited.promise })
  const editing = live.edit('m1', 'mine')
  emit('messageUpdated', { ...messageEvent(1, { text: 'newer', editedAt: timestamp }), eventSeq: 1000 })
  for (let i = 0; i < 600; i++) emit('messageUpdated', { ...messageEvent(2, { text: `${i}`, editedAt: timestamp }), eventSeq: 1001 + i })
  edited.resolve(message(1, { text: 'mine' }))
  await editing
  t.equal(live.getSnapshot().messages[0]?.text, 'newer', 'what events have told is newer than an old response')
})
