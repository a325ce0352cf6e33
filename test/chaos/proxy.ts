import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Rng } from './rng.js'

export interface ProxyFaults {
  /** The mean time until a connection is cut, in milliseconds. */
  cutEveryMs: number
  /** The share of chunks that are delayed by a few milliseconds, and by about a second. */
  delays: number
  stalls: number
  /** The share of chunks that are passed on in pieces, cut at any byte. */
  splits: number
}

export interface ProxyCounters { connections: number, cuts: number, halfCloses: number, stalls: number, delays: number, splits: number }

/** How long a half-closed connection stays so, in milliseconds. */
const HALF_CLOSED_MS = 1500

/**
 * TCP between clients and a server, in the worst possible condition: cuts (FIN or RST, also in the middle of an event),
 * half-closed connections, stalls, delays, and chunks that arrive in many pieces.
 */
export class Proxy {
  readonly counters: ProxyCounters = { connections: 0, cuts: 0, halfCloses: 0, stalls: 0, delays: 0, splits: 0 }
  /** The port is kept when it is closed: connections are refused then. */
  readonly port: number
  readonly #server: Server
  readonly #target: number
  readonly #faults: ProxyFaults
  readonly #rng: Rng
  readonly #links = new Set<Link>()
  #calm = true

  private constructor (server: Server, target: number, faults: ProxyFaults, rng: Rng) {
    this.port = (server.address() as AddressInfo).port
    this.#server = server
    this.#target = target
    this.#faults = faults
    this.#rng = rng
    server.on('connection', client => { this.#link(client) })
  }

  /** Does no harm at first. */
  static async listen (target: number, faults: ProxyFaults, rng: Rng): Promise<Proxy> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new Proxy(server, target, faults, rng)
  }

  get calm (): boolean {
    return this.#calm
  }

  /** Starts to do harm, or stops: delayed chunks are then passed on. */
  set calm (calm: boolean) {
    this.#calm = calm
    for (const link of this.#links) {
      if (calm) link.release()
      else link.schedule()
    }
  }

  /** Cuts all open connections. */
  cutAll (): void {
    for (const link of this.#links) link.destroy()
  }

  async close (): Promise<void> {
    this.cutAll()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #link (client: Socket): void {
    this.counters.connections++
    const upstream = connect({ port: this.#target, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    const link = new Link(client, upstream, this, this.#faults, this.#rng.fork(`link ${this.counters.connections}`))
    this.#links.add(link)
    link.closed.then(() => { this.#links.delete(link) }, () => {})
    if (!this.#calm) link.schedule()
  }
}

/** A connection, and how it will end. */
class Link {
  readonly closed: Promise<unknown>
  readonly #client: Socket
  readonly #upstream: Socket
  readonly #proxy: Proxy
  readonly #faults: ProxyFaults
  readonly #rng: Rng
  readonly #held = new AbortController()
  #fate: NodeJS.Timeout | undefined
  /** The client is told the end at this byte from the server. */
  #cutAtByte = Infinity
  #bytes = 0
  #half = false

  constructor (client: Socket, upstream: Socket, proxy: Proxy, faults: ProxyFaults, rng: Rng) {
    this.#client = client
    this.#upstream = upstream
    this.#proxy = proxy
    this.#faults = faults
    this.#rng = rng
    this.closed = Promise.all([closeOf(client), closeOf(upstream)])
    for (const socket of [client, upstream]) {
      // The `close` event follows.
      socket.on('error', () => {})
      socket.once('close', () => { this.destroy() })
    }
    void this.#pump(client, upstream, false)
    void this.#pump(upstream, client, true)
  }

  /** Draws when and how the connection ends. */
  schedule (): void {
    this.#cutAtByte = this.#rng.chance(0.3) ? this.#bytes + this.#rng.integer(1, 20_000) : Infinity
    this.#fate = setTimeout(() => { this.#cut() }, this.#rng.exponential(this.#faults.cutEveryMs))
  }

  release (): void {
    clearTimeout(this.#fate)
    this.#cutAtByte = Infinity
    this.#held.abort()
    if (this.#half) this.destroy()
  }

  destroy (): void {
    clearTimeout(this.#fate)
    this.#held.abort()
    this.#client.destroy()
    this.#upstream.destroy()
  }

  #cut (whole = false): void {
    if (this.#client.destroyed || this.#upstream.destroyed) return
    const { counters } = this.#proxy
    counters.cuts++
    const half = whole ? 0 : 1
    const kind = this.#rng.weighted({ fin: 4, rst: 4, clientHalf: half, serverHalf: half })
    if (kind === 'fin') return this.destroy()
    if (kind === 'rst') {
      this.#client.resetAndDestroy()
      this.#upstream.resetAndDestroy()
      return
    }
    counters.halfCloses++
    this.#half = true
    // The other side is not told, and continues to write.
    if (kind === 'clientHalf') this.#client.end()
    else this.#upstream.end()
    this.#fate = setTimeout(() => { this.destroy() }, HALF_CLOSED_MS)
  }

  async #pump (from: Socket, to: Socket, counted: boolean): Promise<void> {
    try {
      for await (const chunk of from as AsyncIterable<Buffer>) {
        for (const piece of this.#pieces(chunk)) {
          if (counted && this.#bytes + piece.length > this.#cutAtByte) {
            to.write(piece.subarray(0, this.#cutAtByte - this.#bytes))
            this.#cutAtByte = Infinity
            this.#cut(true)
            return
          }
          if (counted) this.#bytes += piece.length
          await this.#hold()
          if (to.writable && !to.write(piece)) await Promise.race([once(to, 'drain'), closeOf(to)])
        }
      }
      if (to.writable) to.end()
    } catch {
      this.destroy()
    }
  }

  #pieces (chunk: Buffer): Buffer[] {
    if (this.#proxy.calm || chunk.length < 2 || !this.#rng.chance(this.#faults.splits)) return [chunk]
    this.#proxy.counters.splits++
    const pieces: Buffer[] = []
    let start = 0
    for (let left = this.#rng.integer(1, 4); left > 0 && start < chunk.length - 1; left--) {
      const end = this.#rng.integer(start + 1, chunk.length - 1)
      pieces.push(chunk.subarray(start, end))
      start = end
    }
    pieces.push(chunk.subarray(start))
    return pieces
  }

  async #hold (): Promise<void> {
    if (this.#proxy.calm) return
    const draw = this.#rng.next()
    const { stalls, delays } = this.#faults
    if (draw >= stalls + delays) return
    const stall = draw < stalls
    this.#proxy.counters[stall ? 'stalls' : 'delays']++
    const ms = stall ? this.#rng.between(100, 2500) : this.#rng.between(1, 30)
    await sleep(ms, undefined, { signal: this.#held.signal }).catch(() => {})
  }
}

async function closeOf (socket: Socket): Promise<void> {
  if (!socket.closed) await new Promise<void>(resolve => socket.once('close', () => { resolve() }))
}
