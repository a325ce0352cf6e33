import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

/**
 * A gate in front of a database or a bus. While it is shut, open connections are reset and new ones are refused, as if
 * the server was gone.
 */
export class Gate {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #shut = false

  private constructor (server: Server, target: { host: string, port: number }) {
    this.#server = server
    server.on('connection', inner => {
      if (this.#shut) {
        this.#server.emit('turned away')
        return inner.resetAndDestroy()
      }
      const outer = connect({ ...target, noDelay: true })
      for (const [socket, other] of [[inner, outer], [outer, inner]] as const) {
        this.#sockets.add(socket)
        // The `close` event follows.
        socket.on('error', () => {})
        socket.once('close', () => {
          this.#sockets.delete(socket)
          other.destroy()
        })
        socket.pipe(other)
      }
    })
  }

  /** Stands in front of the server that a URL names. */
  static async before (url: string, defaultPort: number): Promise<Gate> {
    const { hostname, port } = new URL(url)
    const server = createServer({ noDelay: true }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new Gate(server, { host: hostname, port: port === '' ? defaultPort : Number(port) })
  }

  /** The same URL, through the gate. */
  through (url: string): string {
    const through = new URL(url)
    through.hostname = '127.0.0.1'
    through.port = String((this.#server.address() as AddressInfo).port)
    return through.href
  }

  shut (): void {
    this.#shut = true
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  /** Resolves when this many connections have been refused. */
  async turnedAway (count: number): Promise<void> {
    for (let left = count; left > 0; left--) await once(this.#server, 'turned away')
  }

  open (): void {
    this.#shut = false
  }

  async close (): Promise<void> {
    this.shut()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
