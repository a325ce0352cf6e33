// A host that takes orders without end. The order, and the message that says so, are one transaction. It is meant to be killed.

import { randomInt } from 'node:crypto'
import Fastify from 'fastify'
import chat from '../../app.js'
import { connect } from './connect.js'

const [, , databaseUrl = '', databaseSchema = '', conversationId = '', first = '1'] = process.argv

// Whatever else the machine does, a start takes as long as it takes.
const app = Fastify({ pluginTimeout: 0 })
await app.register(chat, { docs: false, databaseUrl, databaseSchema, authenticate: () => undefined })
const host = await connect(databaseUrl, databaseSchema)

for (let id = Number(first); ; id++) {
  await host.run('BEGIN')
  await host.run(`INSERT INTO orders (id) VALUES (${id})`)
  await app.chat.enqueue(host.tx, 'shop', { conversationId, text: `order ${id}`, clientId: `order-${id}` })
  if (randomInt(4) === 0) await new Promise(resolve => setTimeout(resolve, randomInt(3)))
  await host.run(randomInt(4) === 0 ? 'ROLLBACK' : 'COMMIT')
  process.stdout.write('order\n')
  // On SQLite, the host's next transaction would hold the lock before the chat's could begin.
  if (randomInt(4) === 0) await app.chat.flush()
}
