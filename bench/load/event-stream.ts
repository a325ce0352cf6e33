import type { Socket } from 'node:net'
import type { Sink } from './sink.js'
import { openSocket } from './sockets.js'

const LF = 10
const CR = 13

/**
 * A lean reader of one HTTP/1.1 event stream: takes the chunks (RFC 9112, 7.1) off, and hands on what they hold without
 * copying or reading it.
 */
export class EventStream {
  readonly #socket: Socket
  readonly #sink: Sink
  #head = ''
  #inBody = false
  #chunked = true
  #left = 0
  #size = ''
  status = 0
  closed = false

  constructor (port: number, path: string, headers: Record<string, string>, sink: Sink) {
    this.#sink = sink
    this.#socket = openSocket(port, (buffer, bytes) => { this.#read(buffer, bytes) }, () => { this.closed = true })
    const lines = Object.entries({ Host: '127.0.0.1', Accept: 'text/event-stream', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`)
    this.#socket.write(`GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`)
  }

  close (): void {
    this.#socket.destroy()
  }

  #read (buffer: Buffer, bytes: number): void {
    let at = this.#inBody ? 0 : this.#readHead(buffer, bytes)
    if (!this.#chunked) {
      if (at < bytes) this.#sink.take(buffer, at, bytes)
      return
    }
    while (at < bytes) {
      if (this.#left > 0) {
        const end = Math.min(bytes, at + this.#left)
        this.#sink.take(buffer, at, end)
        this.#left -= end - at
        at = end
      } else {
        const byte = buffer[at++]!
        if (byte === LF && this.#size !== '') {
          this.#left = parseInt(this.#size, 16)
          this.#size = ''
        } else if (byte !== LF && byte !== CR) {
          this.#size += String.fromCharCode(byte)
        }
      }
    }
  }

  #readHead (buffer: Buffer, bytes: number): number {
    const before = this.#head.length
    this.#head += buffer.toString('latin1', 0, bytes)
    const end = this.#head.indexOf('\r\n\r\n')
    if (end === -1) return bytes
    this.status = Number(this.#head.slice(9, 12))
    if (this.status !== 200) throw new Error(`void: a stream was answered ${this.status}`)
    this.#chunked = /^transfer-encoding: *chunked/im.test(this.#head.slice(0, end))
    this.#inBody = true
    this.#head = ''
    return end + 4 - before
  }
}
