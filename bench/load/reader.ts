import type { Sink } from './sink.js'

/** An event as it was read. */
export interface ReadEvent { type: string, id: string | undefined, data: Record<string, unknown> }

/** Reads every event of a stream: for streams with few. */
export class Reader implements Sink {
  #text = ''
  readonly #onEvent: (event: ReadEvent) => void

  constructor (onEvent: (event: ReadEvent) => void) {
    this.#onEvent = onEvent
  }

  take (buffer: Buffer, from: number, to: number): void {
    this.#text += buffer.toString('utf8', from, to)
    for (let end = this.#text.indexOf('\n\n'); end !== -1; end = this.#text.indexOf('\n\n')) {
      const block = this.#text.slice(0, end)
      this.#text = this.#text.slice(end + 2)
      const field = (name: string): string | undefined => new RegExp(`^${name}: ?(.*)$`, 'm').exec(block)?.[1]
      const data = field('data')
      if (data !== undefined) this.#onEvent({ type: field('event') ?? 'message', id: field('id'), data: JSON.parse(data) as Record<string, unknown> })
    }
  }
}
