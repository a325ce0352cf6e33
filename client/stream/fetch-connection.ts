import { queryOf } from '../base/base-url.js'
import type { OpenConnection } from './connection.js'
import { ChatError, errorOf, networkError } from '../base/errors.js'
import { discard, exchange, readAll, readerOf } from '../base/exchange.js'
import { createEventParser } from './parser.js'

/** Reads the stream through a `fetch` with a streaming body. The token and the event id are sent in headers. */
export const openFetchConnection: OpenConnection = ({ options, baseUrl, fetch, token, lastEventId }, handlers) => {
  const abort = new AbortController()
  const { signal } = abort

  async function read (): Promise<void> {
    if (fetch === undefined) throw new ChatError('NO_STREAMING', 'There is no fetch here: hand one in')
    const headers: Record<string, string> = { Accept: 'text/event-stream', Authorization: `Bearer ${token}` }
    if (lastEventId !== null) headers['Last-Event-ID'] = lastEventId
    const { conversationId, echo } = options
    const response = await exchange(fetch, `${baseUrl}/api/sse${queryOf({ conversationId, echo: echo === true ? true : null })}`, {
      method: 'GET',
      headers,
      signal,
      // Otherwise a browser may delay the request of a second tab, to see whether the first response can be cached.
      cache: 'no-store'
    })
    if (response.status !== 200) throw await errorOf(response, signal)
    if (!/^text\/event-stream\b/i.test(response.headers.get('content-type') ?? '')) {
      discard(response)
      throw new ChatError('NOT_A_STREAM', 'The answer is no event stream')
    }
    const reader = readerOf(response)
    if (reader === null) {
      throw new ChatError('NO_STREAMING', 'This fetch can\'t stream: hand in another, or an EventSource')
    }
    const parse = createEventParser({
      onEvent: (type, data, id) => { if (!signal.aborted) handlers.onEvent(type, data, id ?? null) },
      onRetry: (ms) => { if (!signal.aborted) handlers.onRetry(ms) }
    })
    await readAll(reader, signal, (piece) => {
      handlers.onActivity()
      if (piece !== undefined) parse(piece)
    })
  }

  function end (...[cause, error]: Parameters<typeof handlers.onEnd>): void {
    if (signal.aborted) return
    abort.abort()
    handlers.onEnd(cause, error)
  }

  read().then(
    () => end('ended', new ChatError('STREAM_ENDED', 'The server closed the stream')),
    (error: unknown) => end('network', networkError(error))
  )
  return () => { abort.abort() }
}
