import t from 'tap'
import { runSuites, suitesOf } from '../one-process.js'
import { requirePostgres, skipWithoutPostgres } from '../postgres.js'

/** What is refused before any database is asked, and what is served from files. */
const WITHOUT_DATABASE = ['bad-input', 'names', 'page']

/** What of the chat's own depends on the database: leases, the order of the log, and what ends by itself. */
const OF_THE_CHAT = ['followers', 'hooks-growing']

/** Runs suites of the API, and some of the chat's own, on PostgreSQL. */
export async function runOnPostgres (choose: (suites: string[]) => string[]): Promise<void> {
  const skip = await skipWithoutPostgres()
  if (skip !== false) return t.plan(0, skip)
  Object.assign(process.env, { TEST_CHAT_DATABASE_URL: await requirePostgres() })
  await runSuites({ routes: choose(suitesOf('routes').filter(suite => !WITHOUT_DATABASE.includes(suite))), chat: choose(OF_THE_CHAT) })
}
