import { queryOf } from './base-url.js'
import type { OpenConnection } from './connection.js'
import { ChatError, errorOf, networkError } from './errors.js'
import { createEventParser } from './parser.js'

/** The stream through a `fetch` whose body can be read while it comes. Token and position go into headers. */
export const openFetchConnection: OpenConnection = ({ options, baseUrl, fetch, token, lastEventId }, handlers) => {
  const abort = new AbortController()
  let closed = false

  async function read (): Promise<void> {
    if (fetch === undefined) throw new ChatError('NO_STREAMING', 'There is no fetch on this platform: hand one in')
    const headers: Record<string, string> = { Accept: 'text/event-stream', Authorization: `Bearer ${token}` }
    if (lastEventId !== null) headers['Last-Event-ID'] = lastEventId
    const { conversationId, echo } = options
    const response = await fetch(`${baseUrl}/api/sse${queryOf({ conversationId, echo: echo === true ? true : null })}`, {
      method: 'GET',
      headers,
      signal: abort.signal,
      // Else a browser may hold a second tab's request back until the first one's answer could be cached.
      cache: 'no-store'
    })
    if (response.status !== 200) throw await errorOf(response)
    if (!/^text\/event-stream\b/i.test(response.headers.get('content-type') ?? '')) {
      throw new ChatError('NOT_A_STREAM', 'The server answered something else than an event stream')
    }
    if (typeof response.body?.getReader !== 'function') {
      throw new ChatError('NO_STREAMING', 'This fetch can\'t stream: hand in another one, or an EventSource')
    }
    const reader = response.body.getReader()
    const parse = createEventParser({
      onEvent: (type, data, id) => { if (!closed) handlers.onEvent(type, data, id ?? null) },
      onRetry: (ms) => { if (!closed) handlers.onRetry(ms) }
    })
    for (;;) {
      const { done, value } = await reader.read()
      if (closed || done) return
      handlers.onActivity()
      if (value !== undefined) parse(value)
    }
  }

  function close (): void {
    closed = true
    abort.abort()
  }

  function end (...[cause, error]: Parameters<typeof handlers.onEnd>): void {
    if (closed) return
    close()
    handlers.onEnd(cause, error)
  }

  read().then(
    () => end('ended', new ChatError('STREAM_ENDED', 'The server closed the stream')),
    (error: unknown) => end('network', networkError(error))
  )
  return close
}
