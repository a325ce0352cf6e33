import t from 'tap'
import { requirePostgres, skipWithoutPostgres } from '../postgres.js'
import { requireRedis, skipWithoutRedis } from '../redis.js'
import { runApiSuites } from '../one-process.js'

const skip = await skipWithoutPostgres() || await skipWithoutRedis()
if (skip !== false) t.plan(0, skip)
else await runApiSuites({ TEST_CHAT_DATABASE_URL: await requirePostgres(), TEST_CHAT_REDIS_URL: await requireRedis() })
