import { Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { mint } from './token.js'

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: Record<string, unknown>
}

/** Longer than any response may take: a response that takes longer is a finding. */
const TIMEOUT_MS = 15_000

/** A single JSON request. @throws when the connection broke before the whole response had arrived */
export async function callOnce (port: number, method: string, path: string, { token, body, agent, headers = {} }: {
  token?: string, body?: unknown, agent?: Agent, headers?: Record<string, string>
} = {}): Promise<Answer> {
  return await new Promise((resolve, reject) => {
    const payload = body === undefined ? undefined : JSON.stringify(body)
    const request = httpRequest({
      host: '127.0.0.1',
      port,
      method,
      path,
      agent: agent ?? false,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(payload === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
        ...headers
      }
    }, response => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => { chunks.push(chunk) })
      response.on('error', reject)
      response.on('close', () => {
        if (!response.complete) return reject(new Error('the answer broke off'))
        const text = Buffer.concat(chunks).toString()
        const json = response.headers['content-type']?.startsWith('application/json') === true
        resolve({ status: response.statusCode!, headers: response.headers, body: text === '' ? {} : json ? JSON.parse(text) as Record<string, unknown> : { text } })
      })
    })
    request.setTimeout(TIMEOUT_MS, () => { request.destroy(new Error(`no answer in ${TIMEOUT_MS} ms`)) })
    request.on('error', reject)
    request.end(payload)
  })
}

export interface ApiCounters { calls: number, broken: number, unavailable: number, slowestUnavailableMs: number }

/** Where a call goes. */
export interface Hop {
  port: number
  /** Whether the process behind it was stopped since an instant. A stopped process owes no answer. */
  wasStoppedSince (instant: number): boolean
}

/** Calls the API like a persistent client, which retries until a response counts. */
export class Api {
  readonly counters: ApiCounters = { calls: 0, broken: 0, unavailable: 0, slowestUnavailableMs: 0 }
  readonly #hop: () => Hop
  readonly #problem: (text: string) => void
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 12 })

  /** `hop` is called for each attempt: clients change between nodes. */
  constructor (hop: () => Hop, problem: (text: string) => void) {
    this.#hop = hop
    this.#problem = problem
  }

  /** Retries until the response is neither a broken connection nor "try again". */
  async call (userId: string, method: string, path: string, body?: unknown): Promise<Answer & { attempts: number }> {
    for (let attempts = 1; ; attempts++) {
      const since = Date.now()
      const hop = this.#hop()
      this.counters.calls++
      try {
        const answer = await callOnce(hop.port, method, path, { token: mint(userId), body, agent: this.#agent })
        if (answer.status < 500) return { ...answer, attempts }
        if (answer.status !== 503 || answer.body.code !== 'UNAVAILABLE' || !(Number(answer.headers['retry-after']) > 0)) {
          this.#problem(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}, Retry-After ${answer.headers['retry-after']}`)
        }
        if (answer.status === 503) {
          this.counters.unavailable++
          this.counters.slowestUnavailableMs = Math.max(this.counters.slowestUnavailableMs, Date.now() - since)
        }
      } catch (error) {
        this.counters.broken++
        if (Date.now() - since >= TIMEOUT_MS && !hop.wasStoppedSince(since)) this.#problem(`${method} ${path}: ${(error as Error).message}`)
      }
      await sleep(Math.min(20 * 2 ** attempts, 500))
    }
  }

  close (): void {
    this.#agent.destroy()
  }
}
