import type { JSX } from 'preact'
import { useEffect, useId, useState } from 'preact/hooks'
import { ChatError, type UserProfile } from '../../client/index.js'
import { Avatar } from './avatar.js'
import { BlockQuestion } from './blocking.js'
import { useChat, useWords } from './context.js'
import { Dialog } from './dialog.js'
import { useConnected, useNow, useStore } from './hooks.js'

/** Who somebody is. */
export function ProfileCard ({ userId, onClose }: { userId: string, onClose: () => void }): JSX.Element {
  const { client, session, userId: me } = useChat()
  const words = useWords()
  const isBlocked = useStore(session).blocked.has(userId)
  const [asking, setAsking] = useState(false)
  const now = useNow()
  const connected = useConnected(session)
  const [user, setUser] = useState<UserProfile | null>(null)
  const [problem, setProblem] = useState<string | null>(null)
  const fail = (error: unknown) => { setProblem(words.sentenceOf(error)) }
  useEffect(() => {
    client.getUser(userId).then(setUser, fail)
  }, [userId])
  return (
    <Dialog title={words.profile} onClose={onClose}>
      {problem !== null && <p class='problem' role='alert'>{problem}</p>}
      {user === null && problem === null && <p class='dialog-text'><span class='spinner' aria-hidden='true' /> {words.loading}</p>}
      {user !== null && (
        <div class='profile'>
          <Avatar id={user.userId} name={user.displayName} picture={user.avatar} online={connected && user.isOnline} />
          <b><bdi>{user.displayName}</bdi></b>
          <small><bdi>{user.userId}</bdi></small>
          <p class='dialog-text'>{isBlocked ? words.youBlock : words.presenceOf(user, connected, now)}</p>
          {userId !== me && (isBlocked
            ? <button type='button' class='button' onClick={() => { client.unblock(userId).catch(fail) }}>{words.unblock}</button>
            : <button type='button' class='button is-quiet is-danger' onClick={() => { setAsking(true) }}>{words.askBlock}</button>)}
        </div>
      )}
      {asking && user !== null && <BlockQuestion person={user} onClose={() => { setAsking(false) }} />}
    </Dialog>
  )
}

/** The user's own name and picture. Where the service has no accounts, they come from the token. */
export function OwnProfile ({ onClose }: { onClose: () => void }): JSX.Element {
  const { client, session, userId } = useChat()
  const words = useWords()
  const id = useId()
  const { user } = useStore(session)
  const [name, setName] = useState(user?.displayName ?? userId)
  const [avatar, setAvatar] = useState(user?.avatar ?? '')
  const [problem, setProblem] = useState<string | null>(null)
  const [busy, setBusy] = useState(false)

  async function save (): Promise<void> {
    setBusy(true)
    setProblem(null)
    try {
      await client.updateMe({ displayName: name, avatar: avatar.trim() === '' ? null : avatar.trim() })
      onClose()
    } catch (error) {
      setProblem(error instanceof ChatError && error.code === 'FORBIDDEN' ? words.profileElsewhere : words.sentenceOf(error))
      setBusy(false)
    }
  }

  return (
    <Dialog title={words.yourProfile} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          void save()
        }}
      >
        <div class='profile'><Avatar id={userId} name={name || userId} picture={avatar} /><small><bdi>{userId}</bdi></small></div>
        <div class='field'>
          <label for={`${id}-name`}>{words.yourName}</label>
          <input
            id={`${id}-name`} value={name} required maxLength={128} autocomplete='name' dir='auto'
            onInput={({ currentTarget }) => { setName(currentTarget.value) }}
          />
        </div>
        <div class='field'>
          <label for={`${id}-avatar`}>{words.picture} <span class='optional'>{words.optional}</span></label>
          <input
            id={`${id}-avatar`} type='url' value={avatar} maxLength={2048} placeholder='https://' aria-describedby={`${id}-hint`}
            onInput={({ currentTarget }) => { setAvatar(currentTarget.value) }}
          />
          <p class='hint' id={`${id}-hint`}>{words.pictureHint}</p>
        </div>
        {problem !== null && <p class='problem' role='alert'>{problem}</p>}
        <footer class='dialog-foot'>
          <button type='button' class='button' onClick={onClose}>{words.cancel}</button>
          <button type='submit' class='button is-primary' disabled={busy || name.trim() === ''}>{words.save}</button>
        </footer>
      </form>
    </Dialog>
  )
}
