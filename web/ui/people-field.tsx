import type { JSX } from 'preact'
import { useId, useRef, useState } from 'preact/hooks'
import { Avatar } from './avatar.js'
import { useWords } from './context.js'
import { useFoundPeople, type Person } from './found-people.js'
import { isComposing } from './hooks.js'
import { CloseIcon } from './icons.js'

interface Props {
  label: string
  hint: JSX.Element | string
  /** The chosen people. */
  people: readonly Person[]
  onChange: (people: Person[]) => void
  /** The text that is not a chip yet; see `withText`. */
  text: string
  onText: (text: string) => void
  /** Ids of people who cannot be chosen. */
  except?: readonly string[]
  /** Whether only one can be chosen. */
  single?: boolean
}

/** The ids of the chosen people, including the one in the text: a user who presses the button means them, too. Ids stay as they were written. */
export function withText (people: readonly Person[], text: string): string[] {
  return [...new Set([...people.map(({ userId }) => userId), ...text.trim() === '' ? [] : [text]])]
}

/** For the button next to such a field: pressing it keeps the focus in the field, so that nothing moves under the pointer. */
export const keepFocus = (event: PointerEvent): void => { event.preventDefault() }

/**
 * A field for people. It offers those whose name begins with the text; anybody else can be written as their exact id, which may
 * contain commas. The arrow keys move among the offers, and Enter makes a chip of one.
 */
export function PeopleField ({ label, hint, people, onChange, text, onText, except = [], single = false }: Props): JSX.Element {
  const words = useWords()
  const id = useId()
  const field = useRef<HTMLInputElement>(null)
  const [at, setAt] = useState(0)
  const [closed, setClosed] = useState(false)
  const found = useFoundPeople(text, [...people.map(({ userId }) => userId), ...except])
  const asId: Person = { userId: text, displayName: words.withId(text), avatar: null }
  const isExact = found.some(({ userId }) => userId === text)
  const offers = closed || found.length === 0 ? [] : [...found, ...isExact ? [] : [asId]]
  const chosen = offers[Math.min(at, offers.length - 1)]

  function change (next: string): void {
    setAt(0)
    setClosed(false)
    onText(next)
  }

  function add (person: Person): void {
    const added = person === asId ? { ...asId, displayName: text } : person
    onChange(single ? [added] : [...people.filter(({ userId }) => userId !== added.userId), added])
    change('')
  }

  function onKeyDown (event: KeyboardEvent): void {
    if (isComposing(event)) return
    const { key } = event
    const step = { ArrowDown: 1, ArrowUp: -1 }[key]
    if (step !== undefined && offers.length > 0) setAt((Math.min(at, offers.length - 1) + step + offers.length) % offers.length)
    else if (key === 'Escape' && offers.length > 0) setClosed(true)
    else if (key === 'Enter' && chosen !== undefined) add(chosen)
    else if (key === 'Enter' && text.trim() !== '' && !single) add(asId)
    else if (key === 'Backspace' && text === '') return onChange(people.slice(0, -1))
    else return
    event.preventDefault()
  }

  return (
    <div class='field'>
      <label for={id}>{label}</label>
      <div class='chips-field' onClick={() => { field.current?.focus() }}>
        {people.length > 0 && (
          <ul class='chips' aria-label={words.chosen}>
            {people.map((person) => (
              <li key={person.userId} class='chip' title={person.userId}>
                <bdi>{person.displayName}</bdi>
                <button
                  type='button' aria-label={words.takeOff(person.displayName)}
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
          ref={field} id={id} value={text} role='combobox' aria-describedby={`${id}-hint`} aria-autocomplete='list' aria-expanded={offers.length > 0}
          aria-controls={offers.length > 0 ? `${id}-offers` : undefined}
          aria-activedescendant={chosen === undefined ? undefined : `${id}-${offers.indexOf(chosen)}`}
          autocomplete='off' autocapitalize='none' spellcheck={false} maxLength={128} autofocus={single}
          onInput={({ currentTarget }) => { change(currentTarget.value) }}
          onBlur={() => { if (text.trim() !== '' && offers.length === 0 && !single) add(asId) }}
          onKeyDown={onKeyDown}
        />
      </div>
      {offers.length > 0 && (
        <ul class='person-offers' role='listbox' id={`${id}-offers`} aria-label={words.peopleField}>
          {offers.map((person, index) => (
            <li
              key={person.userId} id={`${id}-${index}`} role='option' aria-selected={person === chosen}
              onPointerDown={keepFocus} onClick={() => { add(person) }}
            >
              {person === asId
                ? <i>{asId.displayName}</i>
                : (
                  <>
                    <Avatar id={person.userId} name={person.displayName} picture={person.avatar} small />
                    <bdi>{person.displayName}</bdi> <small><bdi>{person.userId}</bdi></small>
                  </>
                  )}
            </li>
          ))}
        </ul>
      )}
      <p class='hint' id={`${id}-hint`}>{hint}</p>
    </div>
  )
}
