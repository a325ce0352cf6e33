import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { Installation, skipWithout } from '../cluster/installation.js'
import { buildServer } from '../../standalone.js'
import * as tables from '../../store/tables.js'
import { listen, SECRET, users, type User } from '../helper.js'
import { programOf } from '../programs.js'

const importSqlite = async (from: string, to: string) =>
  await promisify(execFile)(process.execPath, [...programOf('scripts/import-sqlite.ts'), '--from', from, '--to', to])

const refusal = async (running: Promise<unknown>): Promise<string> =>
  await running.then(() => 'was not refused', (error: { stderr: string }) => error.stderr)

t.test('a chat on SQLite goes on on PostgreSQL, event ids included', { skip: await skipWithout('PostgreSQL') }, async t => {
  const file = `file:${t.testdir()}/chat.db`
  const start = async (databaseUrl: string) => {
    const app = await buildServer({ host: '127.0.0.1', port: 0, logLevel: 'silent', trustProxy: false, corsOrigins: [], chat: { databaseUrl, jwt: { secret: SECRET }, accounts: true } })
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
  await ann.ok('PATCH', `/api/chat/conversations/${id}`,
    { avatar: 'https://example.com/ü.png', description: 'Two\nlines 👍', metadata: { b: 1, a: [2] }, settings: { posting: 'admins', slowModeSeconds: 7 } })
  const gone = await bob.send(direct, 'gone')
  await bob.ok('DELETE', `/api/chat/messages/${gone.id}`)
  await before.inject({ method: 'POST', url: '/api/auth/register', payload: { userId: 'dora', password: 'correct horse' } })
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
    who.ok('GET', `/api/chat/messages/${rich.id}/reactions`)
  ])
  await Promise.all([stream.close(), all.close()])
  await sleep(100)
  const offline = (answers: unknown): unknown => JSON.parse(JSON.stringify(answers).replaceAll(/"isOnline":(true|false)/g, '"isOnline":false'))
  const expected = offline([await shown(ann), await shown(bob)])
  await before.close()
  const { stdout } = await importSqlite(file, to)
  t.match(stdout, /chat_messages +1205\n/)
  for (const { name, isCopied } of Object.values(tables)) if (isCopied) t.match(stdout, new RegExp(`${name} +[1-9]`), `rows of ${name} were copied`)
  t.match(await refusal(importSqlite(file, to)), /holds a chat already/)
  t.match(await refusal(importSqlite('file:/nowhere/chat.db', to)), /no file/)

  const after = await start(to)
  t.teardown(async () => { await after.close() })
  const [ann2, bob2] = users(after, 'ann', 'bob') as [User, User]
  t.same(offline([await shown(ann2), await shown(bob2)]), expected)
  t.match(await ann2.conversation(id), { description: 'Two\nlines 👍', settings: { posting: 'admins', slowModeSeconds: 7 } })
  t.match(await bob2.call('POST', '/api/chat/messages', { conversationId: id, text: 'x' }), { status: 403, body: { code: 'POSTING_RESTRICTED' } })
  t.equal((await ann2.call('POST', '/api/chat/messages', { conversationId: id, text: 'n7 \n👍 \' $1', clientId: 'c7' })).status, 200)
  t.equal((await after.inject({ method: 'POST', url: '/api/auth/login', payload: { userId: 'dora', password: 'correct horse' } })).statusCode, 200)
  t.ok(await ann2.group([bob2]), 'a new conversation has a number of its own')
  for (const reader of [await bob2.stream(t, { conversationId: id, lastEventId: seen }), await bob2.stream(t, { lastEventId: seenByAll })]) {
    t.equal((await reader.next('message')).data.id, unseen.id)
  }
})
