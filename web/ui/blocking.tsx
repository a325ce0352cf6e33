import type { JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import type { Profile } from '../../client/index.js'
import { Avatar } from './avatar.js'
import { Confirm } from './confirm.js'
import { useChat, useWords } from './context.js'
import { Dialog } from './dialog.js'
import { useStore } from './hooks.js'

interface QuestionProps {
  person: Pick<Profile, 'userId' | 'displayName'>
  onClose: () => void
}

/** Asks before somebody is blocked, and says what that means. */
export function BlockQuestion ({ person: { userId, displayName }, onClose }: QuestionProps): JSX.Element {
  const { client } = useChat()
  const words = useWords()
  return (
    <Confirm
      title={words.blockTitle(displayName)} text={words.blockText} action={words.block}
      onConfirm={async () => { await client.block(userId) }} onClose={onClose}
    />
  )
}

/** Everybody whom the user blocks. */
export function BlockedPeople ({ onClose }: { onClose: () => void }): JSX.Element {
  const { client, session } = useChat()
  const words = useWords()
  const { blocked } = useStore(session)
  const [people, setPeople] = useState<readonly Profile[] | null>(null)
  const [problem, setProblem] = useState<string | null>(null)
  const fail = (error: unknown) => { setProblem(words.sentenceOf(error)) }
  useEffect(() => {
    let current = true
    client.listBlocks().then(({ users }) => { if (current) setPeople(users) }, fail)
    return () => { current = false }
  }, [client, blocked])

  return (
    <Dialog title={words.blockedPeople} onClose={onClose}>
      {problem !== null && <p class='problem' role='alert'>{problem}</p>}
      {people === null && problem === null && <p class='dialog-text' role='status'><span class='spinner' aria-hidden='true' /> {words.loading}</p>}
      {people?.length === 0 && <p class='dialog-text'>{words.nobodyBlocked}</p>}
      {people !== null && people.length > 0 && (
        <ul class='members'>
          {people.map(({ userId, displayName, avatar }) => (
            <li key={userId} class='member'>
              <Avatar id={userId} name={displayName} picture={avatar} />
              <span class='member-name'><b><bdi>{displayName}</bdi></b><small><bdi>{userId}</bdi></small></span>
              <button
                type='button' class='button is-small' aria-label={words.unblockPerson(displayName)}
                onClick={() => { client.unblock(userId).catch(fail) }}
              >
                {words.unblock}
              </button>
            </li>
          ))}
        </ul>
      )}
    </Dialog>
  )
}
