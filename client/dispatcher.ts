import type { DisconnectCause, Reconnect, StreamCallbacks, StreamEvent } from './options.js'
import { createSequenceGuard } from './sequence-guard.js'

/** Hands what a stream brings on to callbacks: each event once, and nothing after `close`. */
export interface Dispatcher {
  /** The id of the last event handed on. */
  readonly position: string | null
  readonly closed: boolean
  event (...event: StreamEvent): void
  disconnect (reason: DisconnectCause): void
  reconnecting (reconnect: Reconnect): void
  error (error: unknown): void
  close (): void
}

export function createDispatcher (callbacks: StreamCallbacks, lastEventId: string | null = null): Dispatcher {
  const guard = createSequenceGuard()
  let position = lastEventId
  let closed = false

  /** Calls unless closed; what the call throws goes to onError, what onError throws nowhere. */
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
    switch (type) {
      case 'message': return call(callbacks.onMessage, data)
      case 'statusUpdate': return call(callbacks.onStatusUpdate, data.messageId, data.status, data)
      case 'typing': return call(callbacks.onTyping, data)
      case 'onlineStatus': return call(callbacks.onOnlineStatus, data)
      case 'messageUpdated': return call(callbacks.onMessageUpdated, data)
      case 'messageDeleted': return call(callbacks.onMessageDeleted, data)
      case 'conversationCreated': return call(callbacks.onConversationCreated, data)
      case 'participantJoined': return call(callbacks.onParticipantJoined, data)
      case 'participantLeft': return call(callbacks.onParticipantLeft, data)
      case 'participantUpdated': return call(callbacks.onParticipantUpdated, data)
      case 'reset': return call(callbacks.onReset, data)
      case 'connected': return call(callbacks.onConnect, data)
    }
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
      // Only now: a position ahead of what was handed on would lose the difference in a crash.
      position = id
      call(callbacks.onLastEventId, id)
    },
    disconnect: (reason) => call(callbacks.onDisconnect, reason),
    reconnecting: (reconnect) => call(callbacks.onReconnecting, reconnect),
    error: report,
    close () { closed = true }
  }
}
