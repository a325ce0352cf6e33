import { randomBytes } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import pg from 'pg'
import t, { type Test } from 'tap'
import { build, throwAwayStore, users, type Answer, type User } from '../helper.js'
import { readRoutes } from '../fuzz/routes.js'
import { routesThatName } from '../isolation/named.js'
import { requirePostgres, skipWithoutPostgres } from '../postgres.js'
import type { Sql } from '../../store/sql.js'
import { eventually } from './process.js'

// A foreign conversation costs what one costs that does not exist: nothing is locked, and nothing else is queried.

/** Every call that names a conversation, or a message in it. */
const calls: Record<string, (user: User, conversationId: string, messageId: string) => Promise<Answer>> = {
  send: async (user, conversationId) => await user.call('POST', '/api/chat/messages', { conversationId, text: 'x', clientId: 'c' }),
  typing: async (user, conversationId) => await user.call('POST', '/api/chat/typing', { conversationId, isTyping: true }),
  read: async (user, conversationId) => await user.call('PUT', `/api/chat/conversations/${conversationId}/read`, { seq: 1 }),
  add: async (user, conversationId) => await user.call('POST', `/api/chat/conversations/${conversationId}/participants`, { participantIds: ['anna', 'ben', 'eve'] }),
  role: async (user, conversationId) => await user.call('PUT', `/api/chat/conversations/${conversationId}/participants/ben`, { role: 'admin' }),
  remove: async (user, conversationId) => await user.call('DELETE', `/api/chat/conversations/${conversationId}/participants/ben`),
  leave: async (user, conversationId) => await user.call('DELETE', `/api/chat/conversations/${conversationId}/participants/${user.id}`),
  status: async (user, _, messageId) => await user.call('PUT', `/api/chat/messages/${messageId}/status`, { status: 'read' }),
  edit: async (user, _, messageId) => await user.call('PATCH', `/api/chat/messages/${messageId}`, { text: 'y' }),
  delete: async (user, _, messageId) => await user.call('DELETE', `/api/chat/messages/${messageId}`),
  message: async (user, _, messageId) => await user.call('GET', `/api/chat/messages/${messageId}`),
  replies: async (user, _, messageId) => await user.call('GET', `/api/chat/messages/${messageId}/replies`),
  reactions: async (user, _, messageId) => await user.call('GET', `/api/chat/messages/${messageId}/reactions`),
  react: async (user, _, messageId) => await user.call('PUT', `/api/chat/messages/${messageId}/reactions/${encodeURIComponent('👍')}`),
  unreact: async (user, _, messageId) => await user.call('DELETE', `/api/chat/messages/${messageId}/reactions/${encodeURIComponent('👍')}`),
  ticket: async (user, conversationId) => await user.call('POST', '/api/sse/tickets', { conversationId }),
  settings: async (user, conversationId) => await user.call('PATCH', `/api/chat/conversations/${conversationId}`, { title: 'x', settings: { slowModeSeconds: 1 } }),
  deletion: async (user, conversationId) => await user.call('DELETE', `/api/chat/conversations/${conversationId}`),
  changes: async (user, conversationId) => await user.call('GET', `/api/chat/conversations/${conversationId}/changes`),
  conversation: async (user, conversationId) => await user.call('GET', `/api/chat/conversations/${conversationId}`),
  history: async (user, conversationId) => await user.call('GET', `/api/chat/conversations/${conversationId}/messages`),
  stream: async (user, conversationId) => await user.call('GET', `/api/sse?conversationId=${conversationId}`)
}

await t.test('every route that names a conversation or a message is among them', async t => {
  const asked: Array<[method: string, path: string]> = []
  const recorder = { id: 'u', call: async (method: string, path: string) => { asked.push([method, path]) } } as unknown as User
  for (const call of Object.values(calls)) await call(recorder, 'c', 'm')
  for (const { name, matches } of routesThatName(await readRoutes())) t.ok(asked.some(([method, path]) => matches(method, path)), name)
})

interface Chat { app: FastifyInstance, anna: User, ben: User, former: User, eve: User, conversationId: string, messageId: string }

async function start (t: Test, store: { databaseUrl?: string, databaseSchema?: string }): Promise<Chat> {
  const app = await build(t, { chat: store })
  const [anna, ben, former, eve] = users(app, 'anna', 'ben', 'former', 'eve') as [User, User, User, User]
  await eve.arrive()
  const conversationId = await anna.group([ben, former])
  const { id: messageId } = await anna.send(conversationId, 'x')
  await former.ok('DELETE', `/api/chat/conversations/${conversationId}/participants/former`)
  return { app, anna, ben, former, eve, conversationId, messageId }
}

