import pg from 'pg'
import { readingOf } from './reading.js'

type ConnectCallback = (error: Error | undefined, client: pg.PoolClient | undefined, done: (release?: boolean | Error) => void) => void

/** No connection could be opened, for a reason without a code, such as a missing password or a certificate. */
class ConnectError extends Error {
  override name = 'ConnectError'
  /** SQLSTATE `sqlclient_unable_to_establish_sqlconnection`. */
  readonly code = '08001'
}

/**
 * A pool whose connections can all be replaced. After a failover or a change of the database's settings, older sessions keep
 * their state. They may be read-only, for example, which only a write reveals.
 */
export class RenewablePool extends pg.Pool {
  #generation = 0
  readonly #generations = new WeakMap<pg.PoolClient, number>()

  constructor (config: pg.PoolConfig) {
    super(config)
    this.on('connect', client => { this.#generations.set(client, this.#generation) })
  }

  /** From now on, connections that were opened before are closed instead of handed out. */
  renew (): void {
    this.#generation++
  }

  override connect (): Promise<pg.PoolClient>
  override connect (callback: ConnectCallback): void
  override connect (callback?: ConnectCallback): Promise<pg.PoolClient> | void {
    const connecting = this.#connectNow()
    if (callback === undefined) return connecting
    connecting.then(
      client => { callback(undefined, client, client.release) },
      (error: Error) => { callback(error, undefined, () => {}) })
  }

  async #connectNow (): Promise<pg.PoolClient> {
    for (;;) {
      const client = await this.#connectAny()
      if (this.#generations.get(client) === this.#generation) return client
      client.release(true)
    }
  }

  async #connectAny (): Promise<pg.PoolClient> {
    try {
      return await super.connect()
    } catch (error) {
      if (readingOf(error) !== 'mistake') throw error
      throw new ConnectError(error instanceof Error ? error.message : String(error), { cause: error })
    }
  }
}
