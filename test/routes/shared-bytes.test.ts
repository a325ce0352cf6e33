import { Ajv } from 'ajv'
import { test, type Test } from 'tap'
import type { Conversation } from '../../schemas/conversations.js'
import { eventCatalogue, type ChatEvents } from '../../schemas/events.js'
import type { MessagePage, OwnMessage as Message } from '../../schemas/messages.js'
import type { EventReader } from '../event-reader.js'
import { buildListening, user, users, type User } from '../helper.js'

const THUMB = encodeURIComponent('👍')

/** Everything that a conversation can tell, by four users. */
async function everything (alice: User, others: User[], conversationId: string): Promise<void> {
  const [bob, carol, dora] = others as [User, User, User]
  const path = `/api/chat/conversations/${conversationId}`
  const original = await alice.send(conversationId, '@bob', { mentions: [{ userId: 'bob', start: 0, length: 4 }], metadata: { b: 1, a: 2, 1: 3 }, clientId: 'c' })
  const reply = await bob.send(conversationId, 'yes', { replyToId: original.id, mentionsAll: true })
  for (const who of [bob, carol]) await who.ok('PUT', `/api/chat/messages/${original.id}/reactions/${THUMB}`)
  await carol.ok('DELETE', `/api/chat/messages/${original.id}/reactions/${THUMB}`)
  await alice.ok('PATCH', `/api/chat/messages/${original.id}`, { metadata: null })
  await alice.ok('PATCH', `/api/chat/messages/${original.id}`, { text: '@all', mentions: [], mentionsAll: true })
  await carol.mark(reply, 'read')
  await alice.ok('POST', `${path}/participants`, { participantIds: [dora.id] })
  await alice.ok('PUT', `${path}/participants/${dora.id}`, { role: 'admin' })
  await alice.ok('DELETE', `${path}/participants/${dora.id}`)
  await bob.ok('DELETE', `/api/chat/messages/${reply.id}`)
  await alice.ok('PATCH', '/api/chat/me', { displayName: 'Alice', metadata: { a: 1 } })
}

/** The blocks of a stream, as they came: those with an event that fits. */
const blocks = ({ raw }: EventReader, fits: (event: string) => boolean): string[] =>
  raw.split('\n\n').filter(block => fits(/^event: (.*)$/m.exec(block)?.[1] ?? ''))
const isTold = (type: string): boolean => type !== '' && !['connected', 'onlineStatus', 'typing'].includes(type)

async function scene (t: Test) {
  const app = await buildListening(t, { chat: { accounts: true } })
  const [alice, bob, carol, dora] = users(app, 'alice', 'bob', 'carol', 'dora') as [User, User, User, User]
  await dora.arrive()
  const conversationId = await alice.group([bob, carol])
  return { app, alice, bob, carol, dora, conversationId }
}

test('no byte of an event depends on who gets it', async t => {
  const { alice, bob, carol, dora, conversationId } = await scene(t)
  const readers = [alice, bob, carol]
  const echo = await Promise.all(readers.map(async who => await who.stream(t, { conversationId, echo: 'true' })))
  const plain = await Promise.all(readers.map(async who => await who.stream(t, { conversationId })))
  await everything(alice, [bob, carol, dora], conversationId)
  for (const stream of [...echo, ...plain]) await stream.next('userUpdated')
  const [first, ...rest] = echo.map(stream => blocks(stream, isTold))
  t.ok(first!.length >= 13)
  for (const other of rest) t.strictSame(other, first, 'live')
  for (const [index, stream] of plain.entries()) {
    const isOwn = (block: string): boolean => /^event: message$/m.test(block) && (JSON.parse(/^data: (.*)$/m.exec(block)![1]!) as Message).senderId === readers[index]!.id
    t.strictSame(blocks(stream, isTold), first!.filter(block => !isOwn(block)), 'but for what one has sent oneself')
  }

  const from = echo[0]!.events[0]!.id!
  const replays = await Promise.all(readers.map(async who => await who.openStream(t, { conversationId, echo: 'true', lastEventId: from })))
  const durable = first!.filter(block => !block.includes('event: userUpdated'))
  for (const replay of replays) await replay.durable(durable.length)
  const [replayed, ...others] = replays.map(replay => blocks(replay, isTold))
  for (const other of others) t.strictSame(other, replayed, 'by replay')
  t.strictSame(replayed!.map(block => /^id: (.*)$/m.exec(block)?.[1]), durable.map(block => /^id: (.*)$/m.exec(block)?.[1]), 'the same events as live')
  for (const stream of [...echo, ...replays]) {
    for (const { data } of stream.events) for (const name of ['myReactions', 'me', 'unreadCount', 'unreadMentionCount', 'url']) t.notOk(name in data, name)
  }
})

