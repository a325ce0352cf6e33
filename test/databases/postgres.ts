import t from 'tap'
import { runSuites, suitesOf } from '../one-process.js'
import { requirePostgres, skipWithoutPostgres } from '../postgres.js'

/** What is refused before any database is asked, and what is served from files. */
const WITHOUT_DATABASE = ['bad-input', 'names', 'page']

/** Runs suites of the API on PostgreSQL. */
export async function runOnPostgres (choose: (suites: string[]) => string[]): Promise<void> {
  const skip = await skipWithoutPostgres()
  if (skip !== false) return t.plan(0, skip)
  Object.assign(process.env, { TEST_CHAT_DATABASE_URL: await requirePostgres() })
  await runSuites({ routes: choose(suitesOf('routes').filter(suite => !WITHOUT_DATABASE.includes(suite))) })
}
