import { STATUS_CODES, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { ConnectionError } from 'fastify'
import { chatError } from '../errors.js'
import type { ErrorCode } from '../schemas/errors.js'
import { answerOf } from './errors.js'
import { isUploading } from './upload-time.js'

const codes: Record<string, ErrorCode> = {
  HPE_HEADER_OVERFLOW: 'HEADERS_TOO_LARGE',
  ERR_HTTP_REQUEST_TIMEOUT: 'REQUEST_TIMEOUT'
}

/** Answers requests that are malformed, incomplete or late (the `clientError` event of Node.js), and closes the connection. */
export class ClientErrors {
  /** Responses that have started, or whose request is still being received, by connection. */
  readonly #open = new WeakMap<Socket, Set<ServerResponse>>()

  watch (server: Pick<Server, 'prependListener'>): void {
    server.prependListener('request', (request, response) => { this.#add(request, response) })
  }

  /** Does not log the bytes: they may contain a token. */
  answer ({ code }: Pick<ConnectionError, 'code'>, socket: Socket): void {
    // Node.js has stopped looking at this request. Its own limits apply until it ends.
    if (code === 'ERR_HTTP_REQUEST_TIMEOUT' && isUploading(socket)) return
    // The connection was cut on its way. If the request was an EventSource's, any answer would make it give up.
    const isCut = code === 'ECONNRESET' || code === 'HPE_INVALID_EOF_STATE'
    if (!isCut && socket.writable && !this.#isAnswering(socket)) {
      const answer = answerOf(chatError(codes[code] ?? 'BAD_REQUEST'))
      const body = JSON.stringify(answer)
      socket.write(`HTTP/1.1 ${answer.statusCode} ${STATUS_CODES[answer.statusCode]}\r\nConnection: close\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
    }
    socket.destroy()
  }

  /** Whether a response is under way. Another one would be read as part of it, or as the answer to a later request. */
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
