import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import { Installation, skipWithout } from '../cluster/installation.js'
import { buildServer } from '../../standalone.js'
import * as tables from '../../store/tables.js'
import { download, uploaded } from '../files/upload.js'
import { listen, SECRET, users, type User } from '../helper.js'
import { programOf } from '../programs.js'

const importSqlite = async (from: string, to: string) =>
  await promisify(execFile)(process.execPath, [...programOf('cli.ts'), 'import-sqlite', '--from', from, '--to', to])

const refusal = async (running: Promise<unknown>): Promise<string> =>
  await running.then(() => 'was not refused', (error: { stderr: string }) => error.stderr)

t.test('a chat on SQLite goes on on PostgreSQL, event ids included', { skip: await skipWithout('PostgreSQL') }, async t => {
  const file = `file:${t.testdir()}/chat.db`
  const dir = `${t.testdir()}/files`
  const start = async (databaseUrl: string) => {
    const app = await buildServer({ host: '127.0.0.1', port: 0, logLevel: 'silent', trustProxy: false, corsOrigins: [], chat: { databaseUrl, jwt: { secret: SECRET }, accounts: true, files: { dir }, hooks: { onEvent () {} }, webhookAllowPrivate: true } })
    await listen(app)
    return app
  }
  const before = await start(file)
  const [ann, bob, cid] = users(before, 'ann', 'bob', 'cid_ü"?\\') as [User, User, User]
  const id = await ann.group([bob, cid], 'Títle')
  const direct = await ann.direct(bob)
  for (let n = 0; n < 1200; n += 100) {
    await Promise.all(Array.from({ length: 100 }, async (_, index) => await ann.send(id, `n${n + index} \n👍 ' $1`, { clientId: `c${n + index}` })))
  }
  await bob.ok('PUT', `/api/chat/conversations/${id}/read`, { seq: 700 })
  await cid.ok('PUT', `/api/chat/conversations/${id}/read`, { seq: 3 })
  await cid.ok('DELETE', `/api/chat/conversations/${id}/participants/${encodeURIComponent(cid.id)}`)
  const rich = await ann.send(direct, 'Hello @bob', { metadata: { b: 1, a: [2] }, mentions: [{ userId: 'bob', start: 6, length: 4 }] })
  await bob.send(direct, 'Yes', { replyToId: rich.id, mentionsAll: true })
  await bob.ok('PUT', `/api/chat/messages/${rich.id}/reactions/${encodeURIComponent('👍')}`)
  await bob.mark(rich, 'read')
  await ann.ok('PATCH', `/api/chat/conversations/${id}`,
    { avatar: 'https://example.com/ü.png', description: 'Two\nlines 👍', metadata: { b: 1, a: [2] }, settings: { posting: 'admins', slowModeSeconds: 7 } })
  const { fileId } = await uploaded(bob, 'kept', 'ü.txt')
  await bob.send(direct, '', { attachments: [{ fileId }] })
  await bob.ok('PUT', `/api/chat/blocks/${encodeURIComponent(cid.id)}`)
  const webhook = await before.chat.webhooks.create({ url: 'http://127.0.0.1:9/', events: ['message'] })
  await before.chatDatabase.transaction(async sql => {
    await sql.execute(`INSERT INTO chat_dead_deliveries (webhook_id, position, conversation, event_seq, conversation_id, type, tag, created_at, at, error)
      VALUES (?, 1, 1, 1, ?, 'message', 'abc', 1, ?, 'HTTP 400')`, webhook.id, id, Date.now())
  })
  const gone = await bob.send(direct, 'gone')
  await bob.ok('DELETE', `/api/chat/messages/${gone.id}`)
  await before.inject({ method: 'POST', url: '/api/auth/register', payload: { userId: 'dora', password: 'correct horse' } })
  await before.chatDatabase.write(async prisma => {
    await prisma.pendingMessage.create({ data: { id: 'p', caller: 'bob', input: '{}', createdAt: Date.now(), error: 'NOT_FOUND: Not found' } })
  })
  const stream = await bob.stream(t, { conversationId: id })
  const all = await bob.stream(t)
  await ann.send(id, 'seen')
  const seen = (await stream.next('message')).id!
  const seenByAll = (await all.next('message')).id!
  const unseen = await ann.send(id, 'unseen')

  const installation = await Installation.create(t, 'PostgreSQL')
  const to = installation.env['DATABASE_URL']!
  t.match(await refusal(importSqlite(file, to)), /server is running/)
  const shown = async (who: User) => await Promise.all([
    who.ok('GET', '/api/chat/conversations'),
    who.ok('GET', `/api/chat/conversations/${id}`),
    who.ok('GET', `/api/chat/conversations/${id}/changes`),
    who.ok('GET', `/api/chat/conversations/${id}/messages?after=300&limit=100`),
    who.ok('GET', `/api/chat/conversations/${direct}/messages`),
    who.ok('GET', '/api/chat/mentions'),
    who.ok('GET', '/api/chat/blocks'),
    who.ok('GET', `/api/chat/messages/${rich.id}/reactions`),
    who.ok('GET', `/api/chat/messages/${rich.id}/receipts`)
  ])
  await Promise.all([stream.close(), all.close()])
  // Who has closed a stream is offline a moment later.
  const offline = (answers: unknown): unknown =>
    JSON.parse(JSON.stringify(answers).replaceAll(/"isOnline":(true|false)/g, '"isOnline":false').replaceAll(/"lastSeen":("[^"]*"|null)/g, '"lastSeen":null'))
  const expected = offline([await shown(ann), await shown(bob)])
  await before.close()
  const { stdout } = await importSqlite(file, to)
  t.match(stdout, /chat_messages +1206\n/)
  for (const { name, isCopied } of Object.values(tables)) if (isCopied) t.match(stdout, new RegExp(`${name} +[1-9]`), `rows of ${name} were copied`)
  t.match(await refusal(importSqlite(file, to)), /holds a chat already/)
  t.match(await refusal(importSqlite('file:/nowhere/chat.db', to)), /no file/)

  const after = await start(to)
  t.teardown(async () => { await after.close() })
  const [ann2, bob2] = users(after, 'ann', 'bob') as [User, User]
  t.same(offline([await shown(ann2), await shown(bob2)]), expected)
  t.equal((await download(ann2, after, `/api/chat/files/${fileId}`)).payload, 'kept', 'files stay where they are')
  t.match(await ann2.conversation(id), { description: 'Two\nlines 👍', settings: { posting: 'admins', slowModeSeconds: 7 } })
  t.match(await bob2.call('POST', '/api/chat/messages', { conversationId: id, text: 'x' }), { status: 403, body: { code: 'POSTING_RESTRICTED' } })
  t.equal((await ann2.call('POST', '/api/chat/messages', { conversationId: id, text: 'n7 \n👍 \' $1', clientId: 'c7' })).status, 200)
  t.equal((await after.inject({ method: 'POST', url: '/api/auth/login', payload: { userId: 'dora', password: 'correct horse' } })).statusCode, 200)
  t.match(await after.chat.webhooks.get(webhook.id), { url: 'http://127.0.0.1:9/', enabled: true })
  t.match(await after.chat.webhooks.dead(webhook.id), { dead: [{ conversationId: id, eventSeq: 1 }] })
  t.ok(await ann2.group([bob2]), 'a new conversation has a number of its own')
  for (const reader of [await bob2.stream(t, { conversationId: id, lastEventId: seen }), await bob2.stream(t, { lastEventId: seenByAll })]) {
    t.equal((await reader.next('message')).data.id, unseen.id)
  }
})
