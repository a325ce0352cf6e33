/** The longest event, in characters. An event that never ends must not fill the client's memory. */
const MAX_EVENT = 2 ** 20

export interface ParserHandlers {
  /** `id` is undefined for an event without one. */
  onEvent (type: string, data: string, id: string | undefined): void
  onRetry (ms: number): void
}

/**
 * Parses `text/event-stream` (HTML Standard, 9.2.6) from chunks of bytes of any size. An event is passed on as soon as its
 * last byte has arrived. It takes linear time. Why it is not a library: docs/decisions/0014-client-parser.md.
 *
 * @returns a function that takes the next chunk; it throws if an event is longer than 2²⁰ characters
 */
export function createEventParser (handlers: ParserHandlers): (bytes: Uint8Array) => void {
  const decoder = new TextDecoder() // Strips one byte order mark
  let afterReturn = false
  /** The parts of a line that has not ended yet. */
  let pieces: string[] = []
  let data: string[] = []
  let type = ''
  let id: string | undefined
  /** The lengths of the unfinished event's data and of the unfinished line, in characters. */
  let dataLength = 0
  let lineLength = 0

  function take (line: string): void {
    if (line === '') {
      if (data.length > 0) handlers.onEvent(type || 'message', data.join('\n'), id)
      data = []
      type = ''
      id = undefined
      dataLength = 0
      return
    }
    const colon = line.indexOf(':')
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    if (field === 'data') {
      data.push(value)
      dataLength += value.length
    } else if (field === 'event') type = value
    else if (field === 'id' && !value.includes('\0')) id = value
    else if (field === 'retry' && /^\d+$/.test(value)) handlers.onRetry(Number(value))
  }

  return (bytes) => {
    const text = decoder.decode(bytes, { stream: true })
    if (text === '') return
    // An LF after a CR that ended the last chunk belongs to the same line end.
    const lines = (afterReturn && text[0] === '\n' ? text.slice(1) : text).split(/\r\n|\r|\n/)
    afterReturn = text.endsWith('\r')
    const rest = lines.pop() ?? ''
    for (const line of lines) {
      take(pieces.join('') + line)
      pieces = []
      lineLength = 0
    }
    if (rest !== '') pieces.push(rest)
    lineLength += rest.length
    if (dataLength + lineLength > MAX_EVENT) throw new Error('An event is too long')
  }
}
