import type { EventType } from '../../schemas/events.js'
import { eventNames } from './event-names.js'
import type { StreamCallbacks, StreamEvent } from '../options.js'
import { createSequenceGuard } from './sequence-guard.js'
import type { StreamSink } from './stream.js'

/** Passes what a stream receives to the callbacks: each event once, and nothing after `close`. */
export interface Dispatcher extends StreamSink {
  readonly closed: boolean
  /** Forgets which events have been passed on: those that follow may have lower numbers. */
  forget (): void
  close (): void
}

const callbackOf = <T extends EventType>(type: T) => `on${type.charAt(0).toUpperCase()}${type.slice(1)}` as `on${Capitalize<T>}`

/** Makes a dispatcher. `cleanUp` is called before `onError` reports the end of the stream. */
export function createDispatcher (callbacks: StreamCallbacks, lastEventId: string | null | undefined, cleanUp: () => void): Dispatcher {
  const guard = createSequenceGuard()
  let position = lastEventId ?? null
  let closed = false

  /** Calls a callback unless closed. What it throws is passed to `onError`; what `onError` throws is dropped. */
  function call<A extends unknown[]> (callback: ((...args: A) => unknown) | undefined, ...args: A): void {
    if (closed || callback === undefined) return
    const failed = (error: unknown) => { if (callback !== callbacks.onError as unknown) report(error) }
    try {
      const result = callback.apply(callbacks, args)
      if (result !== undefined) Promise.resolve(result).catch(failed)
    } catch (error) {
      failed(error)
    }
  }

  function report (error: unknown): void {
    call(callbacks.onError, error instanceof Error ? error : new Error(String(error), { cause: error }))
  }

  function callNamed ([type, data]: StreamEvent): void {
    if (type === 'statusUpdate') call(callbacks.onStatusUpdate, data.messageId, data.status, data)
    else if (type === 'connected') call(callbacks.onConnect, data)
    // `disconnect` below reports how a stream ended, even if the server gave no reason.
    else if (type !== 'disconnect' && eventNames.includes(type)) call(callbacks[callbackOf(type)] as (event: typeof data) => void, data)
  }

  return {
    get position () { return position },
    get closed () { return closed },
    event (...event) {
      if (closed) return
      if (guard.isNew(event)) {
        call(callbacks.onEvent, ...event)
        callNamed(event)
      }
      const id = event[2]
      if (id === null || id === position) return
      // After the callbacks: an event id ahead of the callbacks would lose events in a crash.
      position = id
      call(callbacks.onLastEventId, id)
    },
    disconnect: (reason) => call(callbacks.onDisconnect, reason),
    reconnecting: (reconnect) => call(callbacks.onReconnecting, reconnect),
    error: report,
    failed (error) {
      cleanUp()
      report(error)
      closed = true
    },
    forget: guard.forget,
    close () { closed = true }
  }
}
