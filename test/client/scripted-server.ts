import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ChatEvents, EventType } from '../../schemas/events.js'
import { connected } from './made.js'

/** A request, and what the test does with it. */
export class Exchange {
  readonly url: URL
  readonly closed: Promise<unknown>

  constructor (readonly request: IncomingMessage, readonly response: ServerResponse, readonly body: unknown) {
    this.url = new URL(request.url ?? '/', 'http://localhost')
    this.closed = once(response, 'close')
  }

  get token (): string | undefined {
    return this.request.headers.authorization?.replace('Bearer ', '')
  }

  get lastEventId (): string | undefined {
    return this.request.headers['last-event-id'] as string | undefined
  }

  json (status: number, body: unknown, headers: Record<string, string> = {}): this {
    this.response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
    return this
  }

  refuse (status: number, code = 'SOME_CODE', headers: Record<string, string> = {}): this {
    return this.json(status, { statusCode: status, code, error: 'Error', message: `Refused: ${code}` }, headers)
  }

  headers (contentType = 'text/event-stream'): this {
    this.response.writeHead(200, { 'content-type': contentType }).flushHeaders()
    return this
  }

  /** Sends status 200 and `connected`. */
  open (data: Partial<ChatEvents['connected']> = {}, id = 'start'): this {
    return this.headers().event('connected', connected(data), id)
  }

  event<T extends EventType> (type: T, data: ChatEvents[T], id?: string): this {
    return this.raw(frame(type, data, id))
  }

  raw (text: string): this {
    this.response.write(text)
    return this
  }

  end (text?: string): this {
    this.response.end(text)
    return this
  }

  /** Breaks the connection after everything that was written has been sent. */
  cut (): this {
    this.response.write(':\n', () => this.response.destroy())
    return this
  }
}

export const frame = (type: string, data: unknown, id?: string): string =>
  `${id === undefined ? '' : `id: ${id}\n`}event: ${type}\ndata: ${JSON.stringify(data)}\n\n`

interface Teardown { teardown (callback: () => unknown): void }

/** An HTTP server on a free port that passes every request to `script`. `number` counts the requests of one path from 0. */
export async function scriptedServer (
  t: Teardown,
  script: (exchange: Exchange, number: number) => unknown
): Promise<{ baseUrl: string, exchanges: Exchange[], openStreams: () => number }> {
  const exchanges: Exchange[] = []
  const counts = new Map<string, number>()
  const server = createServer((request, response) => {
    let text = ''
    request.setEncoding('utf8').on('data', (piece: string) => { text += piece }).on('end', () => {
      const exchange = new Exchange(request, response, text === '' ? undefined : JSON.parse(text))
      const { pathname } = exchange.url
      const number = counts.get(pathname) ?? 0
      counts.set(pathname, number + 1)
      exchanges.push(exchange)
      response.on('error', () => {})
      script(exchange, number)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    exchanges,
    openStreams: () => exchanges.filter(({ response }) => !response.closed).length
  }
}
