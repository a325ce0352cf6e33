import t from 'tap'
import { runSuites } from '../one-process.js'
import { requirePostgres, skipWithoutPostgres } from '../postgres.js'
import { requireRedis, skipWithoutRedis } from '../redis.js'

// Which bus there is matters to those suites that are about what a bus carries: events of all kinds, and several nodes. What
// else depends on Redis is in test/cluster/nodes-redis.test.ts. The other suites would only repeat those of postgres.ts.
const SUITES = ['masking', 'presence', 'sse', 'typing', 'wire']

const skip = await skipWithoutPostgres() || await skipWithoutRedis()
if (skip !== false) {
  t.plan(0, skip)
} else {
  Object.assign(process.env, { TEST_CHAT_DATABASE_URL: await requirePostgres(), TEST_CHAT_REDIS_URL: await requireRedis() })
  await runSuites({ routes: SUITES })
}
