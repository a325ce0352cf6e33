import type { JSX } from 'preact'
import { ChatError, type ChatSession } from '../client/index.js'
import { useConnected, useStore } from './hooks.js'
import { sentenceOf } from './words.js'

/** Shows that the stream is lost, unless it reconnects at once. */
export function Banner ({ session }: { session: ChatSession }): JSX.Element {
  const { status, error, reconnect } = useStore(session)
  const connected = useConnected(session)
  const closed = status === 'closed' && error !== null
  const lost = !connected && status !== 'closed'
  const long = reconnect !== null && reconnect.attempt >= 4

  return (
    <div class='banner-place' role='status'>
      {lost && (
        <p class='banner'>
          <span class='spinner' aria-hidden='true' />
          {long ? 'Still no connection. Trying again…' : 'Reconnecting…'}
          <span class='banner-more'>What you write is sent when it is back.</span>
          {long && <button type='button' class='button is-small' onClick={() => { session.reconnect() }}>Try now</button>}
        </p>
      )}
      {closed && (
        <p class='banner is-closed'>
          {error instanceof ChatError ? sentenceOf(error) : 'The connection has ended.'}
          <button type='button' class='button is-small' onClick={() => { session.reconnect() }}>Try again</button>
        </p>
      )}
    </div>
  )
}
