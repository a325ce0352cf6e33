import { connect, type Socket } from 'node:net'

const ID_LINE = Buffer.from('\nid: ')
const LINE_END = 10
/** The last bytes that were read, which show why a stream ended. */
const TAIL = 400

export interface RawReaderOptions {
  port: number
  token: string
  conversationId: string
  lastEventId?: string
  /** Called each time something has arrived. */
  onProgress?: () => void
}

/**
 * A subscriber of one conversation for crowds of thousands. It looks only at the ids in the bytes that arrive, and
 * checks that their numbers have no gap, no repetition and the right order.
 */
export class RawReader {
  /** The number in the last id, and the count of events. */
  seq = -1
  events = 0
  lastId: string | undefined
  connected = false
  closed = false
  problem: string | undefined
  readonly #options: RawReaderOptions
  readonly #socket: Socket
  #rest: Buffer = Buffer.alloc(0)
  #tail = ''

  constructor (options: RawReaderOptions) {
    this.#options = options
    const { port, token, conversationId, lastEventId } = options
    this.#socket = connect({ port, host: '127.0.0.1' })
    const resume = lastEventId === undefined ? '' : `Last-Event-ID: ${lastEventId}\r\n`
    this.#socket.write(`GET /api/sse?conversationId=${encodeURIComponent(conversationId)} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n${resume}\r\n`)
    this.#socket.on('data', (bytes: Buffer) => { this.#read(bytes) })
    this.#socket.on('error', () => {})
    this.#socket.on('close', () => {
      this.closed = true
      options.onProgress?.()
    })
  }

  /** The end of the stream. */
  get tail (): string {
    return this.#tail
  }

  /** Stops reading. */
  stopReading (): void {
    this.#socket.pause()
  }

  close (): void {
    this.#socket.destroy()
  }

  #read (bytes: Buffer): void {
    const text = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    this.#tail = text.subarray(-TAIL).toString('latin1')
    let from = 0
    for (let start = text.indexOf(ID_LINE); start !== -1; start = text.indexOf(ID_LINE, from)) {
      const end = text.indexOf(LINE_END, start + ID_LINE.length)
      if (end === -1) break
      this.#take(text.toString('latin1', start + ID_LINE.length, end))
      from = end
    }
    // An id that is cut, or the beginning of one.
    const cut = text.indexOf(ID_LINE, from)
    this.#rest = Buffer.from(text.subarray(cut === -1 ? Math.max(from, text.length - ID_LINE.length + 1) : cut))
    this.#options.onProgress?.()
  }

  #take (id: string): void {
    const seq = Number(id.slice(id.lastIndexOf('.') + 1))
    if (!this.connected) {
      this.connected = true
      if (this.#options.lastEventId !== undefined && this.#options.lastEventId !== id) this.problem ??= `resumed from ${this.#options.lastEventId}, connected at ${id}`
    } else {
      this.events++
      if (seq !== this.seq + 1) this.problem ??= `${id} after ${this.seq}`
    }
    this.seq = seq
    this.lastId = id
  }
}
