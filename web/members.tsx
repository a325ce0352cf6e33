import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { ChatError, type ChatClient, type Conversation, type Participant } from '../client/index.js'
import { Avatar } from './avatar.js'
import { Dialog } from './dialog.js'
import { useNow } from './hooks.js'
import { MoreIcon } from './icons.js'
import { Menu, type MenuItem } from './menu.js'
import { keepFocus, PeopleField, withText } from './people-field.js'
import { presenceOf, sentenceOf } from './words.js'

interface Props {
  client: ChatClient
  conversation: Conversation
  userId: string
  connected: boolean
  known: readonly string[]
  onClose: () => void
}

const ranks = { owner: 0, admin: 1, member: 2 } as const
const byRank = (a: Participant, b: Participant) => ranks[a.role] - ranks[b.role] || a.displayName.localeCompare(b.displayName)

/** The participants of a group, with the actions that the user may take. */
export function Members ({ client, conversation, userId, connected, known, onClose }: Props): JSX.Element {
  const now = useNow()
  const [added, setAdded] = useState<string[]>([])
  const [text, setText] = useState('')
  const [problem, setProblem] = useState<string | null>(null)
  const [leaving, setLeaving] = useState(false)
  const { id, participants, participantCount } = conversation
  const role = participants.find((participant) => participant.userId === userId)?.role ?? 'member'
  const rules = role === 'owner' || role === 'admin'

  async function act (action: () => Promise<unknown>): Promise<void> {
    setProblem(null)
    try {
      await action()
    } catch (error) {
      setProblem(error instanceof ChatError && error.code === 'UNKNOWN_USER'
        ? 'One of these people isn’t here. Everybody has to sign in once first.'
        : sentenceOf(error))
    }
  }

  function itemsFor (person: Participant): MenuItem[] {
    if (person.userId === userId || person.role === 'owner' || !rules) return []
    const items: MenuItem[] = []
    if (role === 'owner') {
      const next = person.role === 'admin' ? 'member' : 'admin'
      items.push({
        label: next === 'admin' ? 'Make admin' : 'No longer admin',
        onSelect: () => { void act(() => client.setRole(id, person.userId, next)) }
      })
    }
    items.push({ label: 'Remove from the group', danger: true, onSelect: () => { void act(() => client.removeParticipant(id, person.userId)) } })
    return items
  }

  return (
    <Dialog title={participantCount === 1 ? '1 person' : `${participantCount} people`} onClose={onClose}>
      <ul class='members'>
        {[...participants].sort(byRank).map((person) => {
          const items = itemsFor(person)
          return (
            <li key={person.userId} class='member'>
              <Avatar
                id={person.userId} name={person.displayName} picture={person.avatar}
                online={connected && (person.isOnline || person.userId === userId)}
              />
              <span class='member-name'>
                <b>{person.displayName}{person.userId === userId && <span class='optional'>you</span>}</b>
                <small>{presenceOf({ ...person, isOnline: person.isOnline || person.userId === userId }, connected, now)}</small>
              </span>
              {person.role !== 'member' && <span class='role'>{person.role}</span>}
              {items.length > 0 && <Menu label={`What to do with ${person.displayName}`} items={items}><MoreIcon /></Menu>}
            </li>
          )
        })}
      </ul>

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
            label='Add people' hint='User ids, each followed by Enter or a comma.' people={added} onChange={setAdded} text={text} onText={setText}
            known={known.filter((one) => !participants.some((participant) => participant.userId === one))}
          />
          <button type='submit' class='button' disabled={withText(added, text).length === 0} onPointerDown={keepFocus}>Add</button>
        </form>
      )}

      {problem !== null && <p class='problem' role='alert'>{problem}</p>}
      <footer class='dialog-foot is-split'>
        {leaving
          ? (
            <>
              <span>Leave this group?</span>
              <span class='buttons'>
                <button type='button' class='button' onClick={() => { setLeaving(false) }}>Stay</button>
                <button
                  type='button' class='button is-danger' onClick={() => {
                    void act(async () => {
                      await client.removeParticipant(id, userId)
                      onClose()
                    })
                  }}
                >
                  Leave
                </button>
              </span>
            </>
            )
          : <button type='button' class='button is-quiet is-danger' onClick={() => { setLeaving(true) }}>Leave group…</button>}
      </footer>
    </Dialog>
  )
}
