// An order that is saved with its message: both are in one transaction, so both are there or neither is.
//
//   node --import=tsx examples/order.ts
//   curl -X POST localhost:3000/orders --json '{"customer":"ben","article":"a lamp"}'
//   curl -X POST localhost:3000/orders --json '{"customer":"ben","article":"nothing"}'
//   curl localhost:3000/chat/api/chat/conversations/conv_ben_shop/messages -H 'x-user: ben'

import SqliteConnection from 'better-sqlite3'
import Fastify from 'fastify'
import chat from 'fastify-sse-chat'

const { PORT = '3000', DATABASE_URL = 'file:./data/order.db' } = process.env
const app = Fastify({ routerOptions: { maxParamLength: 3600 }, requestTimeout: 60_000 })

await app.register(chat, {
  prefix: '/chat',
  databaseUrl: DATABASE_URL,
  authenticate: ({ headers }) => typeof headers['x-user'] === 'string' && { userId: headers['x-user'] } // A real app looks at its session.
})

// The shop's own connection to the same database, with its own table.
const database = new SqliteConnection(DATABASE_URL.slice('file:'.length))
database.exec(`CREATE TABLE IF NOT EXISTS orders
  (id INTEGER PRIMARY KEY, customer TEXT NOT NULL, article TEXT NOT NULL CHECK (article <> 'nothing'))`)
const insert = database.prepare<[string, string]>('INSERT INTO orders (customer, article) VALUES (?, ?)')

app.post<{ Body: { customer: string, article: string } }>('/orders', {
  schema: { body: { type: 'object', required: ['customer', 'article'], properties: { customer: { type: 'string' }, article: { type: 'string' } } } }
}, async ({ body: { customer, article } }, reply) => {
  for (const userId of ['shop', customer]) await app.chat.ensureUser({ userId, displayName: userId, avatar: null, issuedAt: null, expiresAt: null })
  const { conversation } = await app.chat.createConversation('shop', { type: 'direct', userId: customer })
  const order = await oneAtATime(async () => {
    database.exec('BEGIN IMMEDIATE')
    try {
      await app.chat.enqueue(database, 'shop', { conversationId: conversation.id, text: `You have ordered ${article}` })
      const { lastInsertRowid } = insert.run(customer, article)
      database.exec('COMMIT')
      return Number(lastInsertRowid)
    } catch (error) {
      database.exec('ROLLBACK')
      throw error
    }
  })
  await app.chat.flush() // Without this, the message is sent a moment later.
  return await reply.code(201).send({ order })
})

/** One connection has one transaction at a time. */
let last: Promise<unknown> = Promise.resolve()
async function oneAtATime<T> (work: () => Promise<T>): Promise<T> {
  const next = last.then(work)
  last = next.catch(() => {})
  return await next
}

app.addHook('onClose', async () => { database.close() })
console.log(`listening on ${await app.listen({ port: Number(PORT) })}`)
