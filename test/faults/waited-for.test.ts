import { randomBytes } from 'node:crypto'
import pg from 'pg'
import t from 'tap'
import { build, users, type User } from '../helper.js'
import { requirePostgres, skipWithoutPostgres } from '../postgres.js'
import { eventually } from './process.js'

// Found by chaos: a participant got 404 when another node had changed the conversation while the call waited for the lock.
await t.test('what was changed while its lock was waited for is still there', { skip: await skipWithoutPostgres() }, async t => {
  const databaseUrl = await requirePostgres()
  const databaseSchema = `test_${randomBytes(6).toString('hex')}`
  const client = new pg.Client(databaseUrl)
  await client.connect()
  t.teardown(async () => {
    await client.query(`DROP SCHEMA ${databaseSchema} CASCADE`)
    await client.end()
  })
  const app = await build(t, { chat: { databaseUrl, databaseSchema } })
  const [anna, ben] = users(app, 'anna', 'ben') as [User, User]
  const [conversationId, other] = [await anna.group([ben]), await anna.group([ben])]
  const { id: messageId } = await anna.send(other, 'x')

  await client.query(`SET search_path = ${databaseSchema}`)
  await client.query('BEGIN')
  await client.query('UPDATE chat_conversations SET activity = activity')
  // In one turn, and so in one transaction: one call names a conversation, and one a message.
  const both = Promise.all([
    app.chat.sendMessage('anna', { conversationId, text: 'y' }),
    app.chat.markMessage('ben', messageId, { status: 'read' })
  ])
  await eventually('it waits', async () => {
    const { rows } = await client.query('SELECT 1 FROM pg_stat_activity WHERE pg_blocking_pids(pid) @> ARRAY[pg_backend_pid()]')
    return rows.length > 0
  })
  await client.query('COMMIT')
  const [sent, marked] = await both
  t.strictSame([sent.created, marked.changed], [true, true])
})