async function ownSchema (t: Test): Promise<{ databaseUrl: string, databaseSchema: string, client: pg.Client }> {
  const databaseUrl = await requirePostgres()
  const databaseSchema = `test_${randomBytes(6).toString('hex')}`
  const client = new pg.Client(databaseUrl)
  await client.connect()
  t.teardown(async () => {
    await client.query(`DROP SCHEMA ${databaseSchema} CASCADE`)
    await client.end()
  })
  return { databaseUrl, databaseSchema, client }
}

await t.test('a stranger waits for nobody, and locks nothing', { skip: await skipWithoutPostgres() }, async t => {
  const { client, ...store } = await ownSchema(t)
  const { anna, former, eve, conversationId, messageId } = await start(t, store)
  await client.query(`SET search_path = ${store.databaseSchema}`)
  await client.query('BEGIN')
  await client.query('SELECT 1 FROM chat_conversations WHERE id = $1 FOR UPDATE', [conversationId])
  await client.query('SELECT 1 FROM chat_users WHERE id IN (\'anna\', \'ben\') FOR UPDATE')
  await client.query('SELECT 1 FROM chat_messages WHERE id = $1 FOR UPDATE', [messageId])
  for (const [name, call] of Object.entries(calls)) {
    for (const stranger of [eve, former]) t.equal((await call(stranger, conversationId, messageId)).status, 404, `${name}, ${stranger.id}`)
  }
  let answered = false
  const sending = anna.send(conversationId, 'y').finally(() => { answered = true })
  const watcher = new pg.Client(store.databaseUrl)
  await watcher.connect()
  await eventually('a participant waits', async () =>
    (await watcher.query('SELECT 1 FROM pg_locks WHERE NOT granted AND relation IS NULL OR NOT granted AND pid IN (SELECT pid FROM pg_stat_activity WHERE application_name = \'fastify-sse-chat\')')).rowCount! > 0)
  await watcher.end()
  t.notOk(answered)
  await client.query('COMMIT')
  t.equal((await sending).seq, 2)
})

/** The queries that the database receives while the call is answered. */
function statements (app: FastifyInstance): { during: (call: () => Promise<unknown>) => Promise<string[]> } {
  const database = app.chatDatabase
  let seen: string[] = []
  const noting = (sql: Sql): Sql => ({
    query: async (text, ...params) => { seen.push(text); return await sql.query(text, ...params) },
    execute: async (text, ...params) => { seen.push(text); return await sql.execute(text, ...params) }
  })
  const { transaction } = database
  const read = noting({ ...database.read })
  Object.assign(database.read, read)
  database.transaction = async work => await transaction(async sql => await work(noting(sql)))
  return {
    async during (call) {
      seen = []
      await call()
      return seen.filter(text => !isBackground(text))
    }
  }
}

/** The hub's sweep and housekeeping continue all the while. */
const isBackground = (text: string): boolean =>
  /SELECT 1 AS newest|typing_until <= |online_until <= |FROM chat_nodes n LEFT JOIN|changed|UPDATE chat_nodes|DELETE FROM chat_counters/.test(text)

for (const kind of ['SQLite', 'PostgreSQL'] as const) {
  await t.test(`unknown, foreign and left are asked for alike: ${kind}`, { skip: kind === 'PostgreSQL' && await skipWithoutPostgres() }, async t => {
    const { client: _, ...store } = kind === 'PostgreSQL' ? await ownSchema(t) : { client: undefined, ...await sqlite(t) }
    const { app, former, eve, conversationId, messageId } = await start(t, store)
    const asked = statements(app)
    const unknown = `group_${'0'.repeat(conversationId.length - 6)}`
    const unknownMessage = `${'0'.repeat(messageId.length)}`
    for (const [name, call] of Object.entries(calls)) {
      const [nothing, foreign, left] = [
        await asked.during(async () => { t.equal((await call(eve, unknown, unknownMessage)).status, 404) }),
        await asked.during(async () => { t.equal((await call(eve, conversationId, messageId)).status, 404) }),
        await asked.during(async () => { t.equal((await call(former, conversationId, messageId)).status, 404) })
      ]
      t.ok(nothing.length > 0)
      t.strictSame(foreign, nothing, `${name}: foreign`)
      t.strictSame(left, nothing, `${name}: left`)
    }
  })
}

async function sqlite (t: Test): Promise<{ databaseUrl?: string, databaseSchema?: string }> {
  const { options: { databaseUrl, databaseSchema }, remove } = await throwAwayStore()
  t.teardown(remove)
  return { ...(databaseUrl === undefined ? {} : { databaseUrl }), ...(databaseSchema === undefined ? {} : { databaseSchema }) }
}
