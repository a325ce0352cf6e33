import type { Sink } from './sink.js'

/** Sets aside what a stream says of itself first, up to the end of its `connected` event; the rest goes to the next sink. */
export class Preamble implements Sink {
  #text = ''
  #done = false
  readonly #next: Sink
  readonly #connected: (text: string) => void

  constructor (next: Sink, connected: (text: string) => void) {
    this.#next = next
    this.#connected = connected
  }

  take (buffer: Buffer, from: number, to: number): void {
    if (this.#done) return this.#next.take(buffer, from, to)
    this.#text += buffer.toString('latin1', from, to)
    const start = this.#text.indexOf('connected')
    const end = start === -1 ? -1 : this.#text.indexOf('\n\n', start)
    if (end === -1) return
    const rest = this.#text.length - (end + 2)
    this.#done = true
    this.#connected(this.#text.slice(0, end + 2))
    this.#text = ''
    if (rest > 0) this.#next.take(buffer, to - rest, to)
  }
}
