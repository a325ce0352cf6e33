import { queryOf } from '../base/base-url.js'
import type { ConnectionRequest, OpenConnection } from './connection.js'
import { ChatError, errorOf, isForeign, networkError } from '../base/errors.js'
import { authorized, discard, jsonOf } from '../base/exchange.js'
import { eventNames } from './event-names.js'
import type { EventSourceEvent, EventSourceLike } from '../base/platform.js'

/**
 * Reads the stream through an `EventSource`. Its own reconnection is not used: it has no backoff, and it opens the same URL,
 * whose ticket has been used up. The event id is sent in the URL, because not every implementation sends the header.
 */
export const openEventSourceConnection: OpenConnection = (request, handlers) => {
  const { options: { EventSource, conversationId, echo, eventSourceHeaders }, baseUrl, token, lastEventId } = request
  const abort = new AbortController()
  let source: EventSourceLike | undefined
  let closed = false

  function close (): void {
    closed = true
    abort.abort()
    source?.close()
  }

  function end (...[cause, error]: Parameters<typeof handlers.onEnd>): void {
    if (closed) return
    close()
    handlers.onEnd(cause, error)
  }

  async function open (): Promise<void> {
    const credential = eventSourceHeaders === true ? {} : await credentialOf(request, abort.signal)
    if (closed || EventSource === undefined) return
    const query = queryOf({ conversationId, echo: echo === true ? true : null, lastEventId, ...credential })
    const opened = source = new EventSource(`${baseUrl}/api/sse${query}`, eventSourceHeaders === true
      // The last two are for react-native-sse: without an interval it does not report that the server closed the stream.
      ? { headers: { Authorization: `Bearer ${token}` }, pollingInterval: 1000, timeoutBeforeConnection: 0 }
      : {})
    let opens = 0
    let connected = false
    // An `EventSource` repeats the last event id on events that have none.
    let lastId = lastEventId

    const reopened = () => end('ended', new ChatError('STREAM_ENDED', 'The server closed the stream'))

    opened.addEventListener('open', () => { if (++opens > 1) reopened() })
    opened.addEventListener('error', (event) => {
      if (closed) return
      opened.close()
      whyOf(event, connected).catch(networkError).then((error) => end('network', error))
    })
    for (const name of eventNames) {
      opened.addEventListener(name, (event: EventSourceEvent) => {
        if (closed || typeof event.data !== 'string') return
        if (name === 'connected') {
          if (connected) return reopened()
          connected = true
        }
        handlers.onActivity()
        const id = event.lastEventId || null
        handlers.onEvent(name, event.data, id === lastId ? null : id)
        lastId = id ?? lastId
      })
    }
  }

  /**
   * The error of a lost connection. Most implementations report no status, and a status without the service's body may be a
   * proxy's: then the service is asked.
   */
  async function whyOf (event: EventSourceEvent | undefined, connected: boolean): Promise<ChatError> {
    const status = event?.xhrStatus ?? event?.code
    if (typeof status === 'number' && status >= 400) {
      // Polyfills pass the body of the response as the message.
      const error = await errorOf({ status, headers: { get: () => null }, json: async () => JSON.parse(event?.message ?? '') })
      if (!isForeign(error)) return error
    }
    return connected ? networkError(event) : await reasonOf(request, abort.signal)
  }

  open().catch((error: unknown) => end('network', networkError(error)))
  return close
}

/**
 * The credential for the URL, if a header cannot be sent: a ticket that opens one stream within 30 s, so that access logs
 * contain no token. It is the token itself only if the server has no tickets.
 */
async function credentialOf (
  { fetch, baseUrl, token, options: { conversationId } }: ConnectionRequest,
  signal: AbortSignal
): Promise<{ ticket: string } | { token: string }> {
  if (fetch === undefined) return { token }
  const response = await authorized(fetch, `${baseUrl}/api/sse/tickets`, 'POST', token, signal, { conversationId })
  if (response.status !== 201) {
    const error = await errorOf(response, signal)
    // A proxy's 404 says nothing about tickets.
    if (error.statusCode === 404 && !isForeign(error)) return { token }
    throw error
  }
  const { ticket } = await jsonOf(response, signal) as { ticket: string }
  return { ticket }
}

/** Finds out why a connection was refused, which an `EventSource` does not report, by requesting what the stream is about. */
async function reasonOf ({ fetch, baseUrl, token, options: { conversationId } }: ConnectionRequest, signal: AbortSignal): Promise<ChatError> {
  if (fetch !== undefined) {
    const path = conversationId === undefined ? 'me' : `conversations/${encodeURIComponent(conversationId)}`
    const response = await authorized(fetch, `${baseUrl}/api/chat/${path}`, 'GET', token, signal)
    if (response.status >= 400) return await errorOf(response, signal)
    discard(response)
  }
  return networkError()
}
