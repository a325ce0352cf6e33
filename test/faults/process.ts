import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { callOnce, type Answer } from '../chaos/api.js'
import { ServerProcess } from '../chaos/server-process.js'
import { mint } from '../chaos/token.js'
import { openEvents, type EventReader } from '../event-reader.js'

/** A folder that is deleted after the test. */
export function temporaryFolder (t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'chat-faults-'))
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
  return folder
}

/** The real server on a database file, which are removed after the test. */
export async function startServer (t: Test, file: string, env: Record<string, string> = {}): Promise<ServerProcess> {
  const server = await ServerProcess.create({ DATABASE_URL: `file:${file}`, ...env })
  t.teardown(async () => { await server.dispose() })
  await server.start()
  return server
}

/** A user of a server in another process. */
export class Caller {
  readonly #server: ServerProcess
  readonly userId: string

  constructor (server: ServerProcess, userId: string) {
    this.#server = server
    this.userId = userId
  }

  async call (method: string, path: string, body?: unknown): Promise<Answer & { ms: number }> {
    const since = performance.now()
    const answer = await callOnce(this.#server.port, method, path, { token: mint(this.userId), body })
    return { ...answer, ms: performance.now() - since }
  }

  /** The id of a new direct conversation. */
  async direct (other: Caller): Promise<string> {
    await other.call('GET', '/api/chat/me')
    const { body } = await this.call('POST', '/api/chat/conversations', { type: 'direct', userId: other.userId })
    return String(body.id)
  }

  async send (conversationId: string, text: string, clientId?: string): Promise<Answer & { ms: number }> {
    return await this.call('POST', '/api/chat/messages', { conversationId, text, ...(clientId === undefined ? {} : { clientId }) })
  }

  /** Opens a stream, of which nothing has been read yet. */
  async stream (t: Test, query: Record<string, string> = {}, headers: Record<string, string> = {}): Promise<EventReader> {
    return await openEvents(t, `${this.#server.origin}/api/sse?${new URLSearchParams(query).toString()}`, { authorization: `Bearer ${mint(this.userId)}`, ...headers })
  }
}

/** Checks until the condition holds. @throws when it does not hold in time */
export async function eventually (what: string, isSo: () => Promise<boolean> | boolean, timeoutMs = 20_000): Promise<void> {
  for (const deadline = Date.now() + timeoutMs; ; await sleep(20)) {
    if (await isSo()) return
    if (Date.now() > deadline) throw new Error(`in vain: ${what}`)
  }
}
