import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { callOnce, type Answer } from '../chaos/api.js'
import { ServerProcess } from '../chaos/server-process.js'
import { mint } from '../chaos/token.js'
import { Installation, skipWithout } from '../cluster/installation.js'
import { openEvents, type EventReader, type StreamEvent } from '../event-reader.js'
import { eventually, temporaryFolder } from '../faults/process.js'
import { ShiftedClock } from './shifted-clock-file.js'

export const SECOND = 1000
export const HOUR = 3_600_000

export type Kind = 'SQLite' | 'PostgreSQL'

/** A reason for tap's `skip` option, or false. */
export const skipKind = async (kind: Kind): Promise<string | false> => kind === 'SQLite' ? false : await skipWithout(kind)

/** The environment of servers that share one database. */
export async function databaseOf (t: Test, kind: Kind): Promise<Record<string, string>> {
  return kind === 'SQLite'
    ? { DATABASE_URL: `file:${temporaryFolder(t)}/chat.db` }
    : (await Installation.create(t, 'PostgreSQL')).env
}

/** A server in its own process, whose wall clock the test sets. */
export interface Node { server: ServerProcess, clock: ShiftedClock }

export async function startNode (t: Test, env: Record<string, string>, offsetMs = 0): Promise<Node> {
  const clock = new ShiftedClock(offsetMs)
  const server = await ServerProcess.create({ ...env, ...clock.env })
  t.teardown(async () => {
    await server.dispose()
    clock.dispose()
  })
  await server.start()
  return { server, clock }
}

type Body = Record<string, unknown>

/** A user who can call every node, with a token that no clock step invalidates. */
export class Person {
  readonly userId: string
  #token: string

  constructor (userId: string) {
    this.userId = userId
    this.#token = mint(userId, 10 * HOUR / SECOND)
  }

  /** Uses a token that the server issued from now on. */
  async register ({ server }: Node): Promise<void> {
    const { status, body } = await callOnce(server.port, 'POST', '/api/auth/register', { body: { userId: this.userId, password: 'correct horse' } })
    if (status !== 201) throw new Error(`register: ${status} ${JSON.stringify(body)}`)
    this.#token = String(body.token)
  }

  async call ({ server }: Node, method: string, path: string, body?: unknown): Promise<Answer> {
    return await callOnce(server.port, method, path, { token: this.#token, body })
  }

  /** The body of a response, which must be a success. */
  async ok (node: Node, method: string, path: string, body?: unknown): Promise<Body> {
    const answer = await this.call(node, method, path, body)
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
    return answer.body
  }

  async direct (node: Node, other: Person): Promise<string> {
    await other.ok(node, 'GET', '/api/chat/me')
    return String((await this.ok(node, 'POST', '/api/chat/conversations', { type: 'direct', userId: other.userId })).id)
  }

  async send (node: Node, conversationId: string, text = 'hello'): Promise<Body> {
    return await this.ok(node, 'POST', '/api/chat/messages', { conversationId, text })
  }

  async edit (node: Node, message: Body, text: string): Promise<Body> {
    return await this.ok(node, 'PATCH', `/api/chat/messages/${String(message.id)}`, { text })
  }

  async typing (node: Node, conversationId: string): Promise<void> {
    await this.ok(node, 'POST', '/api/chat/typing', { conversationId, isTyping: true })
  }

  async list (node: Node): Promise<string[]> {
    const { conversations } = await this.ok(node, 'GET', '/api/chat/conversations') as { conversations: Body[] }
    return conversations.map(({ id }) => String(id))
  }

  async conversation (node: Node, id: string): Promise<Body> {
    return await this.ok(node, 'GET', `/api/chat/conversations/${id}`)
  }

  async ticket (node: Node): Promise<string> {
    return String((await this.ok(node, 'POST', '/api/sse/tickets', {})).ticket)
  }

  /** A stream of all conversations, after its `connected` event. */
  async stream (t: Test, { server }: Node, query: Record<string, string> = {}): Promise<EventReader> {
    const reader = await openEvents(t, `${server.origin}/api/sse?${new URLSearchParams(query).toString()}`, { authorization: `Bearer ${this.#token}` })
    await reader.next('connected')
    return reader
  }
}

/**
 * How long an event takes to reach one of the streams, in milliseconds. Between processes on one SQLite file there is no
 * bus: an event that is not in the log is told only by the process that causes it.
 */
export async function waitFor (readers: EventReader[], fits: (event: StreamEvent) => boolean, patienceMs: number): Promise<number> {
  const since = performance.now()
  await eventually('the event', () => readers.some(({ events }) => events.some(fits)), patienceMs)
  return performance.now() - since
}

export const isTyping = (who: Person, value: boolean) => ({ type, data }: StreamEvent): boolean =>
  type === 'typing' && data.userId === who.userId && data.isTyping === value

export const isOnline = (who: Person, value: boolean) => ({ type, data }: StreamEvent): boolean =>
  type === 'onlineStatus' && data.userId === who.userId && data.isOnline === value

/** Fails to log in this many times. @returns the last response */
export async function guess ({ server }: Node, userId: string, times: number): Promise<Answer> {
  let answer: Answer | undefined
  for (let time = 0; time < times; time++) {
    answer = await callOnce(server.port, 'POST', '/api/auth/login', { body: { userId, password: 'not the right one' } })
  }
  return answer!
}

/** Resolves when the process has seen its new clock. */
export async function step ({ clock }: Node, offsetMs: number): Promise<void> {
  clock.set(offsetMs)
  await sleep(5)
}
