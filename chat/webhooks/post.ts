import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import { elapsedMs, wallClockMs } from '../../time.js'
import { addressesOf, AddressError, isPublicAddress, type TargetRules } from './addresses.js'

/** A receiver has this long, from the look-up of its name to the status. Tests shorten it. */
export const patience = { ms: 15_000 }
/** Bytes of an answer that are read. A connection with more is closed. */
const ANSWER_MAX = 1024
/** The body of an answer is read for this long, in milliseconds. */
const BODY_MS = 500
/** Connections are kept open for this long, as events often come together. */
const KEEP_MS = 10_000

/** The outcome of one try. */
export interface Outcome {
  /** Null: there was no answer. */
  status: number | null
  /** What went wrong, in a word. Undefined if the status is 2xx. */
  error: string | undefined
  /** When the receiver wants to be asked again, in milliseconds. */
  retryAfterMs: number | undefined
  durationMs: number
}

/**
 * Sends requests to one endpoint. The name is resolved once for each connection, all of its addresses are judged, and the socket
 * goes to one of them; redirects are not followed.
 */
export class Sender {
  readonly #rules: TargetRules
  readonly #agents: { http: HttpAgent, https: HttpsAgent }

  constructor (rules: TargetRules) {
    this.#rules = rules
    const find: LookupFunction = (host, options, done) => {
      void addressesOf(host, rules).then(addresses => {
        if (options.all === true) done(null, addresses)
        else done(null, addresses[0]?.address ?? '', addresses[0]?.family)
      }, (error: NodeJS.ErrnoException) => { done(error, '') })
    }
    const options = { keepAlive: true, lookup: find, scheduling: 'lifo' as const, timeout: KEEP_MS }
    this.#agents = { http: new HttpAgent(options), https: new HttpsAgent(options) }
  }

  close (): void {
    this.#agents.http.destroy()
    this.#agents.https.destroy()
  }

  /** Never rejects. */
  async post (url: string, body: string, headers: Record<string, string>, signal?: AbortSignal): Promise<Outcome> {
    const startedAt = elapsedMs()
    const outcome = (of: Partial<Outcome>): Outcome =>
      ({ status: null, error: undefined, retryAfterMs: undefined, ...of, durationMs: Math.round(elapsedMs() - startedAt) })
    for (let attempt = 1; ; attempt++) {
      const answer = await this.#once(new URL(url), body, headers, signal)
      // The receiver closed a kept connection just when it was used: nothing of the request has arrived.
      if ('error' in answer && answer.isStale && attempt === 1) continue
      if ('error' in answer) return outcome({ error: answer.error })
      const { statusCode: status = 0, headers: { 'retry-after': retryAfter } } = answer.response
      const isTaken = status >= 200 && status < 300
      return outcome({ status, error: isTaken ? undefined : `HTTP ${status}`, retryAfterMs: isTaken ? undefined : retryAfterOf(retryAfter) })
    }
  }

  async #once (url: URL, body: string, headers: Record<string, string>, signal: AbortSignal | undefined): Promise<Answer> {
    const isHttps = url.protocol === 'https:'
    const host = url.hostname.replace(/^\[|\]$/g, '')
    // A host that is an address is not looked up.
    if (!this.#rules.allowPrivate && isIP(host) !== 0 && !isPublicAddress(host)) return { error: 'private_address', isStale: false }
    const { https, http } = this.#agents
    return await new Promise(resolve => {
      const request = (isHttps ? httpsRequest : httpRequest)(url, {
        method: 'POST',
        agent: isHttps ? https : http,
        headers: { ...headers, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
        ...(signal === undefined ? {} : { signal })
      })
      const timer = setTimeout(() => { request.destroy(new Error('timeout')) }, patience.ms)
      request.on('response', response => {
        clearTimeout(timer)
        drop(response, () => { resolve({ response }) })
      })
      request.on('error', error => { resolve({ error: reasonOf(error), isStale: request.reusedSocket && isReset(error) }) })
      request.on('close', () => { clearTimeout(timer) })
      request.end(body)
    })
  }
}

type Answer = { response: IncomingMessage } | { error: string, isStale: boolean }

/** Reads a little of the answer's body, so that the connection can be used again, and cuts off the rest. The status counts in any case. */
function drop (response: IncomingMessage, done: () => void): void {
  let size = 0
  const timer = setTimeout(() => { response.destroy() }, BODY_MS)
  response.on('data', (part: Buffer) => {
    size += part.length
    if (size > ANSWER_MAX) response.destroy()
  })
  response.on('error', () => {})
  response.on('end', done)
  response.on('close', () => {
    clearTimeout(timer)
    done()
  })
}

const isReset = (error: NodeJS.ErrnoException): boolean => error.code === 'ECONNRESET' || error.code === 'EPIPE'

/** A code, or a word: messages of errors may hold the URL. */
function reasonOf (error: NodeJS.ErrnoException): string {
  if (error instanceof AddressError || typeof error.code === 'string') return String(error.code)
  return error.message === 'timeout' ? 'timeout' : 'failed'
}

function retryAfterOf (header: string | undefined): number | undefined {
  if (header === undefined) return undefined
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1000
  const at = Date.parse(header)
  return Number.isNaN(at) ? undefined : Math.max(0, at - wallClockMs())
}
