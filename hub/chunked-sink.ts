import { ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import type { Sink } from './stream.js'

const CRLF = Buffer.from('\r\n')

/** What was written last, and as a chunk: the streams of one audience are written the same Buffer one after the other. */
let lastBytes: Buffer | undefined
let lastChunk: Buffer | undefined

/** One chunk of HTTP/1.1's chunked coding (RFC 9112, 7.1). */
function chunkOf (bytes: Buffer): Buffer {
  if (bytes !== lastBytes) {
    lastBytes = bytes
    lastChunk = Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, CRLF])
  }
  return lastChunk!
}

/**
 * An HTTP/1.1 response whose body is written to its socket directly, as chunks that are made once for all streams.
 *
 * `ServerResponse.write` would cork the socket and write in a later tick, three pieces for each stream: that takes half as
 * much CPU again, and a turn of the event loop would write far more than it has counted, out of the hub's sight.
 */
export class ChunkedSink implements Sink {
  readonly #response: ServerResponse
  readonly #socket: Socket

  private constructor (response: ServerResponse, socket: Socket) {
    this.#response = response
    this.#socket = socket
  }

  /** Takes a response whose head is sent. Any other one (HTTP/2, HTTP/1.0, a host's own) is written to as it is. */
  static over (response: Sink): Sink {
    return response instanceof ServerResponse && response.headersSent && response.chunkedEncoding && response.socket instanceof Socket && response.writableLength === response.socket.writableLength
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
    // the response tells of a drain only after a write of its own
    if (event === 'drain') this.#socket.on(event, listener)
    else this.#response.on(event, listener)
  }
}
