import type { JSX } from 'preact'
import { useId, useState } from 'preact/hooks'
import { ChatError, type ChatClient, type CreateConversationBody } from '../client/index.js'
import { Dialog } from './dialog.js'
import { keepFocus, PeopleField, withText } from './people-field.js'
import { sentenceOf } from './words.js'

interface Props {
  client: ChatClient
  userId: string
  /** The ids of people in the user's conversations. */
  known: readonly string[]
  onClose: () => void
  onMade: (conversationId: string) => void
}

/** Starts a conversation with one person, or a group. */
export function NewChat ({ client, userId, known, onClose, onMade }: Props): JSX.Element {
  const id = useId()
  const [type, setType] = useState<'direct' | 'group'>('direct')
  const [other, setOther] = useState('')
  const [title, setTitle] = useState('')
  const [people, setPeople] = useState<string[]>([])
  const [text, setText] = useState('')
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string | null>(null)

  async function make (): Promise<void> {
    const body: CreateConversationBody = type === 'direct'
      ? { type, userId: other.trim() }
      : { type, title: title.trim() === '' ? null : title.trim(), participantIds: withText(people, text) }
    setBusy(true)
    setProblem(null)
    try {
      onMade((await client.createConversation(body)).id)
    } catch (error) {
      setProblem(error instanceof ChatError && error.code === 'UNKNOWN_USER' ? unknownUser(body) : sentenceOf(error))
      setBusy(false)
    }
  }

  return (
    <Dialog title='New conversation' onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          void make()
        }}
      >
        <fieldset class='segments'>
          <legend class='for-readers'>With whom</legend>
          {([['direct', 'One person'], ['group', 'A group']] as const).map(([value, label]) => (
            <label key={value}>
              <input type='radio' name={id} value={value} checked={type === value} onChange={() => { setType(value) }} />
              <span>{label}</span>
            </label>
          ))}
        </fieldset>

        {type === 'direct'
          ? (
            <div class='field'>
              <label for={`${id}-other`}>User id</label>
              <input
                id={`${id}-other`} value={other} required maxLength={128} list={`${id}-known`} autofocus
                autocomplete='off' autocapitalize='none' spellcheck={false} aria-describedby={`${id}-hint`}
                onInput={({ currentTarget }) => { setOther(currentTarget.value) }}
              />
              <datalist id={`${id}-known`}>{known.map((one) => <option key={one} value={one} />)}</datalist>
              <p class='hint' id={`${id}-hint`}>Yours is <b>{userId}</b>: tell it to whoever wants to write to you.</p>
            </div>
            )
          : (
            <>
              <div class='field'>
                <label for={`${id}-title`}>Name of the group <span class='optional'>optional</span></label>
                <input id={`${id}-title`} value={title} maxLength={200} autocomplete='off' onInput={({ currentTarget }) => { setTitle(currentTarget.value) }} />
              </div>
              <PeopleField
                label='People' hint='User ids, each followed by Enter or a comma.'
                people={people} onChange={setPeople} text={text} onText={setText} known={known}
              />
            </>
            )}

        {problem !== null && <p class='problem' role='alert'>{problem}</p>}
        <footer class='dialog-foot'>
          <button type='button' class='button' onClick={onClose}>Cancel</button>
          <button
            type='submit' class='button is-primary' onPointerDown={keepFocus}
            disabled={busy || (type === 'direct' ? other.trim() === '' : withText(people, text).length === 0)}
          >
            {type === 'direct' ? 'Start chatting' : 'Make the group'}
          </button>
        </footer>
      </form>
    </Dialog>
  )
}

const unknownUser = (body: CreateConversationBody) => body.type === 'direct'
  ? `Nobody here has the id “${body.userId}”. They have to sign in once first.`
  : 'One of these people isn’t here. Everybody has to sign in once first.'
