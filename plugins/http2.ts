import type { Http2Session, ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import type { FastifyReply } from 'fastify'

/** Time for the peer to read the last bytes, in milliseconds. */
const LINGER_MS = 1000

/** The stream under an HTTP/2 response. Unlike the response, it reports that it has been closed. */
export const http2StreamOf = ({ raw }: FastifyReply): ServerHttp2Stream | undefined => (raw as { stream?: ServerHttp2Stream }).stream

/** HTTP/2 connections with event streams. Unless they are closed, they stay open after the streams and delay closing the server. */
export class Http2Sessions {
  readonly #sockets = new Map<Http2Session, Socket>()

  add ({ session }: ServerHttp2Stream): void {
    if (session === undefined || session.destroyed || this.#sockets.has(session)) return
    // `session.socket` is a proxy; `once` returns the socket itself.
    this.#sockets.set(session, session.socket.once('close', () => { this.#sockets.delete(session) }) as Socket)
  }

  /** Closes all connections once their open streams have ended. */
  closeAll (): void {
    for (const [session, socket] of this.#sockets) {
      session.close()
      this.#cutLater(session, socket)
    }
  }

  /** A peer that does not read does not notice that the session has been closed. */
  #cutLater (session: Http2Session, socket: Socket): void {
    setTimeout(() => {
      if (session.destroyed) socket.destroy()
      else this.#cutLater(session, socket)
    }, LINGER_MS).unref()
  }
}
