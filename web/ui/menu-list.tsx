import type { ComponentChildren, JSX } from 'preact'
import { useRef } from 'preact/hooks'
import { focused } from './hooks.js'
import { MenuButton } from './menu-button.js'
import { Popup, type Anchor } from './popup.js'

export interface MenuItem {
  label: string
  icon?: ComponentChildren
  /** Makes it a menu item with a check mark. */
  checked?: boolean
  danger?: boolean
  onSelect: () => void
}

interface ListProps {
  label: string
  items: readonly MenuItem[]
  anchor: Anchor
  onClose: () => void
  /** What stands above the items. */
  children?: ComponentChildren
}

/** An open menu. The arrow keys move in it; Escape, Tab or a press elsewhere closes it. */
export function MenuList ({ label, items, anchor, onClose, children }: ListProps): JSX.Element {
  const list = useRef<HTMLDivElement>(null)

  function onKeyDown (event: KeyboardEvent): void {
    if (event.key === 'Tab') return onClose()
    const all = [...list.current!.querySelectorAll<HTMLElement>('[role^=menuitem]')]
    const at = all.indexOf(focused(list.current!)!)
    const next = { ArrowDown: at + 1, ArrowRight: at + 1, ArrowUp: at - 1, ArrowLeft: at - 1, Home: 0, End: -1 }[event.key]
    if (next === undefined) return
    all.at(next % all.length)?.focus()
    event.preventDefault()
  }

  return (
    <Popup anchor={anchor} class='menu-items' onClose={onClose}>
      <div ref={list} role='menu' aria-label={label} onKeyDown={onKeyDown}>
        {children}
        {items.map(({ label, icon, checked, danger = false, onSelect }) => (
          <button
            key={label} type='button' tabIndex={-1} class={`menu-item${danger ? ' is-danger' : ''}`}
            role={checked === undefined ? 'menuitem' : 'menuitemcheckbox'} aria-checked={checked}
            onClick={() => {
              onClose()
              onSelect()
            }}
          >
            {icon}<span dir='auto'>{label}</span>
          </button>
        ))}
      </div>
    </Popup>
  )
}

/** A button that opens a menu of some items. */
export function Menu ({ label, items, children }: { label: string, items: readonly MenuItem[], children: ComponentChildren }): JSX.Element {
  return (
    <MenuButton label={label} menu={(anchor, onClose) => <MenuList label={label} items={items} anchor={anchor} onClose={onClose} />}>
      {children}
    </MenuButton>
  )
}
