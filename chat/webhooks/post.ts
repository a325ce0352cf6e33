import { isIP, type LookupFunction } from 'node:net'
import type { Agent, Dispatcher } from 'undici'
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
 * Sends requests. The name is resolved once for each connection, all of its addresses are judged, and the socket goes to one of them;
 * redirects are not followed.
 *
 * With undici's dispatcher, since a request by node:http takes twice the CPU, and one by fetch seven times.
 */
export class Sender {
  readonly #rules: TargetRules
  #agent: Promise<Agent> | undefined

  constructor (rules: TargetRules) {
    this.#rules = rules
  }

  close (): void {
    void this.#agent?.then(async agent => { await agent.destroy() })
  }

  /** Never rejects. */
  async post (url: string, body: string, headers: Record<string, string>, signal?: AbortSignal): Promise<Outcome> {
    const startedAt = elapsedMs()
    const outcome = (of: Partial<Outcome>): Outcome =>
      ({ status: null, error: undefined, retryAfterMs: undefined, ...of, durationMs: Math.round(elapsedMs() - startedAt) })
    const { origin, hostname, pathname, search } = new URL(url)
    // A host that is an address is not looked up.
    const host = hostname.replace(/^\[|\]$/g, '')
    if (!this.#rules.allowPrivate && isIP(host) !== 0 && !isPublicAddress(host)) return outcome({ error: 'private_address' })
    const request = { origin, path: pathname + search, method: 'POST' as const, body, headers: { ...headers, 'content-type': 'application/json' } }
    this.#agent ??= this.#connect()
    const agent = await this.#agent
    let answer = await once(agent, request, signal)
    // The receiver may have closed a kept connection just when it was used.
    if ('error' in answer && isClosed(answer.error)) answer = await once(agent, request, signal)
    if ('error' in answer) return outcome({ error: reasonOf(answer.error) })
    const { status, retryAfter } = answer
    const isTaken = status >= 200 && status < 300
    return outcome({ status, error: isTaken ? undefined : `HTTP ${status}`, retryAfterMs: isTaken ? undefined : retryAfterOf(retryAfter) })
  }

  async #connect (): Promise<Agent> {
    const { default: { Agent } } = await import('undici') // Only where there are webhooks
    const lookup: LookupFunction = (host, options, done) => {
      void addressesOf(host, this.#rules).then(addresses => {
        if (options.all === true) done(null, addresses)
        else done(null, addresses[0]?.address ?? '', addresses[0]?.family)
      }, (error: NodeJS.ErrnoException) => { done(error, '') })
    }
    return new Agent({
      connect: { lookup, timeout: patience.ms },
      keepAliveTimeout: KEEP_MS,
      keepAliveMaxTimeout: KEEP_MS,
      headersTimeout: 0, // `patience` is for all
      bodyTimeout: 0
    })
  }
}

type Answer = { status: number, retryAfter: string | undefined } | { error: SocketError }

async function once (agent: Agent, request: Dispatcher.DispatchOptions, signal: AbortSignal | undefined): Promise<Answer> {
  return await new Promise(resolve => {
    const exchange = new Exchange(resolve)
    if (signal?.aborted === true) exchange.cancel(new Error('aborted'))
    else {
      signal?.addEventListener('abort', exchange.onAbort)
      exchange.onEnd = () => { signal?.removeEventListener('abort', exchange.onAbort) }
      agent.dispatch(request, exchange)
    }
  })
}

/** One request and its answer. The status counts, whatever becomes of the body. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #resolve: (answer: Answer) => void
  #controller: Dispatcher.DispatchController | undefined
  #timer: NodeJS.Timeout
  #answer: Answer | undefined
  #cancelled: Error | undefined
  #size = 0
  onEnd = (): void => {}
  readonly onAbort = (): void => { this.cancel(new Error('aborted')) }

  constructor (resolve: (answer: Answer) => void) {
    this.#resolve = resolve
    this.#timer = setTimeout(() => { this.cancel(new Error('timeout')) }, patience.ms)
  }

  /** Also while there is no connection yet. */
  cancel (error: Error): void {
    this.#cancelled = error
    this.#controller?.abort(error)
    this.#end(error)
  }

  onRequestStart (controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#cancelled !== undefined) controller.abort(this.#cancelled)
  }

  onResponseStart (controller: Dispatcher.DispatchController, status: number, headers: Record<string, string | string[] | undefined>): void {
    if (status < 200) return
    const { 'retry-after': retryAfter } = headers
    this.#answer = { status, retryAfter: Array.isArray(retryAfter) ? retryAfter[0] : retryAfter }
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => { this.cancel(new Error('The body does not end')) }, BODY_MS)
  }

  /** A little is read, so that the connection can be used again. */
  onResponseData (controller: Dispatcher.DispatchController, part: Buffer): void {
    this.#size += part.length
    if (this.#size > ANSWER_MAX) this.cancel(new Error('The body is long'))
  }

  onResponseEnd (): void {
    this.#end(new Error('no answer'))
  }

  onResponseError (controller: Dispatcher.DispatchController | undefined, error: Error): void {
    this.#end(error)
  }

  #end (error: Error): void {
    clearTimeout(this.#timer)
    this.onEnd()
    // The connection is free for the next request after an immediate that undici has yet to set.
    const answer = this.#answer ?? { error }
    setImmediate(() => { setImmediate(this.#resolve, answer) })
  }
}

/** What undici adds where the other side has closed a connection. */
interface SocketError extends NodeJS.ErrnoException { socket?: { bytesRead?: number } }

/** Whether a connection was closed by the other side, after it had carried an answer, as far as that is known. */
const isClosed = ({ code, syscall, socket }: SocketError): boolean => code === 'UND_ERR_SOCKET'
  ? (socket?.bytesRead ?? 0) > 0
  : (code === 'ECONNRESET' || code === 'EPIPE') && syscall !== 'connect'

/** A code, or a word: messages of errors may hold the URL. */
function reasonOf (error: NodeJS.ErrnoException): string {
  if (error.code === 'UND_ERR_SOCKET') return 'ECONNRESET'
  if (error.code === 'UND_ERR_CONNECT_TIMEOUT') return 'timeout'
  if (error instanceof AddressError || typeof error.code === 'string') return String(error.code)
  return error.message === 'timeout' ? 'timeout' : 'failed'
}

function retryAfterOf (header: string | undefined): number | undefined {
  if (header === undefined) return undefined
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1000
  const at = Date.parse(header)
  return Number.isNaN(at) ? undefined : Math.max(0, at - wallClockMs())
}
