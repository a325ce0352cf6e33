import { createParser } from 'eventsource-parser'

/** The longest event, in characters: a server that never ends one must not fill the memory here. */
const MAX_EVENT = 2 ** 20

export interface ParserHandlers {
  /** `id` is undefined for an event without one. */
  onEvent (type: string, data: string, id: string | undefined): void
  onRetry (ms: number): void
}

/**
 * Parses text/event-stream (HTML Standard, 9.2.6) from bytes, in whatever pieces they come.
 *
 * @returns a function that takes the next piece
 */
export function createEventParser (handlers: ParserHandlers): (bytes: Uint8Array) => void {
  const decoder = new TextDecoder() // takes the one byte order mark off
  const parser = createParser({
    onEvent: ({ event = 'message', data, id }) => handlers.onEvent(event, data, id),
    onRetry: (ms) => handlers.onRetry(ms),
    onError (error) { if (error.type === 'max-buffer-size-exceeded') throw error },
    maxBufferSize: MAX_EVENT
  })
  let afterReturn = false
  return (bytes) => {
    const text = decoder.decode(bytes, { stream: true })
    if (text === '') return
    // The parser holds a line back that ends with CR, to see whether LF follows: with every line end made LF, an event
    // is handed on when it is complete, not with the next one.
    const rest = afterReturn && text.startsWith('\n') ? text.slice(1) : text
    afterReturn = text.endsWith('\r')
    parser.feed(rest.replace(/\r\n?/g, '\n'))
  }
}
