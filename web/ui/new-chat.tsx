import type { JSX } from 'preact'
import { useId, useState } from 'preact/hooks'
import { ChatError, type CreateConversationBody } from '../../client/index.js'
import { useChat, useWords } from './context.js'
import { Dialog } from './dialog.js'
import type { Person } from './found-people.js'
import { keepFocus, PeopleField, withText } from './people-field.js'

interface Props {
  onClose: () => void
  onMade: (conversationId: string) => void
}

/** Starts a conversation with one person, or a group. */
export function NewChat ({ onClose, onMade }: Props): JSX.Element {
  const { client, userId } = useChat()
  const words = useWords()
  const id = useId()
  const [type, setType] = useState<'direct' | 'group'>('direct')
  const [title, setTitle] = useState('')
  const [people, setPeople] = useState<Person[]>([])
  const [text, setText] = useState('')
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string | null>(null)

  const unknownUser = (body: CreateConversationBody) => body.type === 'direct' ? words.nobodyHasId(body.userId) : words.oneIsUnknown

  const chosen = withText(people, text)

  async function make (): Promise<void> {
    const body: CreateConversationBody = type === 'direct'
      ? { type, userId: withText(people.slice(0, 1), text).at(-1) ?? '' } // What was written after a choice replaces it
      : { type, title: title.trim() === '' ? null : title.trim(), participantIds: chosen }
    setBusy(true)
    setProblem(null)
    try {
      onMade((await client.createConversation(body)).id)
    } catch (error) {
      setProblem(error instanceof ChatError && error.code === 'UNKNOWN_USER' ? unknownUser(body) : words.sentenceOf(error))
      setBusy(false)
    }
  }

  return (
    <Dialog title={words.newConversation} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          void make()
        }}
      >
        <fieldset class='segments'>
          <legend class='for-readers'>{words.withWhom}</legend>
          {([['direct', words.onePerson], ['group', words.aGroup]] as const).map(([value, label]) => (
            <label key={value}>
              <input type='radio' name={id} value={value} checked={type === value} onChange={() => { setType(value) }} />
              <span>{label}</span>
            </label>
          ))}
        </fieldset>

        {type === 'direct'
          ? (
            <PeopleField
              key={type} label={words.nameOrId} hint={<>{words.yoursIs} <b><bdi>{userId}</bdi></b>{words.tellIt}</>} single
              people={people.slice(0, 1)} onChange={setPeople} text={text} onText={setText}
            />
            )
          : (
            <>
              <div class='field'>
                <label for={`${id}-title`}>{words.nameOfGroup} <span class='optional'>{words.optional}</span></label>
                <input id={`${id}-title`} value={title} maxLength={200} autocomplete='off' onInput={({ currentTarget }) => { setTitle(currentTarget.value) }} />
              </div>
              <PeopleField
                key={type} label={words.peopleField} hint={words.peopleHint} people={people} onChange={setPeople} text={text} onText={setText}
              />
            </>
            )}

        {problem !== null && <p class='problem' role='alert'>{problem}</p>}
        <footer class='dialog-foot'>
          <button type='button' class='button' onClick={onClose}>{words.cancel}</button>
          <button
            type='submit' class='button is-primary' onPointerDown={keepFocus}
            disabled={busy || chosen.length === 0}
          >
            {type === 'direct' ? words.startChatting : words.makeGroup}
          </button>
        </footer>
      </form>
    </Dialog>
  )
}
