import type { JSX } from 'preact'
import { Avatar } from './ui/avatar.js'
import { useChat } from './ui/context.js'
import { useStore } from './ui/hooks.js'
import type { Person } from './people.js'
import type { Wire } from './wire.js'
import { usePageWords } from './words.js'

/** Whose chat a pane of the trial is. They can go away: what is sent to them meanwhile is only sent, not delivered. */
export function WhoTries ({ person: { userId, displayName }, wire }: { person: Person, wire: Wire }): JSX.Element {
  const { session } = useChat()
  const words = usePageWords()
  const { cut } = useStore(wire)
  return (
    <p class='trial-who'>
      <Avatar id={userId} name={displayName} small />
      <b><bdi>{displayName}</bdi></b> <bdi>{userId}</bdi>
      <button
        type='button' class='button is-small is-quiet' title={words.goAwayHint} aria-pressed={cut}
        onClick={() => {
          if (!cut) return wire.cut()
          wire.mend()
          session.reconnect()
        }}
      >
        {words.goAway}
      </button>
    </p>
  )
}
