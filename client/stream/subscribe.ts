import { onAbort } from '../base/abort.js'
import { createDispatcher } from './dispatcher.js'
import type { SubscribeOptions, Subscription } from '../options.js'
import { openStream } from './stream.js'

/**
 * Follows one conversation, or with no `conversationId` all of the user's. Reconnects and resumes by itself; every event
 * is handed on once and in order.
 *
 * It ends for good, with a `ChatError` to `onError`, when the token is refused twice (401), the conversation isn't there
 * or not the user's (404), the user is removed from it (`REMOVED`), or `maxAttempts` reconnects in a row come to nothing
 * (`GAVE_UP`).
 */
export function subscribeToSSE (options: SubscribeOptions): Subscription {
  const { signal } = options
  const dispatcher = createDispatcher(options, options.lastEventId, () => { stopListening() })
  const stream = openStream(options, dispatcher)
  const stopListening = onAbort(signal, unsubscribe)

  function unsubscribe (): void {
    dispatcher.close()
    stream.close()
    stopListening()
  }

  if (signal?.aborted === true) unsubscribe()

  return {
    unsubscribe,
    reconnect: stream.wake,
    get state () { return stream.state },
    get lastEventId () { return dispatcher.position }
  }
}
