import type { ChatEvents } from '../../schemas/events.js'
import { backoff } from '../base/backoff.js'
import { baseUrlOf } from '../base/base-url.js'
import { elapsedMs } from '../base/clock.js'
import { openEventSourceConnection } from './event-source-connection.js'
import { openFetchConnection } from './fetch-connection.js'
import { ChatError, isTransient, networkError } from '../base/errors.js'
import type { DisconnectCause, Reconnect, StreamEvent, StreamOptions, StreamState } from '../options.js'
import { LONGEST_TIMEOUT_MS, platform, type FetchLike, type Timer } from '../base/platform.js'
import { keepRenewed } from './renewal.js'
import { resolveToken } from '../base/token.js'
import { onWake } from './wake.js'

/** The interval of heartbeats if the server does not name its own. */
const HEARTBEAT_MS = 30_000
/** A stream on which nothing arrived for this many heartbeats counts as dead. */
const SILENT_HEARTBEATS = 2.5
/**
 * After a stream that lasted this long, the backoff starts again. A shorter one resets the number of attempts, because it
 * was connected, but the delays keep growing: a server that drops every stream at once is not flooded with requests.
 */
const LASTED_MS = 5000
/** A connection without a response for this long is opened again when the page becomes visible. */
const HANGS_MS = 5000

/**
 * What a stream reports to. The stream is in its new state before it calls any of these, and each of them may do anything
 * to the stream, such as close it.
 */
export interface StreamSink {
  /** The event id at which the next connection resumes. */
  readonly position: string | null
  event (...event: StreamEvent): void
  disconnect (reason: DisconnectCause): void
  reconnecting (reconnect: Reconnect): void
  /** Something went wrong, but the stream continues. */
  error (error: unknown): void
  /** The stream has ended for good. */
  failed (error: ChatError): void
}

export interface Stream {
  readonly state: StreamState
  /** Reconnects without delay, except for one that the server asked for, and drops a connection that has gone silent. */
  wake (): void
  close (): void
}

/** How a connection was lost. */
interface Loss {
  cause: DisconnectCause
  error: ChatError
  /** Whether the server said not to return. Undefined if it said nothing. */
  final?: boolean
  /** The `disconnect` event that said so. */
  event?: StreamEvent
  /** Whether to reconnect without backoff, because a user is waiting. */
  urgent?: boolean
}

/**
 * A stream that outlives its connections. It reconnects with backoff, resumes at the sink's event id, renews its token and
 * detects silence. It gives up after `maxAttempts` reconnects in a row, or at once if another attempt cannot help.
 */
