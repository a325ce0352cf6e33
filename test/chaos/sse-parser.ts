/** An event as it arrived. It has an `id` only if this very event had one. */
export interface SseEvent {
  type: string
  data: string
  id: string | undefined
}

/** Parses an event stream (HTML Living Standard, 9.2.6), cut at any byte. Written independently of the server's and the client's code. */
export class SseParser {
  readonly #decoder = new TextDecoder()
  #rest = ''
  #type = ''
  #data: string[] = []
  #id: string | undefined
  /** The last `retry:` field, in milliseconds. */
  retry: number | undefined
  comments = 0

  push (bytes: Uint8Array): SseEvent[] {
    this.#rest += this.#decoder.decode(bytes, { stream: true })
    const events: SseEvent[] = []
    for (let end = this.#rest.indexOf('\n'); end !== -1; end = this.#rest.indexOf('\n')) {
      const line = this.#rest.slice(0, end)
      this.#rest = this.#rest.slice(end + 1)
      if (line.includes('\r')) throw new Error('a carriage return in the stream')
      if (line === '') this.#dispatch(events)
      else this.#field(line)
    }
    return events
  }

  #dispatch (events: SseEvent[]): void {
    if (this.#data.length > 0) events.push({ type: this.#type === '' ? 'message' : this.#type, data: this.#data.join('\n'), id: this.#id })
    this.#type = ''
    this.#data = []
    this.#id = undefined
  }

  #field (line: string): void {
    const colon = line.indexOf(':')
    if (colon === 0) {
      this.comments++
      return
    }
    const name = colon === -1 ? line : line.slice(0, colon)
    const value = colon === -1 ? '' : line.slice(colon + (line[colon + 1] === ' ' ? 2 : 1))
    if (name === 'event') this.#type = value
    else if (name === 'data') this.#data.push(value)
    else if (name === 'id') this.#id = value
    else if (name === 'retry') this.retry = Number(value)
    else throw new Error(`an unknown field in the stream: ${name}`)
  }
}
