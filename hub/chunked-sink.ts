import { ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import type { Sink } from './stream.js'

const CRLF = Buffer.from('\r\n')

/** The last bytes, and their chunk: one Buffer is written to the streams of an audience one after the other. */
let lastBytes: Buffer | undefined
let lastChunk: Buffer | undefined

/** The bytes as a chunk of HTTP/1.1 (RFC 9112, 7.1). */
function chunkOf (bytes: Buffer): Buffer {
  if (bytes !== lastBytes) {
    lastBytes = bytes
    lastChunk = Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, CRLF])
  }
  return lastChunk!
}

/**
 * Writes the body of an HTTP/1.1 response to its socket directly, as chunks that are made once for all streams.
 *
 * `ServerResponse.write` corks the socket and writes three pieces for each stream in a later tick. That takes half as much CPU
 * again, and the hub could not limit what a turn of the event loop writes.
 */
export class ChunkedSink implements Sink {
  readonly #response: ServerResponse
  readonly #socket: Socket

  private constructor (response: ServerResponse, socket: Socket) {
    this.#response = response
    this.#socket = socket
  }

  /** For a response whose head has been sent. Any other sink (HTTP/2, HTTP/1.0, a host's own) is returned as it is. */
  static over (response: Sink): Sink {
    return response instanceof ServerResponse && response.headersSent && response.chunkedEncoding &&
      response.socket instanceof Socket && response.writableLength === response.socket.writableLength
      ? new ChunkedSink(response, response.socket)
      : response
  }

  write (bytes: Buffer | string): boolean {
    return this.#socket.write(chunkOf(typeof bytes === 'string' ? Buffer.from(bytes) : bytes))
  }

  end (): void {
    this.#response.end()
  }

  destroy (): void {
    this.#response.destroy()
  }

  get writableLength (): number {
    return this.#response.writableLength
  }

  get writableEnded (): boolean {
    return this.#response.writableEnded
  }

  get destroyed (): boolean {
    return this.#response.destroyed
  }

  on (event: 'close' | 'drain' | 'error', listener: () => void): void {
    // The response emits `drain` only after a write of its own
    if (event === 'drain') this.#socket.on(event, listener)
    else this.#response.on(event, listener)
  }
}