test('every event and every answer has the fields of its schema, and no other', async t => {
  const { alice, bob, carol, dora, conversationId } = await scene(t)
  const stream = await carol.stream(t)
  await everything(alice, [bob, carol, dora], conversationId)
  await stream.next('userUpdated')
  const replay = await carol.openStream(t, { conversationId, echo: 'true', lastEventId: (await carol.stream(t, { conversationId })).events[0]!.id!.replace(/\.\d+$/, '.0') })
  await replay.next('messageDeleted')
  const ajv = new Ajv({ strict: false, validateSchema: false })
  const seen = new Set<string>()
  for (const { type, data } of [...stream.events, ...replay.events]) {
    const schema = eventCatalogue[type as keyof ChatEvents]
    const strict = { ...schema, additionalProperties: false }
    seen.add(type)
    if (!ajv.validate(strict, data)) t.fail(`${type}: ${ajv.errorsText()}`)
  }
  for (const type of ['message', 'messageUpdated', 'messageDeleted', 'reaction', 'userUpdated', 'participantJoined', 'participantUpdated', 'participantLeft', 'statusUpdate']) t.ok(seen.has(type), type)
})

test('who did it', async t => {
  const { app, alice, bob, carol, conversationId } = await scene(t)
  const stream = await carol.stream(t, { conversationId })
  const path = `/api/chat/conversations/${conversationId}/participants`
  await alice.ok('POST', path, { participantIds: ['dora'] })
  await alice.ok('PUT', `${path}/bob`, { role: 'admin' })
  await bob.ok('DELETE', `${path}/dora`)
  await alice.ok('DELETE', `${path}/alice`)
  const told = (events: EventReader['events']): unknown[] => events.map(({ type, data: { userId, role, byUserId } }) => [type, userId, role, byUserId])
  const expected = [
    ['participantJoined', 'dora', 'member', 'alice'],
    ['participantUpdated', 'bob', 'admin', 'alice'],
    ['participantLeft', 'dora', 'member', 'bob'],
    ['participantLeft', 'alice', 'owner', 'alice'],
    ['participantUpdated', 'bob', 'owner', 'alice']
  ]
  t.strictSame(told(await stream.durable(5)), expected)
  const replay = await carol.openStream(t, { conversationId, lastEventId: stream.events[0]!.id! })
  t.strictSame(told(await replay.durable(5)), expected, 'replayed')
  await app.chatDatabase.transaction(async sql => { await sql.execute('UPDATE chat_events SET by_user_id = NULL') })
  await bob.send(conversationId, 'marker')
  const old = await carol.openStream(t, { conversationId, lastEventId: stream.events[0]!.id! })
  t.strictSame((await old.durable(5)).map(({ data }) => data.byUserId), [null, null, null, null, null], 'events from before')
})

test('connected names the version of the private state', async t => {
  const { alice, conversationId } = await scene(t)
  for (const query of [{}, { conversationId }]) t.equal((await (await alice.openStream(t, query)).next('connected')).data.userVersion, 0)
})

test('the shapes that are always there', async t => {
  const { app, alice, bob, conversationId } = await scene(t)
  const message = await alice.send(conversationId, 'x')
  const reader = user(app, 'bob')
  const shapes: Message[] = [
    message,
    await reader.ok('GET', `/api/chat/messages/${message.id}`),
    await alice.ok('PATCH', `/api/chat/messages/${message.id}`, { text: 'y' }),
    (await bob.ok<MessagePage>('GET', `/api/chat/conversations/${conversationId}/messages`)).messages[0]!,
    (await bob.ok<Conversation>('GET', `/api/chat/conversations/${conversationId}`)).lastMessage!,
    await alice.ok('DELETE', `/api/chat/messages/${message.id}`)
  ]
  for (const shape of shapes) {
    t.match(shape, {
      metadata: null, replyTo: null, replyCount: 0, mentions: [], mentionsAll: false, attachments: [], reactions: [], growing: false, myReactions: []
    })
    for (const name of ['pinnedAt', 'pinnedBy', 'forwardedFrom', 'preview']) t.notOk(name in shape, `${name} stays away until it is due`)
  }
  t.match(await bob.conversation(conversationId), {
    avatar: null,
    description: null,
    metadata: null,
    createdBy: 'alice',
    settings: { posting: 'everyone', mentionAll: 'everyone', pinning: 'admins', slowModeSeconds: 0, messageTtlSeconds: null },
    firstSeq: 1,
    unreadMentionCount: 0,
    me: { mutedUntil: null, archived: false, favourite: false, notify: 'all', unreadFrom: null, draft: null }
  })
})
