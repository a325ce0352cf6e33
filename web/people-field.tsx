import type { JSX } from 'preact'
import { useId, useRef } from 'preact/hooks'
import { CloseIcon } from './icons.js'

interface Props {
  label: string
  hint: string
  people: readonly string[]
  onChange: (people: string[]) => void
  /** The text that is not a chip yet; see `withText`. */
  text: string
  onText: (text: string) => void
  /** User ids to suggest. */
  known: readonly string[]
}

/** The chosen people, including those in the text: a user who presses the button means them, too. */
export function withText (people: readonly string[], text: string): string[] {
  return [...new Set([...people, ...text.split(',').map((name) => name.trim()).filter((name) => name !== '')])]
}

/** For the button next to such a field: pressing it keeps the focus in the field, so that nothing moves under the pointer. */
export const keepFocus = (event: PointerEvent): void => { event.preventDefault() }

/** A field for several user ids. Enter, a comma, or leaving the field makes a chip of each. */
export function PeopleField ({ label, hint, people, onChange, text, onText, known }: Props): JSX.Element {
  const id = useId()
  const field = useRef<HTMLInputElement>(null)

  function add (): void {
    const all = withText(people, text)
    if (all.length > people.length) onChange(all)
    onText('')
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
          onInput={({ currentTarget }) => { onText(currentTarget.value) }}
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
