import type { Http2Session, ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import type { FastifyReply } from 'fastify'

/** How long a peer has to take the last bytes, in milliseconds. */
const LINGER_MS = 1000

/** What an HTTP/2 response writes to; it tells what the response doesn't: that it is gone. */
export const http2StreamOf = ({ raw }: FastifyReply): ServerHttp2Stream | undefined => (raw as { stream?: ServerHttp2Stream }).stream

/** HTTP/2 connections with streams of events: without one they would stay, and hold up the closing of their server. */
export class Http2Sessions {
  readonly #sockets = new Map<Http2Session, Socket>()

  add ({ session }: ServerHttp2Stream): void {
    if (session === undefined || session.destroyed || this.#sockets.has(session)) return
    // the session shows a stand-in of its socket; what a listener is put on is the socket itself
    this.#sockets.set(session, session.socket.once('close', () => { this.#sockets.delete(session) }) as Socket)
  }

  /** What is under way on them is finished. */
  closeAll (): void {
    for (const [session, socket] of this.#sockets) {
      session.close()
      this.#cutLater(session, socket)
    }
  }

  /** A peer that doesn't read doesn't see that the session is over. */
  #cutLater (session: Http2Session, socket: Socket): void {
    setTimeout(() => {
      if (session.destroyed) socket.destroy()
      else this.#cutLater(session, socket)
    }, LINGER_MS).unref()
  }
}
