import { randomBytes } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import pg from 'pg'
import t, { type Test } from 'tap'
import { throwAwayStore, users, type Answer, type User } from '../helper.js'
import { buildWithFiles, uploaded } from '../files/upload.js'
import { readRoutes } from '../fuzz/routes.js'
import { routesThatName } from '../isolation/named.js'
import { requirePostgres, skipWithoutPostgres } from '../postgres.js'
import type { Sql } from '../../store/sql.js'
import { eventually } from './process.js'

// A foreign conversation costs what one costs that does not exist: nothing is locked, and nothing else is queried.

interface Ids {
  conversationId: string
  messageId: string
  fileId: string
  /** A conversation of the strangers. */
  own: string
}

/** Every call that names a conversation, or a message or a file in it. */
const calls: Record<string, (user: User, ids: Ids) => Promise<Answer>> = {
  send: async (user, { conversationId }) => await user.call('POST', '/api/chat/messages', { conversationId, text: 'x', clientId: 'c' }),
  typing: async (user, { conversationId }) => await user.call('POST', '/api/chat/typing', { conversationId, isTyping: true }),
  read: async (user, { conversationId }) => await user.call('PUT', `/api/chat/conversations/${conversationId}/read`, { seq: 1 }),
  add: async (user, { conversationId }) => await user.call('POST', `/api/chat/conversations/${conversationId}/participants`, { participantIds: ['anna', 'ben', 'eve'] }),
  role: async (user, { conversationId }) => await user.call('PUT', `/api/chat/conversations/${conversationId}/participants/ben`, { role: 'admin' }),
  remove: async (user, { conversationId }) => await user.call('DELETE', `/api/chat/conversations/${conversationId}/participants/ben`),
  leave: async (user, { conversationId }) => await user.call('DELETE', `/api/chat/conversations/${conversationId}/participants/${user.id}`),
  status: async (user, { messageId }) => await user.call('PUT', `/api/chat/messages/${messageId}/status`, { status: 'read' }),
  edit: async (user, { messageId }) => await user.call('PATCH', `/api/chat/messages/${messageId}`, { text: 'y' }),
  append: async (user, { messageId }) => await user.call('POST', `/api/chat/messages/${messageId}/append`, { offset: 0, text: 'y' }),
  finish: async (user, { messageId }) => await user.call('POST', `/api/chat/messages/${messageId}/finish`, {}),
  stop: async (user, { messageId }) => await user.call('POST', `/api/chat/messages/${messageId}/stop`),
  delete: async (user, { messageId }) => await user.call('DELETE', `/api/chat/messages/${messageId}`),
  message: async (user, { messageId }) => await user.call('GET', `/api/chat/messages/${messageId}`),
  replies: async (user, { messageId }) => await user.call('GET', `/api/chat/messages/${messageId}/replies`),
  reactions: async (user, { messageId }) => await user.call('GET', `/api/chat/messages/${messageId}/reactions`),
  receipts: async (user, { messageId }) => await user.call('GET', `/api/chat/messages/${messageId}/receipts`),
  react: async (user, { messageId }) => await user.call('PUT', `/api/chat/messages/${messageId}/reactions/${encodeURIComponent('👍')}`),
  unreact: async (user, { messageId }) => await user.call('DELETE', `/api/chat/messages/${messageId}/reactions/${encodeURIComponent('👍')}`),
  ticket: async (user, { conversationId }) => await user.call('POST', '/api/sse/tickets', { conversationId }),
  settings: async (user, { conversationId }) => await user.call('PATCH', `/api/chat/conversations/${conversationId}`, { title: 'x', settings: { slowModeSeconds: 1 } }),
  ownState: async (user, { conversationId }) => await user.call('PATCH', `/api/chat/conversations/${conversationId}/me`, { archived: true, unreadFrom: 1 }),
  deletion: async (user, { conversationId }) => await user.call('DELETE', `/api/chat/conversations/${conversationId}`),
  changes: async (user, { conversationId }) => await user.call('GET', `/api/chat/conversations/${conversationId}/changes`),
  search: async (user, { conversationId }) => await user.call('GET', `/api/chat/search?q=a&conversationId=${conversationId}`),
  conversation: async (user, { conversationId }) => await user.call('GET', `/api/chat/conversations/${conversationId}`),
  history: async (user, { conversationId }) => await user.call('GET', `/api/chat/conversations/${conversationId}/messages`),
  stream: async (user, { conversationId }) => await user.call('GET', `/api/sse?conversationId=${conversationId}`),
  download: async (user, { fileId }) => await user.call('GET', `/api/chat/files/${fileId}`),
  thumbnail: async (user, { fileId }) => await user.call('GET', `/api/chat/files/${fileId}/thumbnail`),
  link: async (user, { fileId }) => await user.call('GET', `/api/chat/files/${fileId}/content?e=9999999900&v=file&s=${'A'.repeat(43)}`),
  fileUrls: async (user, { fileId }) => await user.call('POST', '/api/chat/files/urls', { fileIds: [fileId] }),
  deleteFile: async (user, { fileId }) => await user.call('DELETE', `/api/chat/files/${fileId}`),
  attach: async (user, { own, fileId }) => await user.call('POST', '/api/chat/messages', { conversationId: own, text: 'x', attachments: [{ fileId }] })
}

