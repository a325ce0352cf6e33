import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

/** Where a database or a bus is found. While the gate is shut, it is as if that had gone: what was open is reset, what comes is turned away. */
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
        // the close follows
        socket.on('error', () => {})
        socket.once('close', () => {
          this.#sockets.delete(socket)
          other.destroy()
        })
        socket.pipe(other)
      }
    })
  }

  /** Stands in front of what a URL names. */
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

  /** Resolves when so many have come in vain. */
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
