import { get, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import type { Test } from 'tap'

/** An event of a stream, as a conforming parser dispatches it. `id` is null if this event had none. */
export interface StreamEvent<Data = Record<string, unknown>> {
  type: string
  data: Data
  id: string | undefined
}

/** How long a test waits for an event before it fails, in milliseconds. */
const PATIENCE_MS = 15_000

/** Reads an event stream (HTML Living Standard, 9.2.6) from a real socket, and keeps everything that arrives. */
export class EventReader {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** All events so far. */
  readonly events: StreamEvent[] = []
  readonly comments: string[] = []
  /** The last `retry:` field. */
  retry: number | undefined
  /** Every byte, as text. */
  raw = ''
  /** Resolves when the stream is over, whichever side ended it. */
  readonly ended: Promise<void>

  readonly #response: IncomingMessage
  #taken = 0
  #over = false
  #wake: Array<() => void> = []

  constructor (response: IncomingMessage) {
    this.#response = response
    this.status = response.statusCode ?? 0
    this.headers = response.headers
    this.ended = this.#read()
  }

  /** Stops reading from the socket until `resume`. */
  pause (): void {
    this.#response.pause()
  }

  resume (): void {
    this.#response.resume()
  }

  /** The last event id that `next` and similar methods have returned: a client would resume there. */
  get lastEventId (): string | undefined {
    return this.events.slice(0, this.#taken).findLast(({ id }) => id !== undefined)?.id
  }

  /** The next event. With a type, the next event of that type; earlier ones are skipped. */
  async next<Data = Record<string, unknown>> (type?: string): Promise<StreamEvent<Data>> {
    const passed = await this.until(event => type === undefined || event.type === type)
    return passed.at(-1) as StreamEvent<Data>
  }

  /** The next events, up to and including the first that matches. */
  async until (fits: (event: StreamEvent) => boolean, patience = PATIENCE_MS): Promise<StreamEvent[]> {
    const from = this.#taken
    const deadline = performance.now() + patience
    for (let index = from; ; index++) {
      while (index >= this.events.length) {
        if (this.#over) throw new Error(`the stream ended; read since: ${this.#show(from)}`)
        if (performance.now() > deadline) throw new Error(`waited in vain; read since: ${this.#show(from)}`)
        await this.#news(deadline)
      }
      if (fits(this.events[index]!)) {
        this.#taken = index + 1
        return this.events.slice(from, index + 1)
      }
    }
  }

  /** The next `count` events. */
  async take (count: number): Promise<StreamEvent[]> {
    let seen = 0
    return await this.until(() => ++seen === count)
  }

  /** The next `count` durable events, whatever else arrives between them. */
  async durable (count: number): Promise<StreamEvent[]> {
    let seen = 0
    const passed = await this.until(({ data }) => data.eventSeq !== undefined && ++seen === count)
    return passed.filter(({ data }) => data.eventSeq !== undefined)
  }

  /** Resolves when the raw text matches. */
  async untilRaw (fits: (raw: string) => boolean): Promise<string> {
    const deadline = performance.now() + PATIENCE_MS
    while (!fits(this.raw)) {
      if (this.#over || performance.now() > deadline) throw new Error(`waited in vain; raw: ${this.raw.slice(-500)}`)
      await this.#news(deadline)
    }
    return this.raw
  }

  /** Everything that has arrived and was not returned yet. */
  rest (): StreamEvent[] {
    const rest = this.events.slice(this.#taken)
    this.#taken = this.events.length
    return rest
  }

  /** Disconnects, as a client does. */
  async close (): Promise<void> {
    this.#response.destroy()
    await this.ended
  }

  #show (from: number): string {
    return this.events.slice(from).map(({ type, data }) => `${type} ${JSON.stringify(data)}`).join('; ') || 'nothing'
  }

  async #news (deadline: number): Promise<void> {
    await new Promise<void>(resolve => {
      const timer = setTimeout(resolve, Math.max(0, deadline - performance.now()) + 1)
      this.#wake.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  async #read (): Promise<void> {
    const response = this.#response.setEncoding('utf8')
    let rest = ''
    response.on('data', (text: string) => {
      this.raw += text
      const lines = (rest + text).split(/\r\n|\n|\r(?!$)/)
      rest = lines.pop() ?? ''
      for (const line of lines) this.#line(line)
      this.#announce()
    })
    // The connection was cut, or the test closed it.
    response.on('error', () => {})
    await new Promise<void>(resolve => { response.once('close', resolve) })
    this.#over = true
    this.#announce()
  }

  #announce (): void {
    for (const wake of this.#wake.splice(0)) wake()
  }

  // ---- the event that is being read

  #type = ''
  #data: string[] = []
  #id: string | undefined

  #line (line: string): void {
    if (line === '') return this.#dispatch()
    const [, field = '', value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line)!
    if (field === '') this.comments.push(value)
    else if (field === 'event') this.#type = value
    else if (field === 'data') this.#data.push(value)
    else if (field === 'id' && !value.includes('\0')) this.#id = value
    else if (field === 'retry' && /^\d+$/.test(value)) this.retry = Number(value)
  }

  #dispatch (): void {
    if (this.#data.length > 0) {
      this.events.push({ type: this.#type || 'message', data: JSON.parse(this.#data.join('\n')), id: this.#id })
    }
    this.#type = ''
    this.#data = []
    this.#id = undefined
  }
}

/** Opens a stream, which is closed after the test. */
export async function openEvents (t: Test, url: string, headers: Record<string, string> = {}): Promise<EventReader> {
  const reader = await connect(url, headers)
  t.teardown(async () => { await reader.close() })
  return reader
}

/** Opens a stream that the caller closes. It has its own connection, so nothing remains when it is over. */
export async function connect (url: string, headers: Record<string, string> = {}): Promise<EventReader> {
  return await new Promise((resolve, reject) => {
    get(url, { headers, agent: false }, response => { resolve(new EventReader(response)) }).once('error', reject)
  })
}
