import { Redis } from 'ioredis'

const url = process.env['TEST_REDIS_URL'] ?? 'redis://127.0.0.1:6379'

let found: Promise<string | undefined> | undefined

/** The URL of a Redis (or Valkey) that answers and that tests may use: TEST_REDIS_URL, else the usual port. */
export function findRedis (): Promise<string | undefined> {
  found ??= ifItAnswers()
  return found
}

async function ifItAnswers (): Promise<string | undefined> {
  const redis = new Redis(url, { lazyConnect: true, retryStrategy: null, connectTimeout: 2000 })
  redis.on('error', () => {})
  try {
    await redis.connect()
    await redis.ping()
    return url
  } catch {
    return undefined
  } finally {
    redis.disconnect()
  }
}

/** For tap's `skip` option: why tests on Redis cannot run, or false. With CI=true they run anyway, and fail. */
export async function skipWithoutRedis (): Promise<string | false> {
  if (await findRedis() !== undefined || process.env['CI'] === 'true') return false
  return 'no Redis answers (set TEST_REDIS_URL)'
}

/** The URL, in a test that `skipWithoutRedis` did not skip. */
export async function requireRedis (): Promise<string> {
  const answering = await findRedis()
  if (answering === undefined) throw new Error('No Redis answers, and CI=true asks for one: set TEST_REDIS_URL')
  return answering
}
