import { test } from 'tap'
import { ChatError } from '../../client/index.js'
import type { ReactionAnswer, ReactionCount } from '../../schemas/messages.js'
import { conversation, message, messageEvent, reactionEvent, timestamp } from './made.js'
import { createStubSession, deferred, openBoth, settle, type Teardown } from './stub-session.js'

let eventSeq = 100
const thumbs = (count: number): ReactionCount[] => count === 0 ? [] : [{ emoji: '👍', count }]
const reacts = (userId: string, reacted: boolean, reactions: ReactionCount[], emoji = '👍') =>
  reactionEvent(1, userId, emoji, reacted, reactions, ++eventSeq)
const answer = (reacted: boolean, reactions: ReactionCount[], data: Partial<ReactionAnswer> = {}): ReactionAnswer =>
  ({ messageId: 'm1', conversationId: 'c', emoji: '👍', reacted, changed: true, reactions, myReactions: reacted ? ['👍'] : [], ...data })

/** A conversation of one message, and the answers to its reactions in the order of the calls. */
async function setUp (t: Teardown, known: ReactionCount[] = [], myReactions: string[] = []) {
  const calls: ReturnType<typeof deferred<ReactionAnswer>>[] = []
  const page = { messages: [message(1, { reactions: known, myReactions })], hasMore: false }
  const stub = createStubSession({
    getConversation: async () => conversation({ lastMessage: page.messages[0] ?? null }),
    listConversations: async () => ({ conversations: [conversation({ lastMessage: page.messages[0] ?? null })], nextCursor: null }),
    listMessages: async () => page,
    react: () => {
      const call = deferred<ReactionAnswer>()
      calls.push(call)
      return call.promise
    }
  })
  const { live, list } = await openBoth(t, stub)
  const shown = () => {
    const [message] = live.getSnapshot().messages
    return [message?.reactions.map(({ emoji, count }) => `${emoji}${count}`).join(' '), message?.myReactions.join(' ')]
  }
  return { ...stub, live, list, calls, shown, page }
}

test('a reaction is shown at once, and stays when it is answered and when its event arrives', async (t) => {
  for (const eventFirst of [true, false]) {
    const { live, calls, shown, emit, callsOf } = await setUp(t, thumbs(1))
    const before = live.getSnapshot().messages[0]
    let told = 0
    live.subscribe(() => { told++ })
    const done = live.react('m1', '👍', true)
    t.strictSame(shown(), ['👍2', '👍'])
    t.not(live.getSnapshot().messages[0], before)
    await settle()
    t.equal(told, 1)
    const steps = [() => emit('reaction', reacts('alice', true, thumbs(2))), () => calls[0]?.resolve(answer(true, thumbs(2)))]
    for (const step of eventFirst ? steps : steps.reverse()) {
      step()
      await settle()
      t.strictSame(shown(), ['👍2', '👍'])
    }
    await done
    t.strictSame(callsOf('react'), [['react', 'm1', '👍', true]])
    const undone = live.react('m1', '👍', false)
    t.strictSame(shown(), ['👍1', ''])
    calls[1]?.resolve(answer(false, thumbs(1)))
    await undone
    emit('reaction', reacts('alice', false, thumbs(1)))
    t.strictSame(shown(), ['👍1', ''])
  }
})

test('what the service refuses is rolled back', async (t) => {
  const { live, calls, shown, emit } = await setUp(t, thumbs(1), ['👍'])
  const refused = new ChatError('TOO_MANY_REACTIONS', 'no', { statusCode: 409 })
  const more = live.react('m1', '😀', true)
  t.strictSame(shown(), ['👍1 😀1', '👍 😀'])
  emit('reaction', reacts('bob', true, [...thumbs(1), { emoji: '🎉', count: 1 }], '🎉'))
  t.strictSame(shown(), ['👍1 🎉1 😀1', '👍 😀'])
  calls[0]?.reject(refused)
  await t.rejects(more, refused)
  t.strictSame(shown(), ['👍1 🎉1', '👍'])
  const less = live.react('m1', '👍', false)
  t.strictSame(shown(), ['🎉1', ''])
  calls[1]?.reject(refused)
  await t.rejects(less, refused)
  t.strictSame(shown(), ['👍1 🎉1', '👍'])
})

test('others react before and after the answer', async (t) => {
  const { live, calls, shown, emit } = await setUp(t)
  const done = live.react('m1', '👍', true)
  emit('reaction', reacts('bob', true, thumbs(1)))
  t.strictSame(shown(), ['👍2', '👍'], 'committed before the user\'s own')
  calls[0]?.resolve(answer(true, thumbs(3)))
  await done
  t.strictSame(shown(), ['👍2', '👍'])
  emit('reaction', reacts('carol', true, thumbs(2)))
  t.strictSame(shown(), ['👍3', '👍'], 'and this one, too, though it arrives after the answer')
  emit('reaction', reacts('alice', true, thumbs(3)))
  t.strictSame(shown(), ['👍3', '👍'])
  emit('reaction', reacts('carol', false, thumbs(2)))
  t.strictSame(shown(), ['👍2', '👍'])
})

