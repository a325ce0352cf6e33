import { randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
import pg from 'pg'
import type { Test } from 'tap'
import { requirePostgres, skipWithoutPostgres } from '../postgres.js'
import { requireRedis, skipWithoutRedis } from '../redis.js'

/** What several nodes share: a schema of its own in PostgreSQL, and a bus. It is removed after the test. */
export class Installation {
  readonly databaseUrl: string
  readonly schema = `cluster_${randomBytes(6).toString('hex')}`
  readonly redisUrl: string | undefined
  /** Queries the database directly, and breaks what the nodes use. */
  readonly database: pg.Pool

  private constructor (databaseUrl: string, redisUrl: string | undefined) {
    this.databaseUrl = databaseUrl
    this.redisUrl = redisUrl
    this.database = new pg.Pool({ connectionString: databaseUrl, options: `-c search_path=${this.schema}`, max: 2 })
  }

  static async create (t: Test, kind: Kind): Promise<Installation> {
    const installation = new Installation(await requirePostgres(), kind === 'Redis' ? await requireRedis() : undefined)
    t.teardown(async () => { await installation.#remove() })
    return installation
  }

  /** The options of the plugin. */
  get options (): { databaseUrl: string, databaseSchema: string, redisUrl?: string } {
    return { databaseUrl: this.urlNamed(), databaseSchema: this.schema, ...(this.redisUrl === undefined ? {} : { redisUrl: this.redisUrl }) }
  }

  /** The environment of the server. */
  get env (): Record<string, string> {
    const url = new URL(this.urlNamed())
    url.searchParams.set('schema', this.schema)
    return { DATABASE_URL: url.href, ...(this.redisUrl === undefined ? {} : { REDIS_URL: this.redisUrl }) }
  }

  /** Distinguishes the connections of this installation from others on the server. */
  urlNamed (): string {
    const url = new URL(this.databaseUrl)
    url.searchParams.set('application_name', this.schema)
    return url.href
  }

  /** Ends the connections of the nodes to PostgreSQL: all, or only those for LISTEN. */
  async endConnections (only: 'all' | 'bus' = 'all'): Promise<void> {
    await this.database.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1${only === 'bus' ? ' AND query ~ \'pg_notify|LISTEN|SELECT 1|synchronous_commit\'' : ''}`, [this.schema])
  }

  /** Breaks the bus between the nodes once. */
  async cutBus (): Promise<void> {
    if (this.redisUrl === undefined) return await this.endConnections('bus')
    const redis = new Redis(this.redisUrl)
    const { rows: [meta] } = await this.database.query<{ identity: string }>('SELECT identity FROM chat_meta')
    const { RedisBus } = await import('../../hub/buses/redis.js')
    const { prefix } = new RedisBus({ url: this.redisUrl, installation: `${meta!.identity}.${this.schema}` })
    const clients = String(await redis.client('LIST')).split('\n').filter(line => line.includes(`name=${prefix.slice(0, -1)} `))
    for (const line of clients) await redis.client('KILL', 'ID', Number(/id=(\d+)/.exec(line)![1]))
    redis.disconnect()
  }

  async #remove (): Promise<void> {
    await this.database.query(`DROP SCHEMA IF EXISTS ${this.schema} CASCADE`)
    await this.database.end()
  }
}

export type Kind = 'PostgreSQL' | 'Redis'

export const kinds: Kind[] = ['PostgreSQL', 'Redis']

export async function skipWithout (kind: Kind): Promise<string | false> {
  return await skipWithoutPostgres() || (kind === 'Redis' && await skipWithoutRedis())
}
