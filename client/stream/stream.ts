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

/** Where the server doesn't tell its own. */
const HEARTBEAT_MS = 30_000
/** A stream silent for this many heartbeats is dead. */
const SILENT_HEARTBEATS = 2.5
/**
 * A stream that lasted this long was a good one, and the backoff begins anew. One that was shorter counts as no attempt,
 * having been connected, but lets the waits grow: a server that accepts and drops at once isn't hammered.
 */
const LASTED_MS = 5000
/** A connection that has had no answer for this long is given up when somebody looks. */
const HANGS_MS = 5000

/**
 * Where a stream's news go. The stream is in its new state before any of these is called, and each call may do anything to
 * it, closing it included.
 */
export interface StreamSink {
  /** Where the next connection resumes. */
  readonly position: string | null
  event (...event: StreamEvent): void
  disconnect (reason: DisconnectCause): void
  reconnecting (reconnect: Reconnect): void
  /** Something was wrong, but the stream goes on. */
  error (error: unknown): void
  /** The stream has ended for good. */
  failed (error: ChatError): void
}

export interface Stream {
  readonly state: StreamState
  /** Doesn't wait any longer than the server asked to, and doesn't trust a stream that has long been silent. */
  wake (): void
  close (): void
}

/** How a connection was lost. */
interface Loss {
  cause: DisconnectCause
  error: ChatError
  /** What the server said about coming back, where it said something. */
  final?: boolean
  /** The event in which it said so. */
  event?: StreamEvent
  /** Somebody is waiting. */
  urgent?: boolean
}

/**
 * A stream that outlives its connections: reconnects with backoff, resumes at the sink's position, renews its token,
 * notices silence. Gives up after `maxAttempts` reconnects in a row, or at once where coming back can't help.
 */
export function openStream (options: StreamOptions, sink: StreamSink): Stream {
  const { maxAttempts = 10, backoffBaseMs = 1000, backoffCapMs = 30_000, connectTimeoutMs = 30_000, token: tokenSource } = options
  const baseUrl = baseUrlOf(options)
  // Called as a method, a browser's own fetch refuses.
  const given = options.fetch ?? platform.fetch
  const fetch: FetchLike | undefined = given && ((url, init) => given(url, init))
  const openConnection = options.EventSource === undefined ? openFetchConnection : openEventSourceConnection

  let state: StreamState = 'connecting'
  /** Reconnects since the last `connected`. */
  let attempt = 0
  /** Losses since a stream that lasted. */
  let losses = 0
  /** The last token was refused, and a fresh one is asked for. */
  let refused = false
  let fresh = false

  let closeConnection: (() => void) | undefined
  let stopRenewal: (() => void) | undefined
  let timer: Timer | undefined
  /** Counts connections, so that what belongs to an earlier one is recognised. */
  let run = 0
  let token = ''
  let connectedAt: number | undefined
  let retryMs: number | null = null
  let silenceMs = connectTimeoutMs
  let deadAfterMs = Infinity
  let lastActivity = 0
  /** When the platform last said that there is no network. */
  let offlineAt = -Infinity
  /** The wait for the next reconnect, and when the server wants to see us again; no waking before. */
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
    await null // whoever opens a stream has it before anything of theirs is called
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

  /** The token, and then the connection, have so long to come. */
  function expect (): void {
    silenceMs = connectTimeoutMs
    lastActivity = elapsedMs()
    watch()
  }

  /** Ends a connection on which nothing came for too long. One timer, moved on when it finds that something did. */
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
    const event = [type, data, id] as StreamEvent // the server keeps to the catalogue
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
    // An EventSource shows no heartbeats.
    silenceMs = options.EventSource === undefined ? deadAfterMs : Infinity
    watch()
    stopRenewal?.()
    stopRenewal = undefined
    if (typeof tokenSource === 'function' && fetch !== undefined && streamId && expiresAt) {
      const url = `${baseUrl}/api/sse/${encodeURIComponent(streamId)}/token`
      stopRenewal = keepRenewed({ url, fetch, tokenSource, expiresAt, serverTime: timestamp })
    }
  }

  /** Goes into the next state, and only then tells. What a callback does about it ends the telling. */
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
      // What the server asks for is jittered already. That alone counts the first time; later, it isn't trusted to be enough.
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
    // What was sent over a network that is gone gets no answer.
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
