import t from 'tap'
import { build, user } from '../helper.js'
import { Installation, skipWithout } from './installation.js'
import { nodesSuite } from './nodes-suite.js'

await nodesSuite('PostgreSQL')

t.test('ten nodes start at once on an empty database', { skip: await skipWithout('PostgreSQL') }, async t => {
  const installation = await Installation.create(t, 'PostgreSQL')
  const apps = await Promise.all(Array.from({ length: 10 }, async () => await build(t, { chat: installation.options })))
  t.equal(new Set(apps.map(app => app.chatDatabase.identity)).size, 1)
  const { rows } = await installation.database.query('SELECT 1 FROM chat_nodes')
  t.equal(rows.length, 10)
})

t.test('a bus that is away keeps no node from starting', { skip: await skipWithout('PostgreSQL') }, async t => {
  const installation = await Installation.create(t, 'PostgreSQL')
  const app = await build(t, { chat: { ...installation.options, redisUrl: 'redis://:secret@127.0.0.1:1' } })
  const ready = await app.inject('/health/ready')
  t.same([ready.statusCode, ready.json<{ checks: object }>().checks], [503, { database: true, bus: false, draining: false }])
  t.equal((await user(app, 'ann').call('GET', '/api/chat/me')).status, 200)
  t.match((await app.inject('/metrics')).payload, /^chat_bus_connected 0$/m)
})
