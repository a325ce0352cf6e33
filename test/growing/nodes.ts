import { mkdtempSync, rmSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { MemoryNetwork } from '../../hub/buses/memory.js'
import { openHarnessDatabase, withSchema } from '../chaos/database.js'
import { ServerProcess } from '../chaos/server-process.js'
import { SECRET } from '../chaos/token.js'
import { build, listen, throwAwayStore } from '../helper.js'
import { FaultyBus } from '../hub/faulty-bus.js'

/** Servers on one database. */
export interface Nodes {
  ports: number[]
  /** Kills one with SIGKILL at once, and resolves when it listens again. */
  crash?: (index: number) => Promise<void>
}

const TEXT_MAX = 16_000
const BUFFER_BYTES = 4096

/** Two nodes in this process, whose bus loses and repeats. */
export async function nodesWithFaultyBus (t: Test): Promise<Nodes> {
  const store = await throwAwayStore()
  const network = new MemoryNetwork()
  const ports: number[] = []
  for (let n = 0; n < 2; n++) {
    const bus = new FaultyBus(network.join(), { lose: 0.2, repeat: 0.2, delayMs: 2 })
    const app = await build(t, { chat: { ...store.options, jwt: { secret: SECRET }, bus, streamBufferBytes: BUFFER_BYTES, maxTextLength: TEXT_MAX } })
    await listen(app)
    ports.push((app.server.address() as AddressInfo).port)
  }
  t.teardown(async () => { await store.remove() })
  return { ports }
}

/** A process on a SQLite file or, with the URL of a PostgreSQL, two on a schema of their own. They can be killed. */
export async function processes (t: Test, postgres?: string): Promise<Nodes> {
  const folder = mkdtempSync(join(tmpdir(), 'chat-growing-'))
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
  const databaseUrl = postgres === undefined ? `file:${join(folder, 'chat.db')}` : withSchema(postgres, `growing_${randomBytes(6).toString('hex')}`)
  const servers: ServerProcess[] = []
  for (let n = 0; n < (postgres === undefined ? 1 : 2); n++) {
    const server = await ServerProcess.create({ DATABASE_URL: databaseUrl, STREAM_BUFFER_BYTES: String(BUFFER_BYTES), MAX_TEXT_LENGTH: String(TEXT_MAX), SEARCH: 'off' })
    t.teardown(async () => { await server.dispose() })
    await server.start()
    servers.push(server)
  }
  const database = await openHarnessDatabase(databaseUrl)
  t.teardown(async () => { await database.close() })
  return {
    ports: servers.map(({ port }) => port),
    async crash (index) {
      await servers[index]!.kill()
      await servers[index]!.start()
    }
  }
}
