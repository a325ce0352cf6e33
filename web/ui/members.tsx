import type { JSX } from 'preact'
import { useId, useMemo, useState } from 'preact/hooks'
import { ChatError, type Conversation, type Participant } from '../../client/index.js'
import { Avatar } from './avatar.js'
import { Confirm } from './confirm.js'
import { useChat, useWords } from './context.js'
import { Dialog } from './dialog.js'
import type { Person } from './found-people.js'
import { GroupSettings } from './group-settings.js'
import { useConnected, useNow } from './hooks.js'
import { MoreIcon } from './icons.js'
import { Menu, type MenuItem } from './menu-list.js'
import { keepFocus, PeopleField, withText } from './people-field.js'
import { ProfileCard } from './profile.js'

interface Props {
  conversation: Conversation
  onClose: () => void
}

/** From this number on, people are searched for. */
const SEARCHED = 9
const ranks = { owner: 0, admin: 1, member: 2 } as const

/** The participants of a group, with the actions that the user may take. */
export function Members ({ conversation, onClose }: Props): JSX.Element {
  const { client, session, userId } = useChat()
  const words = useWords()
  const connected = useConnected(session)
  const now = useNow()
  const field = useId()
  const [query, setQuery] = useState('')
  const [added, setAdded] = useState<Person[]>([])
  const [text, setText] = useState('')
  const [problem, setProblem] = useState<string | null>(null)
  const [asking, setAsking] = useState<Participant | null>(null)
  const [viewing, setViewing] = useState<string | null>(null)
  const [settingsShown, setSettingsShown] = useState(false)
  const { id, participants, participantCount, description } = conversation
  const role = participants.find((participant) => participant.userId === userId)?.role ?? 'member'
  const rules = role === 'owner' || role === 'admin'

  const sorted = useMemo(() => {
    const { compare } = new Intl.Collator(words.language, { numeric: true })
    return [...participants].sort((a, b) => ranks[a.role] - ranks[b.role] || compare(a.displayName, b.displayName) || compare(a.userId, b.userId))
  }, [participants, words])
  const wanted = query.trim().toLowerCase()
  const shown = sorted.filter((one) => one.displayName.toLowerCase().includes(wanted) || one.userId.toLowerCase().includes(wanted))

  async function act (action: () => Promise<unknown>): Promise<void> {
    setProblem(null)
    try {
      await action()
    } catch (error) {
      setProblem(error instanceof ChatError && error.code === 'UNKNOWN_USER' ? words.oneIsUnknown : words.sentenceOf(error))
    }
  }

  function itemsFor (person: Participant): MenuItem[] {
    const items: MenuItem[] = [{ label: words.profile, onSelect: () => { setViewing(person.userId) } }]
    if (person.userId === userId || person.role === 'owner' || !rules) return items
    if (role === 'owner') {
      const next = person.role === 'admin' ? 'member' : 'admin'
      items.push({
        label: next === 'admin' ? words.makeAdmin : words.noLongerAdmin,
        onSelect: () => { void act(() => client.setRole(id, person.userId, next)) }
      })
    }
    items.push({ label: words.removeFromGroup, danger: true, onSelect: () => { setAsking(person) } })
    return items
  }

  return (
    <Dialog title={words.people(participantCount)} onClose={onClose}>
      {description !== null && <p class='dialog-text' dir='auto'>{description}</p>}
      {rules && (
        <form
          class='add-members' onSubmit={(event) => {
            event.preventDefault()
            void act(async () => {
              await client.addParticipants(id, withText(added, text))
              setAdded([])
              setText('')
            })
          }}
        >
          <PeopleField
            label={words.addPeople} hint={words.peopleHint} people={added} onChange={setAdded} text={text} onText={setText}
            except={participants.map((participant) => participant.userId)}
          />
          <button type='submit' class='button' disabled={withText(added, text).length === 0} onPointerDown={keepFocus}>{words.add}</button>
        </form>
      )}
      {problem !== null && <p class='problem' role='alert'>{problem}</p>}
      {participants.length >= SEARCHED && (
        <div class='field'>
          <label for={field} class='for-readers'>{words.searchPeople}</label>
          <input
            id={field} type='search' value={query} placeholder={words.searchPeople} autocomplete='off'
            onInput={({ currentTarget }) => { setQuery(currentTarget.value) }}
          />
        </div>
      )}
      <ul class='members'>
        {shown.map((person) => {
          const { userId: personId, displayName } = person
          const isOnline = person.isOnline || personId === userId
          return (
            <li key={personId} class='member'>
              <Avatar id={personId} name={displayName} picture={person.avatar} online={connected && isOnline} />
              <span class='member-name'>
                <b><bdi>{displayName}</bdi>{personId === userId && <span class='optional'>{words.youTag}</span>}</b>
                <small>{words.presenceOf({ ...person, isOnline }, connected, now)}</small>
              </span>
              {person.role !== 'member' && <span class='role'>{words[person.role]}</span>}
              {personId !== userId && <Menu label={words.whatToDoWith(displayName)} items={itemsFor(person)}><MoreIcon /></Menu>}
            </li>
          )
        })}
        {shown.length === 0 && <li class='hint'>{words.nothingFound}</li>}
      </ul>
      <footer class='dialog-foot is-split'>
        <LeaveButton onLeave={async () => {
          await act(async () => {
            await client.removeParticipant(id, userId)
            onClose()
          })
        }}
        />
        {rules && <button type='button' class='button' onClick={() => { setSettingsShown(true) }}>{words.groupSettings}</button>}
      </footer>
      {settingsShown && <GroupSettings conversation={conversation} onClose={() => { setSettingsShown(false) }} />}
      {viewing !== null && <ProfileCard userId={viewing} onClose={() => { setViewing(null) }} />}
      {asking !== null && (
        <Confirm
          title={words.removeTitle(asking.displayName)} text={words.removeText} action={words.remove}
          onConfirm={() => client.removeParticipant(id, asking.userId)} onClose={() => { setAsking(null) }}
        />
      )}
    </Dialog>
  )
}

/** Asks in its place before the user leaves the group. */
function LeaveButton ({ onLeave }: { onLeave: () => Promise<void> }): JSX.Element {
  const words = useWords()
  const [leaving, setLeaving] = useState(false)
  if (!leaving) return <button type='button' class='button is-quiet is-danger' onClick={() => { setLeaving(true) }}>{words.leaveGroup}</button>
  return (
    <>
      <span>{words.leaveThisGroup}</span>
      <span class='buttons'>
        <button type='button' class='button' autofocus onClick={() => { setLeaving(false) }}>{words.stay}</button>
        <button type='button' class='button is-danger' onClick={() => { void onLeave() }}>{words.leave}</button>
      </span>
    </>
  )
}
