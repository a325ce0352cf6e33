import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { Busboy, type BusboyHeaders, type BusboyInstance } from '@fastify/busboy'
import { chatError } from '../errors.js'
import type { Upload } from '../chat/files.js'
import { invalid } from '../chat/validation.js'
import { limitTime, type UploadTimes } from './upload-time.js'

/** How long the rest of a body that is not needed may come in, in milliseconds: some clients read no answer before they have sent everything. */
const DRAIN_MS = 10_000

/** What else a body may hold: the headers of its part, and the lines around it, in bytes. */
export const MULTIPART_OVERHEAD = 64 * 1024

/**
 * Reads a `multipart/form-data` body that consists of one file, named `file`. Its content has to be read to its end; then it fails if
 * the body is not whole, or has another part. Not @fastify/multipart: its names on requests would clash with a host's own.
 * @throws VALIDATION_FAILED, BAD_REQUEST, REQUEST_TIMEOUT
 */
export async function readFilePart (request: IncomingMessage, times: UploadTimes): Promise<Upload> {
  return await new FilePart(request, times).upload
}

class FilePart {
  readonly upload: Promise<Upload>
  readonly #request: IncomingMessage
  readonly #parser: BusboyInstance
  #stream: Readable | undefined
  #error: Error | undefined
  #found!: (upload: Upload) => void
  #refused!: (error: Error) => void
  #ended: () => void = () => {}
  #endLimit: () => void = () => {}
  #isWhole = false

  constructor (request: IncomingMessage, times: UploadTimes) {
    this.#request = request
    this.upload = new Promise((resolve, reject) => {
      this.#found = resolve
      this.#refused = reject
    })
    this.#parser = parserOf(request)
    const fail = (error: Error) => () => { this.#fail(error) }
    this.#parser
      .on('file', (field, stream, name) => { this.#take(field, stream, name) })
      .on('field', fail(invalid('body must have one part: a file')))
      .on('partsLimit', fail(invalid('body must have one part: a file')))
      .on('finish', () => { this.#finish() })
      .on('error', error => { this.#fail(chatError('BAD_REQUEST', { cause: error })) })
    request.once('error', fail(chatError('BAD_REQUEST')))
    request.once('close', () => { if (!request.complete) this.#fail(chatError('BAD_REQUEST')) })
    // It may have gone before anybody listened.
    if (request.destroyed) this.#fail(chatError('BAD_REQUEST'))
    else {
      this.#endLimit = limitTime(request, times, fail(chatError('REQUEST_TIMEOUT')))
      request.pipe(this.#parser)
    }
  }

  #take (field: string, stream: Readable, name: string | undefined): void {
    // Without a listener, an error would end the process.
    stream.on('error', () => {})
    if (this.#stream !== undefined || field !== 'file' || name === undefined) {
      stream.resume()
      this.#fail(invalid('body must have one part: a file, named file, with a filename'))
      return
    }
    this.#stream = stream
    this.#found({ name, content: this.#content(stream) })
  }

  async * #content (stream: Readable): AsyncIterable<Uint8Array> {
    try {
      yield * stream as AsyncIterable<Uint8Array>
      if (!this.#isWhole && this.#error === undefined) await new Promise<void>(resolve => { this.#ended = resolve })
      if (this.#error !== undefined) throw this.#error
    } finally {
      this.#drain()
    }
  }

  #finish (): void {
    this.#isWhole = true
    if (this.#stream === undefined) this.#fail(invalid('body must have a part named file'))
    this.#ended()
  }

  #fail (error: Error): void {
    this.#error ??= error
    this.#refused(this.#error)
    this.#stream?.destroy(this.#error)
    this.#drain()
    this.#ended()
  }

  #drain (): void {
    const request = this.#request
    this.#endLimit()
    request.unpipe(this.#parser)
    if (request.readableEnded || request.destroyed) return
    request.resume()
    const timer = setTimeout(() => { request.destroy() }, DRAIN_MS).unref()
    request.once('close', () => { clearTimeout(timer) })
  }
}

function parserOf ({ headers }: IncomingMessage): BusboyInstance {
  try {
    return new Busboy({
      headers: headers as BusboyHeaders,
      preservePath: true,
      fileHwm: 64 * 1024,
      limits: { fields: 1, fieldSize: 1024, parts: 1, headerPairs: 100 }
    })
  } catch (error) {
    throw chatError('BAD_REQUEST', { cause: error })
  }
}
