import { connect } from 'node:net'
import { SseParser, type SseEvent } from '../chaos/sse-parser.js'

/** A request as it is sent. Any bytes are possible, so each character of `target` and the headers stands for one byte. */
export interface WireRequest {
  method: string
  target: string
  version: string
  headers: Array<[name: string, value: string]>
  body: Buffer | null
  /** How the body is sent. `cut`: half of it, then the end of the connection. `none`: the bytes without a stated length. */
  framing: 'length' | 'chunked' | 'split' | 'cut' | 'none'
  /** How often the request is sent in one write (HTTP pipelining). */
  copies: number
}

export interface WireAnswer {
  status: number
  headers: Record<string, string>
  body: Buffer
  /** For a stream: what arrived before the reader disconnected. */
  events: SseEvent[] | undefined
}

export interface Exchange {
  answers: WireAnswer[]
  /** `hang`: neither a response nor an end in time. `closed`: the server ended the connection with fewer responses than requests. */
  outcome: 'answered' | 'closed' | 'hang'
}

/** Longer than a response may take on a busy machine, in milliseconds. */
const PATIENCE_MS = 20_000

/** The bytes of a request. */
export function bytesOf ({ method, target, version, headers, body, framing }: WireRequest): Buffer {
  const lines = [`${method} ${target} ${version}`, ...headers.map(([name, value]) => `${name}: ${value}`)]
  const stated = new Set(headers.map(([name]) => name.toLowerCase()))
  if (body !== null && framing === 'chunked') lines.push('Transfer-Encoding: chunked')
  else if (body !== null && framing !== 'none' && !stated.has('content-length')) lines.push(`Content-Length: ${body.length}`)
  const head = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
  if (body === null) return head
  if (framing === 'cut') return Buffer.concat([head, body.subarray(0, body.length >> 1)])
  if (framing !== 'chunked') return Buffer.concat([head, body])
  const middle = body.length >> 1
  const chunks = [body.subarray(0, middle), body.subarray(middle)].filter(({ length }) => length > 0)
  return Buffer.concat([head, ...chunks.flatMap(chunk => [Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n')]), Buffer.from('0\r\n\r\n')])
}

/** Whether a header announces more than the body contains. */
function fallsShort ({ headers, body }: WireRequest): boolean {
  return headers.some(([name, value]) => name.toLowerCase() === 'content-length' && Number(value) > (body?.length ?? 0))
}

/** Sends a request over its own connection and reads the response. A stream is read until `enough`. */
export async function exchange (port: number, request: WireRequest, enough: (events: SseEvent[]) => boolean): Promise<Exchange> {
  const one = bytesOf(request)
  const bytes = Buffer.concat(Array.from({ length: request.copies }, () => one))
  const reader = new AnswerReader(request, enough)
  return await new Promise(resolve => {
    const socket = connect(port, '127.0.0.1')
    socket.setNoDelay(true)
    const done = (outcome: Exchange['outcome']): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve({ answers: reader.answers, outcome })
    }
    const timer = setTimeout(() => { done('hang') }, PATIENCE_MS)
    socket.on('data', chunk => {
      reader.push(chunk)
      if (reader.complete) done('answered')
    })
    socket.on('error', () => { /* close follows */ })
    socket.on('close', () => {
      reader.end()
      done(reader.complete ? 'answered' : 'closed')
    })
    socket.on('connect', () => {
      if (request.framing === 'split') {
        const middle = bytes.length >> 1
        socket.write(bytes.subarray(0, middle))
        setImmediate(() => { socket.write(bytes.subarray(middle)) })
      } else {
        socket.write(bytes)
      }
      // Otherwise the server rightly waits for the rest.
      if (request.framing === 'cut' || fallsShort(request)) socket.end()
    })
  })
}

/** Reads HTTP/1.1 responses (RFC 9112) from a connection. */
class AnswerReader {
  readonly answers: WireAnswer[] = []
  readonly #method: string
  readonly #expected: number
  readonly #enough: (events: SseEvent[]) => boolean
  #rest: Buffer = Buffer.alloc(0)
  #ended = false
  #streaming = false

  constructor ({ method, copies }: WireRequest, enough: (events: SseEvent[]) => boolean) {
    this.#method = method
    this.#expected = copies
    this.#enough = enough
  }

  get complete (): boolean {
    return this.answers.length >= this.#expected && !this.#streaming
  }

  push (chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk])
    this.#read()
  }

  end (): void {
    this.#ended = true
    this.#read()
  }

  #read (): void {
    while (!this.complete) {
      const end = this.#rest.indexOf('\r\n\r\n')
      if (end === -1) return
      const [statusLine = '', ...lines] = this.#rest.subarray(0, end).toString('latin1').split('\r\n')
      const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(statusLine)?.[1] ?? NaN)
      const headers = Object.fromEntries(lines.map(line => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]))
      const after = this.#rest.subarray(end + 4)
      if (status >= 100 && status < 200) {
        this.#rest = after
        continue
      }
      if (this.#method !== 'HEAD' && headers['content-type']?.startsWith('text/event-stream') === true) {
        this.#readStream(status, headers, after)
        return
      }
      const body = this.#bodyOf(status, headers, after)
      if (body === undefined) return
      this.answers.push({ status, headers, body: body.bytes, events: undefined })
      this.#rest = body.rest
    }
  }

  #bodyOf (status: number, headers: Record<string, string>, after: Buffer): { bytes: Buffer, rest: Buffer } | undefined {
    if (this.#method === 'HEAD' || status === 204 || status === 304) return { bytes: Buffer.alloc(0), rest: after }
    if (headers['transfer-encoding'] === 'chunked') return dechunk(after)
    if (headers['content-length'] !== undefined) {
      const length = Number(headers['content-length'])
      return after.length < length ? undefined : { bytes: after.subarray(0, length), rest: after.subarray(length) }
    }
    return this.#ended ? { bytes: after, rest: Buffer.alloc(0) } : undefined
  }

  /** A stream does not end by itself: it is read until the caller has seen enough. */
  #readStream (status: number, headers: Record<string, string>, after: Buffer): void {
    const bytes = headers['transfer-encoding'] === 'chunked' ? dechunked(after) : after
    const events = new SseParser().push(bytes)
    this.#streaming = !this.#ended && !this.#enough(events)
    if (!this.#streaming) this.answers.push({ status, headers, body: bytes, events })
    // A response after a stream never arrives.
    if (!this.#streaming) while (this.answers.length < this.#expected) this.answers.push(this.answers.at(-1)!)
  }
}

function dechunk (bytes: Buffer): { bytes: Buffer, rest: Buffer } | undefined {
  const parts: Buffer[] = []
  for (let at = 0; ;) {
    const end = bytes.indexOf('\r\n', at)
    if (end === -1) return undefined
    const size = parseInt(bytes.subarray(at, end).toString('latin1'), 16)
    if (bytes.length < end + 2 + size + 2) return undefined
    if (size === 0) return { bytes: Buffer.concat(parts), rest: bytes.subarray(end + 4) }
    parts.push(bytes.subarray(end + 2, end + 2 + size))
    at = end + 2 + size + 2
  }
}

/** The part of a chunked body that has arrived. */
function dechunked (bytes: Buffer): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; ;) {
    const end = bytes.indexOf('\r\n', at)
    if (end === -1) return Buffer.concat(parts)
    const size = parseInt(bytes.subarray(at, end).toString('latin1'), 16)
    if (!(size > 0) || bytes.length < end + 2 + size) return Buffer.concat(parts)
    parts.push(bytes.subarray(end + 2, end + 2 + size))
    at = end + 2 + size + 2
  }
}
