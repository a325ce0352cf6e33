import type { JSX } from 'preact'
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { useWords } from './context.js'
import { focused, isComposing } from './hooks.js'
import type { Emoji } from './emoji-data.js'
import { Popup, type Anchor } from './popup.js'

const load: Record<string, () => Promise<{ default: readonly Emoji[] }>> = {
  en: () => import('./emoji-data.js').then(({ english }) => english()),
  de: () => import('./emoji-data.js').then(({ german }) => german())
}

/** How many are drawn at first: the rest follows when the user scrolls. */
const AT_ONCE = 160
const COLUMNS = 8

/** All emoji, with a search by name. Its data is loaded when it is first opened. */
function EmojiPicker ({ onPick }: { onPick: (emoji: string) => void }): JSX.Element {
  const words = useWords()
  const [all, setAll] = useState<readonly Emoji[] | null>(null)
  const [failed, setFailed] = useState(false)
  const [query, setQuery] = useState('')
  const [shown, setShown] = useState(AT_ONCE)
  const grid = useRef<HTMLDivElement>(null)

  useEffect(() => {
    let here = true
    load[words.language]!().then((module) => { if (here) setAll(module.default) }, () => { if (here) setFailed(true) })
    return () => { here = false }
  }, [words.language])

  const found = useMemo(() => {
    const terms = query.toLowerCase().split(' ').filter((term) => term !== '')
    return (all ?? []).filter(([, names]) => terms.every((term) => names.includes(term)))
  }, [all, query])

  function onKeyDown (event: KeyboardEvent): void {
    if (isComposing(event)) return
    const buttons = [...grid.current!.querySelectorAll<HTMLElement>('button')]
    const at = buttons.indexOf(focused(grid.current!)!)
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: at < 0 ? 1 : COLUMNS, ArrowUp: -COLUMNS }[event.key]
    if (step === undefined || (at < 0 && event.key !== 'ArrowDown')) return
    event.preventDefault()
    buttons[Math.max(0, Math.min(buttons.length - 1, at + step))]?.focus()
  }

  return (
    <div class='picker' role='dialog' aria-label={words.chooseEmoji} onKeyDown={onKeyDown}>
      <input
        class='picker-search' type='search' autofocus aria-label={words.searchEmoji} placeholder={words.searchEmoji} value={query}
        onInput={({ currentTarget }) => {
          setQuery(currentTarget.value)
          setShown(AT_ONCE)
        }}
        onKeyDown={(event) => { if (event.key === 'Enter' && !isComposing(event) && found[0] !== undefined) onPick(found[0][0]) }}
      />
      <div
        ref={grid} class='picker-grid' onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => {
          if (scrollHeight - scrollTop - clientHeight < 400 && shown < found.length) setShown(shown + AT_ONCE)
        }}
      >
        {found.slice(0, shown).map(([emoji, names]) => (
          <button
            key={emoji} type='button' tabIndex={-1} title={names.split('|')[0]} aria-label={names.split('|')[0]}
            onClick={() => { onPick(emoji) }}
          >
            {emoji}
          </button>
        ))}
        {all === null && !failed && <span class='spinner' aria-hidden='true' />}
        {failed && <p class='problem' role='alert'>{words.NETWORK}</p>}
        {all !== null && found.length === 0 && <p class='hint'>{words.nothingFound}</p>}
      </div>
    </div>
  )
}

/** The picker beside what it was opened from. */
export function EmojiPopup ({ anchor, onPick, onClose }: { anchor: Anchor, onPick: (emoji: string) => void, onClose: () => void }): JSX.Element {
  return <Popup anchor={anchor} class='picker-popup' onClose={onClose}><EmojiPicker onPick={onPick} /></Popup>
}
