import pg from 'pg'

const candidates = process.env['TEST_DATABASE_URL'] !== undefined
  ? [process.env['TEST_DATABASE_URL']]
  : ['postgres://root@127.0.0.1:5432/test', 'postgres://postgres@127.0.0.1:5432/test']

let found: Promise<string | undefined> | undefined

/** The URL of a PostgreSQL that answers and that tests may use: TEST_DATABASE_URL, else the database `test` on the usual port. */
export function findPostgres (): Promise<string | undefined> {
  found ??= firstThatAnswers()
  return found
}

async function firstThatAnswers (): Promise<string | undefined> {
  for (const connectionString of candidates) {
    const client = new pg.Client({ connectionString, connectionTimeoutMillis: 2_000 })
    try {
      await client.connect()
      await client.end()
      return connectionString
    } catch { /* the next one may */ }
  }
  return undefined
}

/**
 * For tap's `skip` option: why tests on PostgreSQL cannot run, or false. With CI=true they run anyway, and fail.
 */
export async function skipWithoutPostgres (): Promise<string | false> {
  if (await findPostgres() !== undefined || process.env['CI'] === 'true') return false
  return 'no PostgreSQL answers (set TEST_DATABASE_URL)'
}

/** The URL, in a test that `skipWithoutPostgres` did not skip. */
export async function requirePostgres (): Promise<string> {
  const url = await findPostgres()
  if (url === undefined) throw new Error('No PostgreSQL answers, and CI=true asks for one: set TEST_DATABASE_URL')
  return url
}
