import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { test, type Test } from 'tap'
import type { Conversation } from '../../schemas/conversations.js'
import { build, travel, users, type User } from '../helper.js'
import { requirePostgres, skipWithoutPostgres } from '../postgres.js'

type Chat = Record<string, unknown>

const make = async (who: User, ...others: User[]) =>
  await who.call<Conversation>('POST', '/api/chat/conversations', { type: 'group', participantIds: others.map(({ id }) => id) })
const talk = async (who: User, other: User) => await who.call<Conversation>('POST', '/api/chat/conversations', { type: 'direct', userId: other.id })

async function people (t: Test, chat: Chat): Promise<[User, User, User, User]> {
  const app = await build(t, { chat })
  const all = users(app, 'ann', 'bob', 'cay', 'dan') as [User, User, User, User]
  for (const person of all) await person.arrive()
  return all
}

async function conversationsAreBounded (t: Test, chat: Chat): Promise<void> {
  const [ann, bob, cay, dan] = await people(t, { ...chat, maxConversationsPerUser: 2 })
  t.equal((await talk(ann, bob)).status, 201)
  const group = (await make(bob)).body.id
  t.equal((await talk(ann, cay)).status, 201)
  const full = { status: 409, body: { statusCode: 409, code: 'TOO_MANY_CONVERSATIONS' } }
  t.match(await make(ann), full, 'who asks is full')
  t.match(await talk(ann, dan), full)
  t.match(await talk(dan, ann), full, 'somebody else is full')
  t.match(await make(dan, cay, ann), full)
  t.match(await bob.call('POST', `/api/chat/conversations/${group}/participants`, { participantIds: ['dan', 'ann'] }), full)
  t.match(await talk(ann, bob), { status: 200 }, 'what is there is there')
  t.match(await bob.call('POST', `/api/chat/conversations/${group}/participants`, { participantIds: ['bob'] }), { status: 200 }, 'nobody joins')
  t.equal((await bob.conversation(group)).participantCount, 1, 'nothing is written when anything is refused')
  t.strictSame((await dan.ok<{ conversations: unknown[] }>('GET', '/api/chat/conversations')).conversations, [])

  t.match(await bob.call('POST', `/api/chat/conversations/${group}/participants`, { participantIds: ['cay'] }), { status: 200 })
  t.match(await bob.call('POST', '/api/chat/conversations', { type: 'direct', userId: 'dan' }), full)
  await bob.ok('DELETE', `/api/chat/conversations/${group}/participants/bob`)
  t.match(await talk(bob, dan), { status: 201 }, 'leaving makes room')
  t.match(await cay.call('POST', `/api/chat/conversations/${group}/participants`, { participantIds: ['bob'] }), full)

  const many = await Promise.all(Array.from({ length: 5 }, async () => await make(dan)))
  t.equal(many.filter(({ status }) => status === 201).length, 1, 'many at once')
}

test('one user takes part in a bounded number of conversations (SQLite)', async t => { await conversationsAreBounded(t, {}) })

test('one user takes part in a bounded number of conversations (PostgreSQL)', { skip: await skipWithoutPostgres() }, async t => {
  const databaseUrl = await requirePostgres()
  const databaseSchema = `test_${randomBytes(6).toString('hex')}`
  t.teardown(async () => {
    const client = new pg.Client({ connectionString: databaseUrl })
    await client.connect()
    await client.query(`DROP SCHEMA IF EXISTS ${databaseSchema} CASCADE`)
    await client.end()
  })
  await t.test('as on SQLite', async t => { await conversationsAreBounded(t, { databaseUrl, databaseSchema }) })
})

test('who only seems to be full is counted again: a node of an older version counted nobody', async t => {
  const [ann, bob] = await people(t, { maxConversationsPerUser: 2 })
  await ann.app.chatDatabase.transaction(async sql => await sql.execute('INSERT INTO chat_quotas (user_id, conversations) VALUES (?, 7)', 'ann'))
  t.match(await talk(ann, bob), { status: 201 })
  t.match(await make(ann), { status: 201 })
  t.match(await make(ann), { status: 409 })
})

test('one user makes a bounded number of groups in a day', async t => {
  const clock = travel(t)
  const [ann, bob, cay] = await people(t, { maxGroupsPerDay: 2 })
  t.equal((await make(ann, bob)).status, 201)
  await clock.advance(8000)
  t.equal((await make(ann)).status, 201)
  const refused = await make(ann)
  t.match(refused, { status: 429, body: { code: 'TOO_MANY_GROUPS' } })
  const seconds = Number(refused.headers['retry-after'])
  t.ok(seconds > 86_000 && seconds <= 86_400 - 8, `${seconds} s`)
  t.equal((await talk(ann, cay)).status, 201, 'direct conversations are not counted')
  t.equal((await make(bob, ann)).status, 201, 'nor are those of others')
  await ann.app.chatDatabase.transaction(async sql => await sql.execute('UPDATE chat_quotas SET groups_until = ? WHERE user_id = ?', Date.now() - 1, 'ann'))
  t.equal((await make(ann)).status, 201, 'a day later')
})
