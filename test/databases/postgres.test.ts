import t from 'tap'
import { requirePostgres, skipWithoutPostgres } from '../postgres.js'
import { runApiSuites } from '../one-process.js'

const skip = await skipWithoutPostgres()
if (skip !== false) t.plan(0, skip)
else await runApiSuites({ TEST_CHAT_DATABASE_URL: await requirePostgres() })
