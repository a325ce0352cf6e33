import type { Socket } from 'node:net'
import type { Sink } from './sink.js'
import { openSocket } from './sockets.js'

const PING = 0x32
const EVENT = '42'

/**
 * A lean socket.io client (Engine.IO 4 over RFC 6455): hands on the payload of each event, followed by an empty line, so
 * that it reads like an event stream's. Servers send their frames unmasked.
 */
export class SocketIoStream {
  readonly #socket: Socket
  readonly #sink: Sink
  readonly #connected: () => void
  #waiting = Buffer.alloc(0)
  #upgraded = false
  closed = false

  constructor (port: number, sink: Sink, connected: () => void) {
    this.#sink = sink
    this.#connected = connected
    this.#socket = openSocket(port, (buffer, bytes) => { this.#read(buffer.subarray(0, bytes)) }, () => { this.closed = true })
    this.#socket.write('GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n' +
      'Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n')
  }

  close (): void {
    this.#socket.destroy()
  }

  #read (bytes: Buffer): void {
    let data = this.#waiting.length === 0 ? bytes : Buffer.concat([this.#waiting, bytes])
    if (!this.#upgraded) {
      const end = data.indexOf('\r\n\r\n')
      if (end === -1) {
        this.#waiting = Buffer.from(data)
        return
      }
      this.#upgraded = true
      data = data.subarray(end + 4)
    }
    for (;;) {
      const short = data.length < 2 ? 0 : data[1]! & 127
      const head = short < 126 ? 2 : short === 126 ? 4 : 10
      if (data.length < head) break
      const size = short < 126 ? short : short === 126 ? data.readUInt16BE(2) : Number(data.readBigUInt64BE(2))
      if (data.length < head + size) break
      this.#frame(data.subarray(head, head + size))
      data = data.subarray(head + size)
    }
    this.#waiting = Buffer.from(data)
  }

  #frame (payload: Buffer): void {
    if (payload[0] === PING && payload.length === 1) return this.#send('3')
    const kind = payload.toString('latin1', 0, 2)
    if (kind === EVENT) {
      // 42["message",{…}] → the object
      const event = Buffer.from(`data:${payload.toString('utf8', payload.indexOf(',') + 1, payload.length - 1)}\n\n`)
      this.#sink.take(event, 0, event.length)
    } else if (kind.startsWith('0')) {
      this.#send('40')
    } else if (kind === '40') {
      this.#connected()
    }
  }

  /** A client's frames are masked; with zeros here. */
  #send (text: string): void {
    this.#socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)]))
  }
}
