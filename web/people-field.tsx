import type { JSX } from 'preact'
import { useId, useRef, useState } from 'preact/hooks'
import { CloseIcon } from './icons.js'

interface Props {
  label: string
  hint: string
  people: readonly string[]
  onChange: (people: string[]) => void
  /** Ids to propose. */
  known: readonly string[]
}

/** A field for several user ids: each becomes a chip at Enter, at a comma, or when the field is left. */
export function PeopleField ({ label, hint, people, onChange, known }: Props): JSX.Element {
  const id = useId()
  const [text, setText] = useState('')
  const field = useRef<HTMLInputElement>(null)

  function add (): void {
    const added = text.split(',').map((name) => name.trim()).filter((name) => name !== '' && !people.includes(name))
    if (added.length > 0) onChange([...people, ...new Set(added)])
    setText('')
  }

  return (
    <div class='field'>
      <label for={id}>{label}</label>
      <div class='chips-field' onClick={() => { field.current?.focus() }}>
        {people.length > 0 && (
          <ul class='chips' aria-label='Chosen'>
            {people.map((person) => (
              <li key={person} class='chip'>
                {person}
                <button
                  type='button' aria-label={`Take ${person} off`}
                  onClick={() => {
                    onChange(people.filter((other) => other !== person))
                    field.current?.focus()
                  }}
                >
                  <CloseIcon />
                </button>
              </li>
            ))}
          </ul>
        )}
        <input
          ref={field} id={id} value={text} list={`${id}-known`} aria-describedby={`${id}-hint`}
          autocomplete='off' autocapitalize='none' spellcheck={false} maxLength={128}
          onInput={({ currentTarget }) => { setText(currentTarget.value) }}
          onBlur={add}
          onKeyDown={(event) => {
            if (event.isComposing) return
            if ((event.key === 'Enter' || event.key === ',') && text.trim() !== '') {
              event.preventDefault()
              add()
            } else if (event.key === 'Backspace' && text === '') {
              onChange(people.slice(0, -1))
            }
          }}
        />
        <datalist id={`${id}-known`}>{known.filter((one) => !people.includes(one)).map((one) => <option key={one} value={one} />)}</datalist>
      </div>
      <p class='hint' id={`${id}-hint`}>{hint}</p>
    </div>
  )
}
