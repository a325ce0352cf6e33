import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { HARNESS } from './database.js'

/** A PostgreSQL database that a run creates for itself, so that it can be made to refuse. */
export class OwnDatabase {
  readonly url: string
  readonly #name: string
  readonly #admin: pg.Client

  private constructor (url: string, name: string, admin: pg.Client) {
    this.url = url
    this.#name = name
    this.#admin = admin
  }

  /** Creates one on the server of this URL. Its role needs CREATEDB, and pg_signal_backend for the sessions of others. */
  static async create (serverUrl: string): Promise<OwnDatabase> {
    const name = `chaos_${randomBytes(6).toString('hex')}`
    const plain = new URL(serverUrl)
    plain.search = ''
    const admin = new pg.Client({ connectionString: plain.href, application_name: HARNESS })
    await admin.connect()
    await admin.query(`CREATE DATABASE ${name}`)
    const own = new URL(serverUrl)
    own.pathname = `/${name}`
    return new OwnDatabase(own.href, name, admin)
  }

  /**
   * Ends all sessions and makes new ones read-only until the result is called, as after a failover to a standby. Those
   * that were opened meanwhile stay read-only.
   */
  async makeReadOnly (): Promise<() => Promise<void>> {
    await this.#admin.query(`ALTER DATABASE ${this.#name} SET default_transaction_read_only = on`)
    await this.#throwOut()
    return async () => { await this.#admin.query(`ALTER DATABASE ${this.#name} RESET default_transaction_read_only`) }
  }

  /** Ends all sessions and refuses new ones (SQLSTATE 55000) until the result is called. */
  async refuseConnections (): Promise<() => Promise<void>> {
    await this.#admin.query(`ALTER DATABASE ${this.#name} ALLOW_CONNECTIONS false`)
    await this.#throwOut()
    return async () => { await this.#admin.query(`ALTER DATABASE ${this.#name} ALLOW_CONNECTIONS true`) }
  }

  /** All sessions except those of the harness, which must see what happens. */
  async #throwOut (): Promise<void> {
    await this.#admin.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND application_name <> $2', [this.#name, HARNESS])
  }

  async drop (): Promise<void> {
    await this.#admin.query(`DROP DATABASE IF EXISTS ${this.#name} WITH (FORCE)`)
    await this.#admin.end()
  }
}
