import { onAbort } from '../base/abort.js'
import { createDispatcher } from './dispatcher.js'
import type { CustomTypes } from '../custom.js'
import type { SubscribeOptions, Subscription } from '../options.js'
import { openStream } from './stream.js'

/**
 * Follows one conversation, or without a `conversationId` all conversations of the user. The subscription reconnects and
 * resumes by itself. Callbacks receive every event once and in order.
 *
 * The subscription ends for good, with a `ChatError` passed to `onError`, if the token is rejected twice (401), if the
 * conversation does not exist or the user is not a participant (404), if the user is removed from it (`REMOVED`), or if
 * `maxAttempts` reconnects in a row fail (`GAVE_UP`).
 */
export function subscribeToSSE<T extends CustomTypes> (options: SubscribeOptions<T>): Subscription
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
