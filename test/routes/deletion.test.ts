import { test, type Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import { build, buildListening, users, type User } from '../helper.js'

/** A group of three, with something in every table that belongs to a conversation. */
async function scene (t: Test, listening = false) {
  const app = await (listening ? buildListening(t) : build(t))
  const [alice, bob, cid] = users(app, 'alice', 'bob', 'cid') as [User, User, User]
  const other = await alice.group([bob], 'Stays')
  const id = await alice.group([bob, cid], 'Goes')
  const message = await alice.send(id, 'Hello', { clientId: 'c1', mentionsAll: true })
  await bob.mark(message, 'read')
  await bob.send(id, 'Yes', { replyToId: message.id, mentions: [{ userId: 'alice' }] })
  await bob.ok('PUT', `/api/chat/messages/${message.id}/reactions/${encodeURIComponent('👍')}`)
  return { app, alice, bob, cid, id, other, message }
}

/** Number of rows of each table that belong to a conversation that is not there. */
async function leftOver (app: FastifyInstance): Promise<number[]> {
  const { prisma } = app.chatDatabase
  const where = { conversation: { notIn: (await prisma.conversation.findMany({ select: { num: true } })).map(({ num }) => num) } }
  return await Promise.all([
    prisma.message.count({ where }), prisma.participant.count({ where }), prisma.event.count({ where }),
    prisma.formerParticipant.count({ where }), prisma.reaction.count({ where }), prisma.mention.count({ where })
  ])
}

const versionOf = async (t: Test, user: User): Promise<number> => {
  const stream = await user.openStream(t)
  const { data } = await stream.next('connected')
  await stream.close()
  return Number(data.userVersion)
}

test('a group is deleted by its owner, with all that belongs to it', async t => {
  const { app, alice, bob, cid, id, other, message } = await scene(t)
  const stranger = await users(app, 'zed')[0]!.arrive()
  await cid.ok('DELETE', `/api/chat/conversations/${id}/participants/cid`)
  const direct = await alice.direct(bob)
  t.match(await bob.call('DELETE', `/api/chat/conversations/${id}`), { status: 403, body: { code: 'FORBIDDEN' } })
  t.match(await alice.call('DELETE', `/api/chat/conversations/${direct}`), { status: 409, body: { code: 'NOT_A_GROUP' } })
  for (const user of [stranger, cid]) t.match(await user.call('DELETE', `/api/chat/conversations/${id}`), { status: 404, body: { code: 'NOT_FOUND' } })
  t.match(await alice.call('DELETE', '/api/chat/conversations/none'), { status: 404, body: { code: 'NOT_FOUND' } })

  t.match(await alice.call('DELETE', `/api/chat/conversations/${id}`), { status: 204, body: '' })
  t.strictSame(await leftOver(app), [0, 0, 0, 0, 0, 0])
  for (const [method, path] of [
    ['DELETE', `/conversations/${id}`], ['GET', `/conversations/${id}`], ['GET', `/conversations/${id}/messages`], ['GET', `/messages/${message.id}`],
    ['GET', `/messages/${message.id}/reactions`], ['GET', `/conversations/${id}/changes`]
  ] as const) t.match(await alice.call(method, `/api/chat${path}`), { status: 404, body: { code: 'NOT_FOUND' } }, path)
  const { conversations } = await bob.ok<{ conversations: Array<{ id: string }> }>('GET', '/api/chat/conversations')
  t.strictSame(conversations.map(conversation => conversation.id).sort(), [direct, other].sort())
  t.strictSame((await alice.ok<{ messages: unknown[] }>('GET', '/api/chat/mentions')).messages, [])
})

test('streams: of the conversation they end, of all conversations they are told and go on', async t => {
  const { alice, bob, cid, id, other } = await scene(t, true)
  const versions = await Promise.all([alice, bob, cid].map(async user => await versionOf(t, user)))
  const [one, all] = [await bob.stream(t, { conversationId: id }), await bob.stream(t)]
  await alice.send(id, 'last')
  const before = (await all.next('message')).id!
  await alice.ok('DELETE', `/api/chat/conversations/${id}`)
  const { data, id: eventId } = await all.next('conversationDeleted')
  t.match(data, { conversationId: id, timestamp: /Z$/ })
  t.equal(eventId, undefined)
  t.match((await one.next('disconnect')).data, { reason: 'removed', retryAfterMs: null })
  t.equal((await bob.call('GET', `/api/sse?conversationId=${id}`)).status, 404)
  await alice.send(other, 'goes on')
  t.equal((await all.next('message')).data.text, 'goes on')

  const again = await bob.openStream(t, { lastEventId: before })
  t.match((await again.next('connected')).data, { resumed: true, userVersion: versions[1]! + 1 })
  t.equal((await again.next('message')).data.text, 'goes on', 'no reset')
  t.strictSame(again.events.map(({ type }) => type), ['connected', 'message'])
  t.strictSame(await Promise.all([alice, bob, cid].map(async user => await versionOf(t, user))), versions.map(version => version + 1))
})

test('against traffic', async t => {
  const { app, alice, bob, id } = await scene(t, true)
  const all = await bob.stream(t)
  const sends = Array.from({ length: 60 }, async (_, n) => {
    const { status } = await (n % 2 === 0 ? alice : bob).call('POST', '/api/chat/messages', { conversationId: id, text: `n${n}`, mentionsAll: true })
    return status
  })
  const [deleted, ...statuses] = await Promise.all([alice.call('DELETE', `/api/chat/conversations/${id}`), ...sends])
  t.equal(deleted.status, 204)
  t.strictSame(statuses.filter(status => status !== 201 && status !== 404), [])
  t.strictSame(await leftOver(app), [0, 0, 0, 0, 0, 0])
  await all.next('conversationDeleted')
  t.match(await alice.call('POST', '/api/chat/messages', { conversationId: id, text: 'x' }), { status: 404 })
})
