import { STATUS_CODES, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { ConnectionError } from 'fastify'
import { chatError } from '../errors.js'
import type { ErrorCode } from '../schemas/errors.js'
import { answerOf } from './errors.js'

const codes: Record<string, ErrorCode> = {
  HPE_HEADER_OVERFLOW: 'HEADERS_TOO_LARGE',
  ERR_HTTP_REQUEST_TIMEOUT: 'REQUEST_TIMEOUT'
}

/** Answers what isn't HTTP, breaks off or doesn't come in time (Node.js's `clientError`), and ends its connection. */
export class ClientErrors {
  /** Answers that have begun or whose request is still on its way, by connection. */
  readonly #open = new WeakMap<Socket, Set<ServerResponse>>()

  watch (server: Pick<Server, 'prependListener'>): void {
    server.prependListener('request', (request, response) => { this.#add(request, response) })
  }

  /** The bytes may hold a token and are not logged. */
  answer ({ code }: Pick<ConnectionError, 'code'>, socket: Socket): void {
    // cut on its way by something between: an EventSource whose request it was would give up on any answer
    const isCut = code === 'ECONNRESET' || code === 'HPE_INVALID_EOF_STATE'
    if (!isCut && socket.writable && !this.#isAnswering(socket)) {
      const answer = answerOf(chatError(codes[code] ?? 'BAD_REQUEST'))
      const body = JSON.stringify(answer)
      socket.write(`HTTP/1.1 ${answer.statusCode} ${STATUS_CODES[answer.statusCode]}\r\nConnection: close\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
    }
    socket.destroy()
  }

  /** A second answer would be read as a part of the first, such as a stream's, or as one to a request that wasn't sent. */
  #isAnswering (socket: Socket): boolean {
    for (const response of this.#open.get(socket) ?? []) if (response.headersSent) return true
    return false
  }

  #add (request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request
    let open = this.#open.get(socket)
    if (open === undefined) this.#open.set(socket, open = new Set())
    open.add(response)
    let parts = 2
    const closed = (): void => { if (--parts === 0) open.delete(response) }
    request.once('close', closed)
    response.once('close', closed)
  }
}
