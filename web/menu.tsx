import type { ComponentChildren, JSX } from 'preact'
import { useEffect, useId, useRef, useState } from 'preact/hooks'

export interface MenuItem {
  label: string
  /** Makes it a menu item with a check mark. */
  checked?: boolean
  danger?: boolean
  onSelect: () => void
}

/** A button that opens a menu. The arrow keys move in it; Escape or a click elsewhere closes it. */
export function Menu ({ label, items, children }: { label: string, items: readonly MenuItem[], children: ComponentChildren }): JSX.Element {
  const id = useId()
  const [open, setOpen] = useState(false)
  const root = useRef<HTMLDivElement>(null)
  const button = useRef<HTMLButtonElement>(null)
  const entries = () => [...root.current?.querySelectorAll<HTMLElement>('[role^=menuitem]') ?? []]

  useEffect(() => {
    if (!open) return
    entries()[0]?.focus()
    const outside = (event: Event) => { if (!root.current!.contains(event.target as Node)) setOpen(false) }
    document.addEventListener('pointerdown', outside)
    document.addEventListener('focusin', outside)
    return () => {
      document.removeEventListener('pointerdown', outside)
      document.removeEventListener('focusin', outside)
    }
  }, [open])

  function close (): void {
    setOpen(false)
    button.current?.focus()
  }

  function onKeyDown (event: KeyboardEvent): void {
    if (!open) return
    const all = entries()
    const at = all.indexOf(document.activeElement as HTMLElement)
    const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key]
    if (event.key === 'Escape') close()
    else if (next === undefined) return
    else all.at(next % all.length)?.focus()
    event.preventDefault()
    event.stopPropagation()
  }

  return (
    <div class='menu' ref={root} onKeyDown={onKeyDown}>
      <button
        type='button' class='icon-button' ref={button} aria-label={label} title={label}
        aria-haspopup='menu' aria-expanded={open} aria-controls={open ? id : undefined}
        onClick={() => { setOpen(!open) }}
      >
        {children}
      </button>
      {open && (
        <div class='menu-items' role='menu' id={id} aria-label={label}>
          {items.map(({ label, checked, danger = false, onSelect }) => (
            <button
              key={label} type='button' tabIndex={-1} class={danger ? 'is-danger' : ''}
              role={checked === undefined ? 'menuitem' : 'menuitemcheckbox'} aria-checked={checked}
              onClick={() => {
                close()
                onSelect()
              }}
            >
              {label}
            </button>
          ))}
        </div>
      )}
    </div>
  )
}
