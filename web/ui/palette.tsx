import type { JSX } from 'preact'
import { useId, useMemo, useState } from 'preact/hooks'
import { conversationTitle } from '../../client/index.js'
import { useChat, useWords } from './context.js'
import { Dialog } from './dialog.js'
import { useEverything } from './everything.js'
import { isComposing, useStore } from './hooks.js'

/** Something that the palette offers. */
export interface Command {
  key: string
  label: string
  /** What it is, such as a group. */
  kind: string
  run: () => void
}

/** The most commands that are shown. */
const SHOWN = 12

interface Props {
  commands: readonly Command[]
  onSelect: (conversationId: string) => void
  onClose: () => void
}

/** Finds conversations and commands by name. */
export function Palette ({ commands, onSelect, onClose }: Props): JSX.Element {
  const { list, userId } = useChat()
  const words = useWords()
  const id = useId()
  const [query, setQuery] = useState('')
  const { conversations } = useStore(useEverything(query.trim() !== '') ?? list)
  const [at, setAt] = useState(0)

  const found = useMemo(() => {
    const all: Command[] = [
      ...conversations.map((conversation) => ({
        key: conversation.id,
        label: conversationTitle(conversation, userId) || words.onlyYou,
        kind: conversation.type === 'group' ? words.aGroup : words.onePerson,
        run: () => { onSelect(conversation.id) }
      })),
      ...commands
    ]
    const terms = query.toLowerCase().split(/\s+/).filter((term) => term !== '')
    return all.filter(({ label }) => terms.every((term) => label.toLowerCase().includes(term))).slice(0, SHOWN)
  }, [conversations, commands, query])
  const chosen = found[Math.min(at, found.length - 1)]

  function run (command: Command | undefined): void {
    if (command === undefined) return
    onClose()
    command.run()
  }

  return (
    <Dialog title={words.palette} onClose={onClose}>
      <input
        class='palette-search' type='text' role='combobox' autofocus value={query} placeholder={words.paletteHint} aria-label={words.paletteHint}
        aria-expanded='true' aria-controls={`${id}-list`} aria-activedescendant={chosen === undefined ? undefined : `${id}-${found.indexOf(chosen)}`}
        onInput={({ currentTarget }) => {
          setQuery(currentTarget.value)
          setAt(0)
        }}
        onKeyDown={(event) => {
          if (isComposing(event)) return
          const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
          if (step !== undefined && found.length > 0) setAt((Math.min(at, found.length - 1) + step + found.length) % found.length)
          else if (event.key === 'Enter') run(chosen)
          else return
          event.preventDefault()
        }}
      />
      <ul class='palette-list' role='listbox' id={`${id}-list`} aria-label={words.palette}>
        {found.map((command, index) => (
          <li
            key={command.key} id={`${id}-${index}`} role='option' aria-selected={command === chosen} onClick={() => { run(command) }}
          >
            <bdi>{command.label}</bdi><small>{command.kind}</small>
          </li>
        ))}
      </ul>
      {found.length === 0 && <p class='hint' role='status'>{words.nothingFound}</p>}
    </Dialog>
  )
}

/** The keys of the page and of the messages. */
export function KeyHelp ({ onClose }: { onClose: () => void }): JSX.Element {
  const words = useWords()
  const keys: [string, string][] = [
    [words.keyCtrlK, words.palette], ['?', words.keys], ['Enter', words.send], [words.keyShiftEnter, words.keyNewLine], ['↑', words.keyEditLast],
    ['@', words.whoToMention], [words.keyShiftTab, words.keyToMessages], ['↑ ↓', words.keyMove], ['Enter', words.messageMenu], ['Esc', words.close]
  ]
  return (
    <Dialog title={words.keys} onClose={onClose}>
      <dl class='facts'>
        {keys.map(([key, what]) => <div key={what}><dt><kbd>{key}</kbd></dt><dd>{what}</dd></div>)}
      </dl>
    </Dialog>
  )
}