export function openStream (options: StreamOptions, sink: StreamSink): Stream {
  const { maxAttempts = 10, backoffBaseMs = 1000, backoffCapMs = 30_000, connectTimeoutMs = 30_000, token: tokenSource } = options
  const baseUrl = baseUrlOf(options)
  // A browser's own `fetch` throws if it is called as a method.
  const given = options.fetch ?? platform.fetch
  const fetch: FetchLike | undefined = given && ((url, init) => given(url, init))
  const openConnection = options.EventSource === undefined ? openFetchConnection : openEventSourceConnection

  let state: StreamState = 'connecting'
  /** Reconnects since the last `connected`. */
  let attempt = 0
  /** Losses since the last stream that lasted. */
  let losses = 0
  /** Whether the last token was rejected, and whether to ask for a fresh one. */
  let refused = false
  let fresh = false

  let closeConnection: (() => void) | undefined
  let stopRenewal: (() => void) | undefined
  let timer: Timer | undefined
  /** Counts connections, so that callbacks of an earlier one are recognised. */
  let run = 0
  let token = ''
  let connectedAt: number | undefined
  let retryMs: number | null = null
  let silenceMs = connectTimeoutMs
  let deadAfterMs = Infinity
  let lastActivity = 0
  /** When the platform last reported that it is offline. */
  let offlineAt = -Infinity
  /** The delay of the next reconnect, and the time before which the server does not want it. */
  let delayMs = 0
  let notBefore = 0

  function stop (): void {
    run++
    closeConnection?.()
    stopRenewal?.()
    clearTimeout(timer)
    closeConnection = stopRenewal = timer = connectedAt = undefined
  }

  function close (): void {
    if (state === 'closed') return
    state = 'closed'
    stop()
    stopWaking()
    platform.removeEventListener?.('offline', offline)
  }

  async function connect (): Promise<void> {
    stop()
    state = 'connecting'
    const current = run
    retryMs = null
    expect()
    await null // No callback runs before `openStream` has returned
    if (current !== run) return
    try {
      token = await resolveToken(tokenSource, fresh)
    } catch (error) {
      if (current === run) lost({ cause: 'network', error: networkError(error) })
      return
    }
    if (current !== run) return
    expect()
    closeConnection = openConnection({ options, baseUrl, fetch, token, lastEventId: sink.position }, {
      onActivity: () => { lastActivity = elapsedMs() },
      onRetry: (ms) => { retryMs = ms },
      onEvent: (type, data, id) => { if (current === run) receive(type, data, id) },
      onEnd: (cause, error) => { if (current === run) lost({ cause, error }) }
    })
  }

  /** Starts the time limit of the token, and then that of the connection. */
  function expect (): void {
    silenceMs = connectTimeoutMs
    lastActivity = elapsedMs()
    watch()
  }

  /** Ends a connection on which nothing arrived for too long. There is one timer, which starts again if something did. */
  function watch (): void {
    clearTimeout(timer)
    if (silenceMs === Infinity) return
    const left = lastActivity + silenceMs - elapsedMs()
    if (left <= 0) lost(silence())
    else timer = setTimeout(watch, Math.min(Math.ceil(left), LONGEST_TIMEOUT_MS))
  }

  const silence = (): Loss => ({
    cause: 'silent',
    error: new ChatError('TIMEOUT', connectedAt === undefined ? 'The stream was not opened in time' : 'The stream has gone silent')
  })

  function receive (type: string, json: string, id: string | null): void {
    let data: unknown
    try {
      data = JSON.parse(json)
    } catch {}
    if (typeof data !== 'object' || data === null) {
      return sink.error(new ChatError('BAD_EVENT', `The data of ${type} is no JSON object`))
    }
    const event = [type, data, id] as StreamEvent // The server keeps to the catalogue
    if (event[0] === 'disconnect') {
      const { reason, retryAfterMs } = event[1]
      const message = reason === 'removed' ? 'The user is no longer a participant' : `The server ended the stream: ${reason}`
      fresh = reason === 'token_expired'
      const error = new ChatError(reason === 'removed' ? 'REMOVED' : 'STREAM_ENDED', message, { retryAfterMs })
      return lost({ cause: reason, error, final: retryAfterMs === null, event })
    }
    if (event[0] === 'connected') connected(event[1])
    sink.event(...event)
  }

  function connected ({ heartbeatMs = HEARTBEAT_MS, streamId, expiresAt, timestamp }: ChatEvents['connected']): void {
    state = 'connected'
    connectedAt = elapsedMs()
    attempt = 0
    refused = fresh = false
    deadAfterMs = heartbeatMs > 0 ? heartbeatMs * SILENT_HEARTBEATS : Infinity
    // An `EventSource` does not show heartbeats.
    silenceMs = options.EventSource === undefined ? deadAfterMs : Infinity
    watch()
    stopRenewal?.()
    stopRenewal = undefined
    if (typeof tokenSource === 'function' && fetch !== undefined && streamId && expiresAt) {
      const url = `${baseUrl}/api/sse/${encodeURIComponent(streamId)}/token`
      stopRenewal = keepRenewed({ url, fetch, tokenSource, expiresAt, serverTime: timestamp })
    }
  }

  /** Enters the next state, then calls back. If a callback changes the state, the remaining ones are not called. */
  function lost ({ cause, error, final, event, urgent = false }: Loss): void {
    const lasted = connectedAt !== undefined && elapsedMs() - connectedAt >= LASTED_MS
    const tell = connectedAt !== undefined || final !== undefined
    const hintMs = error.retryAfterMs ?? retryMs
    let failure: ChatError | undefined
    stop()
    if (error.statusCode === 401 && !refused && typeof tokenSource === 'function') {
      refused = fresh = true
      void connect()
    } else if (final ?? !isTransient(error)) {
      failure = error
    } else if (attempt >= maxAttempts) {
      failure = new ChatError('GAVE_UP', `Gave up after ${attempt} reconnects: ${error.message}`, { statusCode: error.statusCode, cause: error })
    } else {
      if (lasted) losses = 0
      const ownMs = backoff(losses, backoffBaseMs, backoffCapMs)
      // The server's delay is already jittered. It replaces the backoff the first time; later, the longer of both counts.
      delayMs = hintMs === null ? ownMs : losses === 0 ? hintMs : Math.max(hintMs, ownMs)
      notBefore = elapsedMs() + (hintMs ?? 0)
      attempt++
      losses++
      wait(urgent ? hintMs ?? 0 : delayMs)
    }
    if (failure !== undefined) close()
    const current = run
    if (event !== undefined) sink.event(...event)
    if (tell && current === run) sink.disconnect(cause)
    if (current !== run) return
    if (failure !== undefined) sink.failed(failure)
    else if (state === 'waiting') sink.reconnecting({ attempt, delayMs, error })
  }

  function wait (ms: number): void {
    state = 'waiting'
    clearTimeout(timer)
    delayMs = Math.min(LONGEST_TIMEOUT_MS, ms)
    timer = setTimeout(connect, delayMs)
  }

  function wake (online = false): void {
    const silentMs = elapsedMs() - lastActivity
    if (state === 'waiting') wait(Math.ceil(Math.max(0, notBefore - elapsedMs())))
    // A request that was sent over a lost network gets no response.
    else if (state === 'connecting' && retryMs === null && (online || silentMs >= HANGS_MS)) void connect()
    else if (state === 'connected' && (silentMs >= deadAfterMs || (online && lastActivity <= offlineAt))) lost({ ...silence(), urgent: true })
  }

  function offline (): void {
    offlineAt = elapsedMs()
  }

  const stopWaking = onWake(wake, options.appState)
  platform.addEventListener?.('offline', offline)
  void connect()
  return { get state () { return state }, wake: () => { wake() }, close }
}
