import { test, type Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import { buildWithFiles, uploaded } from '../files/upload.js'
import { listen, users, type User } from '../helper.js'

/** A group of three, with something in every table that belongs to a conversation. The search index follows the log and forgets later: it is off. */
async function scene (t: Test, listening = false) {
  const { app } = await buildWithFiles(t, { chat: { search: false } })
  if (listening) await listen(app)
  const [alice, bob, cid, dan] = users(app, 'alice', 'bob', 'cid', 'dan') as [User, User, User, User]
  const other = await alice.group([bob], 'Stays')
  const id = await alice.group([bob, cid, dan], 'Goes')
  const { fileId } = await uploaded(alice)
  const message = await alice.send(id, 'Hello', { clientId: 'c1', mentionsAll: true, attachments: [{ fileId }] })
  for (const who of [bob, dan]) await who.mark(message, 'read')
  await bob.send(id, 'Yes', { replyToId: message.id, mentions: [{ userId: 'alice' }] })
  await bob.ok('PUT', `/api/chat/messages/${message.id}/reactions/${encodeURIComponent('👍')}`)
  await dan.ok('DELETE', `/api/chat/conversations/${id}/participants/dan`)
  return { app, alice, bob, cid, id, other, message, num: await numberOf(app, id) }
}

const numberOf = async (app: FastifyInstance, id: string): Promise<number> =>
  Number((await app.chatDatabase.read.query<{ num: number }>('SELECT num FROM chat_conversations WHERE id = ?', id))[0]!.num)

/** Says that a conversation is gone, to streams that resume over it. */
const DELETIONS = 'chat_deletions'

/** The tables that hold something of a conversation, and those that can, as the catalogue of the database has them: none is forgotten. */
async function holders (app: FastifyInstance, id: string, num: number): Promise<{ holding: string[], able: string[] }> {
  const { read, dialect } = app.chatDatabase
  const columns = await read.query<{ tab: string, col: string }>(dialect.lock === ''
    ? 'SELECT m.name AS tab, c.name AS col FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = \'table\' AND m.name LIKE \'chat_%\''
    : 'SELECT table_name AS tab, column_name AS col FROM information_schema.columns WHERE table_schema = current_schema() AND table_name LIKE \'chat_%\'')
  const able = columns.filter(({ col }) => col === 'conversation').map(({ tab }) => tab).sort()
  const holding: string[] = []
  for (const table of new Set(columns.map(({ tab }) => tab))) {
    const rows = await read.query<Record<string, unknown>>(`SELECT * FROM ${table}`)
    const isOfIt = (row: Record<string, unknown>): boolean => ('conversation' in row && Number(row['conversation']) === num) || Object.values(row).includes(id)
    if (table !== DELETIONS && rows.some(isOfIt)) holding.push(table)
  }
  return { holding: holding.sort(), able }
}

const versionOf = async (t: Test, user: User): Promise<number> => {
  const stream = await user.openStream(t)
  const { data } = await stream.next('connected')
  await stream.close()
  return Number(data.userVersion)
}

test('a group is deleted by its owner, with all that belongs to it', async t => {
  const { app, alice, bob, cid, id, other, message, num } = await scene(t)
  const stranger = await users(app, 'zed')[0]!.arrive()
  await cid.ok('DELETE', `/api/chat/conversations/${id}/participants/cid`)
  const direct = await alice.direct(bob)
  t.match(await bob.call('DELETE', `/api/chat/conversations/${id}`), { status: 403, body: { code: 'FORBIDDEN' } })
  t.match(await alice.call('DELETE', `/api/chat/conversations/${direct}`), { status: 409, body: { code: 'NOT_A_GROUP' } })
  for (const user of [stranger, cid]) t.match(await user.call('DELETE', `/api/chat/conversations/${id}`), { status: 404, body: { code: 'NOT_FOUND' } })
  t.match(await alice.call('DELETE', '/api/chat/conversations/none'), { status: 404, body: { code: 'NOT_FOUND' } })

  await app.chatDatabase.transaction(async sql => {
    await sql.execute(`INSERT INTO chat_dead_deliveries (webhook_id, position, conversation, event_seq, conversation_id, type, tag, created_at, at, error)
      VALUES ('w', 1, ?, 1, ?, 'message', 'abc', 1, 1, 'HTTP 400')`, num, id)
  })
  const before = await holders(app, id, num)
  t.strictSame(before.holding, [...before.able, 'chat_conversations'].sort(), 'every table that can holds something of it')
  t.match(await alice.call('DELETE', `/api/chat/conversations/${id}`), { status: 204, body: '' })
  t.strictSame((await holders(app, id, num)).holding, [])
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
  const { app, alice, bob, id, num } = await scene(t, true)
  const all = await bob.stream(t)
  const sends = Array.from({ length: 60 }, async (_, n) => {
    const { status } = await (n % 2 === 0 ? alice : bob).call('POST', '/api/chat/messages', { conversationId: id, text: `n${n}`, mentionsAll: true })
    return status
  })
  const [deleted, ...statuses] = await Promise.all([alice.call('DELETE', `/api/chat/conversations/${id}`), ...sends])
  t.equal(deleted.status, 204)
  t.strictSame(statuses.filter(status => status !== 201 && status !== 404), [])
  t.strictSame((await holders(app, id, num)).holding, [])
  await all.next('conversationDeleted')
  t.match(await alice.call('POST', '/api/chat/messages', { conversationId: id, text: 'x' }), { status: 404 })
})
