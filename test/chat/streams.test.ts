import { test } from 'tap'
import { Queries } from '../../store/queries.js'
import { eventually } from '../hub/eventually.js'
import { MemorySink } from '../hub/memory-sink.js'
import { build, user, users, type User } from '../helper.js'

/** With and without another follower of the conversation. */
for (const followed of [true, false]) {
  test(`between a stream's admission and its beginning a user is removed; ${followed ? 'others follow' : 'nobody follows'}`, async (t) => {
    const app = await build(t)
    const { chat } = app
    const [alice, bob] = users(app, 'alice', 'bob') as [User, User]
    const group = await alice.group([bob])
    const admit = async (userId: string, conversationId?: string) =>
      await chat.streams.admit({ caller: { userId, expiresAt: null }, conversationId, lastEventId: undefined, echo: false })
    const others = new MemorySink()
    if (followed) (await admit('alice', group)).begin(others)

    const [one, all] = [await admit('bob', group), await admit('bob')]
    await chat.removeParticipant('alice', group, 'bob')
    await chat.sendMessage('alice', { conversationId: group, text: 'secret' })
    const [oneSink, allSink] = [new MemorySink(), new MemorySink()]
    one.begin(oneSink)
    all.begin(allSink)
    await chat.sendMessage('alice', { conversationId: group, text: 'secret, too' })
    await eventually(() => oneSink.events.some(({ type }) => type === 'disconnect'))
    const { conversation: marker } = await chat.createConversation('alice', { type: 'direct', userId: 'bob' })
    await chat.sendMessage('alice', { conversationId: marker.id, text: 'marker' })
    await eventually(() => allSink.events.some(({ data }) => data['text'] === 'marker'))

    t.strictSame(oneSink.events.map(({ type }) => type), ['connected', 'participantLeft', 'disconnect'])
    t.match(oneSink.events.at(-1), { data: { reason: 'removed', retryAfterMs: null } })
    const shown = allSink.events.filter(({ type }) => type !== 'onlineStatus')
    t.strictSame(shown.map(({ type }) => type), ['connected', 'participantLeft', 'conversationCreated', 'message'])
  })

  test(`between a stream's admission and its beginning a message comes; ${followed ? 'others follow' : 'nobody follows'}`, async (t) => {
    const app = await build(t)
    const { chat } = app
    const [alice, bob] = users(app, 'alice', 'bob') as [User, User]
    const group = await alice.group([bob])
    const request = { caller: { userId: 'bob', expiresAt: null }, lastEventId: undefined, echo: false }
    if (followed) (await chat.streams.admit({ ...request, caller: { userId: 'alice', expiresAt: null }, conversationId: group })).begin(new MemorySink())
    const admissions = [
      await chat.streams.admit({ ...request, conversationId: group }), await chat.streams.admit({ ...request, conversationId: undefined })
    ]
    const sinks = admissions.map(() => new MemorySink())
    await chat.sendMessage('alice', { conversationId: group, text: '1' })
    admissions.forEach((admission, index) => { admission.begin(sinks[index]!) })
    await chat.sendMessage('alice', { conversationId: group, text: '2' })
    for (const [index, sink] of sinks.entries()) {
      const texts = (): unknown[] => sink.events.filter(({ type }) => type === 'message').map(({ data }) => data['text'])
      await eventually(() => texts().includes('2'))
      // The stream may begin before the message or after it, if `connected` says so.
      const resumed = new MemorySink()
      const lastEventId = sink.events[0]!.id
      ;(await chat.streams.admit({ ...request, conversationId: index === 0 ? group : undefined, lastEventId })).begin(resumed)
      await eventually(() => resumed.events.some(({ data }) => data['text'] === '2'))
      t.strictSame(resumed.events.filter(({ type }) => type === 'message').map(({ data }) => data['text']), texts(), 'as much as a stream resumed from there')
    }
  })
}

test('between a stream\'s admission and its beginning the user\'s own state changes', async (t) => {
  const app = await build(t)
  const { chat } = app
  const [alice, bob] = users(app, 'alice', 'bob') as [User, User]
  const [group, other] = [await alice.group([bob]), await alice.group([bob])]
  const change = async (n: number): Promise<void> => {
    await chat.updateOwnState('bob', group, { favourite: n % 2 === 0 })
    await chat.updateOwnState('bob', other, { favourite: n % 2 === 0 })
    await chat.block('bob', 'alice', n % 2 === 0)
  }
  const request = { caller: { userId: 'bob', expiresAt: null }, lastEventId: undefined, echo: false }
  const admissions = [
    await chat.streams.admit({ ...request, conversationId: group }), await chat.streams.admit({ ...request, conversationId: undefined })
  ] as const
  const [one, all] = [new MemorySink(), new MemorySink()]
  await change(0)
  admissions[0].begin(one)
  admissions[1].begin(all)
  await change(1)
  const told = ({ events }: MemorySink): unknown[] =>
    events.map(({ type, data }) => [type, data['conversationId'] === group ? 'group' : data['conversationId'] === other ? 'other' : null, data['userVersion']])
  const newest = (sink: MemorySink): boolean => sink.events.some(({ data }) => data['userVersion'] === 6)
  await eventually(() => newest(one) && newest(all))
  t.strictSame(told(one), [
    ['connected', 'group', 0], ['conversationState', 'group', 1], ['blocked', null, 3], ['conversationState', 'group', 4], ['blocked', null, 6]
  ])
  t.strictSame(told(all), [
    ['connected', null, 0], ['conversationState', 'group', 1], ['conversationState', 'other', 2], ['blocked', null, 3],
    ['conversationState', 'group', 4], ['conversationState', 'other', 5], ['blocked', null, 6]
  ])

  const [changed, admission] = await Promise.all([
    chat.updateOwnState('bob', group, { notify: 'none' }),
    chat.streams.admit({ ...request, conversationId: group })
  ])
  const sink = new MemorySink()
  admission.begin(sink)
  t.equal(Math.max(...sink.events.map(({ data }) => Number(data['userVersion'] ?? 0))), changed.userVersion, 'in one transaction, too')
})

test('a client that goes away while it is admitted leaves nothing open', async (t) => {
  const app = await build(t)
  const alice = await user(app, 'alice').arrive()
  const admission = await app.chat.streams.admit(
    { caller: { userId: alice.id, expiresAt: null }, conversationId: undefined, lastEventId: undefined, echo: false }
  )
  const sink = new MemorySink()
  sink.destroy()
  admission.begin(sink)
  await eventually(async () => (await app.chatDatabase.read.query('SELECT id FROM chat_streams')).length === 0)
  t.equal(app.hub.streamCount, 0)
})

test('who has come into a conversation: by its creation, or later', async (t) => {
  const app = await build(t)
  const { chat } = app
  const [alice, bob, carol, dave] = users(app, 'alice', 'bob', 'carol', 'dave') as [User, User, User, User]
  for (const late of [carol, dave]) await late.arrive()
  const group = await alice.group([bob])
  await chat.sendMessage('alice', { conversationId: group, text: 'one' })
  await chat.addParticipants('alice', group, { participantIds: ['carol', 'dave'] })
  for (const userId of ['bob', 'carol']) {
    await chat.removeParticipant('alice', group, userId)
    await chat.addParticipants('alice', group, { participantIds: [userId] })
  }
  await chat.removeParticipant('alice', group, 'dave')
  const joined = await new Queries(app.chatDatabase).joinedSince(0)
  t.strictSame(joined.map(({ userId, seq }) => [userId, seq]).sort(), [['alice', 1], ['bob', 1], ['bob', 6], ['carol', 3], ['carol', 8]])
})