/** Those that are not answered 404. */
const statuses: Record<string, number> = { fileUrls: 200, attach: 422 }
const statusOf = (name: string): number => statuses[name] ?? 404

await t.test('every route that names a conversation, a message or a file is among them', async t => {
  const asked: Array<[method: string, path: string]> = []
  const recorder = { id: 'u', call: async (method: string, path: string) => { asked.push([method, path]) } } as unknown as User
  for (const call of Object.values(calls)) await call(recorder, { conversationId: 'c', messageId: 'm', fileId: 'f', own: 'o' })
  for (const { name, matches } of routesThatName(await readRoutes())) t.ok(asked.some(([method, path]) => matches(method, path)), name)
})

interface Chat { app: FastifyInstance, anna: User, ben: User, former: User, eve: User, ids: Ids }

async function start (t: Test, store: { databaseUrl?: string, databaseSchema?: string }): Promise<Chat> {
  // Without the search index, whose follower asks the database meanwhile. What a stranger's search is answered is in test/isolation.
  const { app } = await buildWithFiles(t, { chat: { ...store, search: false } })
  const [anna, ben, former, eve] = users(app, 'anna', 'ben', 'former', 'eve') as [User, User, User, User]
  await eve.arrive()
  const conversationId = await anna.group([ben, former])
  const { fileId } = await uploaded(anna)
  // The key of URLs is read once.
  await anna.ok('POST', '/api/chat/files/urls', { fileIds: [fileId] })
  const { id: messageId } = await anna.send(conversationId, 'x', { attachments: [{ fileId }] })
  await former.ok('DELETE', `/api/chat/conversations/${conversationId}/participants/former`)
  return { app, anna, ben, former, eve, ids: { conversationId, messageId, fileId, own: await eve.group([former]) } }
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
  const { anna, former, eve, ids } = await start(t, store)
  await client.query(`SET search_path = ${store.databaseSchema}`)
  await client.query('BEGIN')
  await client.query('SELECT 1 FROM chat_conversations WHERE id = $1 FOR UPDATE', [ids.conversationId])
  await client.query('SELECT 1 FROM chat_users WHERE id IN (\'anna\', \'ben\') FOR UPDATE')
  await client.query('SELECT 1 FROM chat_messages WHERE id = $1 FOR UPDATE', [ids.messageId])
  for (const [name, call] of Object.entries(calls)) {
    for (const stranger of [eve, former]) t.equal((await call(stranger, ids)).status, statusOf(name), `${name}, ${stranger.id}`)
  }
  let answered = false
  const sending = anna.send(ids.conversationId, 'y').finally(() => { answered = true })
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
  database.transaction = async work => await transaction(async (sql, early) => await work(noting(sql), noting(early)))
  return {
    async during (call) {
      seen = []
      await call()
      return seen.filter(text => !isBackground(text))
    }
  }
}

/** The hub's sweep, housekeeping and the followers, which continue all the while. */
const isBackground = (text: string): boolean =>
  /SELECT 1 AS newest|typing_until <= |online_until <= |FROM chat_nodes n LEFT JOIN|changed|UPDATE chat_nodes|DELETE FROM chat_counters|FROM chat_followers|FROM chat_webhooks|FROM chat_pending/.test(text)

for (const kind of ['SQLite', 'PostgreSQL'] as const) {
  await t.test(`unknown, foreign and left are asked for alike: ${kind}`, { skip: kind === 'PostgreSQL' && await skipWithoutPostgres() }, async t => {
    const { client: _, ...store } = kind === 'PostgreSQL' ? await ownSchema(t) : { client: undefined, ...await sqlite(t) }
    const { app, former, eve, ids } = await start(t, store)
    const asked = statements(app)
    const unknown = {
      conversationId: `group_${'0'.repeat(ids.conversationId.length - 6)}`,
      messageId: '0'.repeat(ids.messageId.length),
      fileId: '0'.repeat(ids.fileId.length),
      own: ids.own
    }
    for (const [name, call] of Object.entries(calls)) {
      const ask = async (): Promise<[nothing: string[], foreign: string[], left: string[]]> => [
        await asked.during(async () => { t.equal((await call(eve, unknown)).status, statusOf(name)) }),
        await asked.during(async () => { t.equal((await call(eve, ids)).status, statusOf(name)) }),
        await asked.during(async () => { t.equal((await call(former, ids)).status, statusOf(name)) })
      ]
      let [nothing, foreign, left] = await ask()
      // What differs each time is of the call; the rest is rarer work in the background.
      const differ = (): boolean => new Set([nothing, foreign, left].map(queries => queries.join())).size > 1
      for (let tries = 5; tries > 0 && differ(); tries--) [nothing, foreign, left] = await ask()
      t.ok(nothing.length > 0 || name === 'link' || name === 'search', 'a signature is judged without the database')
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
