import type { JSX } from 'preact'
import { ChatError } from '../../client/index.js'
import { useChat, useWords } from './context.js'
import { useConnected, useStore } from './hooks.js'

/** Shows that the service cannot be reached, unless it is back at once: the stream is lost, or calls are not answered. */
export function Banner (): JSX.Element {
  const { session } = useChat()
  const words = useWords()
  const { status, reachable, error, reconnect } = useStore(session)
  const connected = useConnected(session)
  const closed = status === 'closed' && error !== null
  const lost = !connected && status !== 'closed'
  const long = reconnect !== null && reconnect.attempt >= 4

  return (
    <div class='banner-place' role='status'>
      {lost && (
        <p class='banner'>
          <span class='spinner' aria-hidden='true' />
          {long ? words.stillNoConnection : status === 'connected' && !reachable ? words.noConnection : words.reconnecting}
          <span class='banner-more'>{words.sentWhenBack}</span>
          {long && <button type='button' class='button is-small' onClick={() => { session.reconnect() }}>{words.tryNow}</button>}
        </p>
      )}
      {closed && (
        <p class='banner is-closed'>
          {error instanceof ChatError ? words.sentenceOf(error) : words.connectionEnded}
          <button type='button' class='button is-small' onClick={() => { session.reconnect() }}>{words.tryAgain}</button>
        </p>
      )}
    </div>
  )
}