test('the last of several quick taps counts, whatever arrives in between', async (t) => {
  const { live, calls, shown, emit } = await setUp(t)
  const taps = [live.react('m1', '👍', true), live.react('m1', '👍', false), live.react('m1', '👍', true)]
  t.strictSame(shown(), ['👍1', '👍'])
  emit('reaction', reacts('alice', true, thumbs(1)))
  calls[0]?.resolve(answer(true, thumbs(1)))
  await taps[0]
  t.strictSame(shown(), ['👍1', '👍'])
  calls[1]?.resolve(answer(false, []))
  await taps[1]
  t.strictSame(shown(), ['👍1', '👍'])
  calls[2]?.resolve(answer(true, thumbs(1)))
  await taps[2]
  t.strictSame(shown(), ['👍1', '👍'])
  emit('reaction', reacts('alice', false, []))
  t.strictSame(shown(), ['👍1', '👍'], 'the event of the second tap')
  emit('reaction', reacts('alice', true, thumbs(1)))
  t.strictSame(shown(), ['👍1', '👍'])

  const again = live.react('m1', '👍', false)
  const shared = live.react('m1', '👍', true)
  const one = answer(true, thumbs(1), { changed: false })
  for (const call of calls.slice(3)) call.resolve(one) // The second overtook the first: they share an answer
  await Promise.all([again, shared])
  t.strictSame(shown(), ['👍1', '👍'])
  emit('reaction', reacts('alice', false, []))
  t.strictSame(shown(), ['', ''], 'another device took it back')
})

test('an event that a fetch repeats counts once', async (t) => {
  const { live, calls, shown, emit } = await setUp(t)
  const taps = [live.react('m1', '👍', true), live.react('m1', '👍', false)]
  const fetching = live.reload()
  emit('reaction', reacts('alice', true, thumbs(1)))
  await fetching
  calls[0]?.resolve(answer(true, thumbs(1)))
  calls[1]?.resolve(answer(false, []))
  await Promise.all(taps)
  t.strictSame(shown(), ['', ''], 'the event of the second tap is still to come')
  emit('reaction', reacts('alice', false, []))
  t.strictSame(shown(), ['', ''])
})

test('the service\'s form of an emoji is the same emoji', async (t) => {
  const { live, calls, shown, emit } = await setUp(t, [{ emoji: '❤️', count: 1 }])
  const done = live.react('m1', '❤', true)
  t.strictSame(shown(), ['❤️2', '❤️'])
  calls[0]?.resolve(answer(true, [{ emoji: '❤️', count: 2 }], { emoji: '❤️', myReactions: ['❤️'] }))
  await done
  emit('reaction', reacts('alice', true, [{ emoji: '❤️', count: 2 }], '❤️'))
  t.strictSame(shown(), ['❤️2', '❤️'])
  const first = live.react('m1', '☎', true)
  t.strictSame(shown(), ['❤️2 ☎1', '❤️ ☎'])
  calls[1]?.resolve(answer(true, [], { emoji: '☎️' }))
  await first
  t.strictSame(shown(), ['❤️2 ☎️1', '❤️ ☎️'])
})

test('an answer counts until the stream or a newer fetch has told it', async (t) => {
  const { live, calls, shown, emit, page, connect } = await setUp(t)
  const done = live.react('m1', '👍', true)
  calls[0]?.resolve(answer(true, thumbs(1)))
  await done
  // The event is lost with the stream, and another device has taken the reaction back.
  page.messages = [message(1)]
  emit('reset', { conversationId: null, reason: 'diverged' })
  await settle()
  t.strictSame(shown(), ['', ''])

  const older = deferred<typeof page>()
  const messages = [message(1, { reactions: thumbs(1) })]
  Object.assign(page, { messages })
  const next = live.react('m1', '😀', true)
  const fetching = live.reload()
  older.resolve(page)
  calls[1]?.resolve(answer(true, [...thumbs(1), { emoji: '😀', count: 1 }], { emoji: '😀', myReactions: ['😀'] }))
  await Promise.all([next, fetching])
  t.strictSame(shown(), ['👍1 😀1', '😀'], 'a fetch that began before says nothing')
  connect({ resumed: true })
  await settle()
  t.strictSame(shown(), ['👍1 😀1', '😀'])
})

test('whose reaction it is follows from events, and nobody reacts to what is deleted', async (t) => {
  const { live, list, calls, shown, emit } = await setUp(t, thumbs(1))
  emit('reaction', reacts('alice', true, thumbs(2)))
  emit('reaction', reacts('bob', false, thumbs(1)))
  t.strictSame(shown(), ['👍1', '👍'])
  t.match(live.getSnapshot().conversation?.lastMessage, { reactions: thumbs(1), myReactions: ['👍'] })
  t.match(list.getSnapshot().conversations[0]?.lastMessage, { reactions: thumbs(1), myReactions: ['👍'] })
  emit('messageUpdated', { ...messageEvent(1, { text: 'new', reactions: thumbs(1), editedAt: timestamp }), eventSeq: ++eventSeq })
  t.strictSame(shown(), ['👍1', '👍'], 'an edit says nothing about the user\'s own')
  const before = live.getSnapshot().messages[0]
  emit('reaction', reacts('carol', false, thumbs(1)))
  t.equal(live.getSnapshot().messages[0]?.reactions, before?.reactions)
  const late = live.react('m1', '🎉', true)
  emit('messageDeleted', { ...messageEvent(1, { text: '', deletedAt: timestamp, deletedBy: 'bob' }), eventSeq: ++eventSeq })
  t.strictSame(shown(), ['', ''])
  emit('reaction', reacts('alice', true, thumbs(1)))
  t.strictSame(shown(), ['', ''])
  calls[0]?.reject(new ChatError('MESSAGE_DELETED', 'no', { statusCode: 409 }))
  await t.rejects(late, { code: 'MESSAGE_DELETED' })
  t.strictSame(shown(), ['', ''])
  const unknown = live.react('not loaded', '🎉', true)
  calls[1]?.resolve(answer(true, [{ emoji: '🎉', count: 1 }], { messageId: 'not loaded' }))
  await unknown
})
