import type { ComponentChildren, JSX } from 'preact'
import { useRef, useState } from 'preact/hooks'
import type { Anchor } from './popup.js'

interface Props {
  label: string
  /** Makes the menu, which may be loaded on demand. */
  menu: (anchor: Anchor, onClose: () => void) => JSX.Element
  children: ComponentChildren
}

/** A button that opens a menu. */
export function MenuButton ({ label, menu, children }: Props): JSX.Element {
  const button = useRef<HTMLButtonElement>(null)
  const [anchor, setAnchor] = useState<Anchor | null>(null)
  return (
    <div class='menu'>
      <button
        type='button' class='icon-button' ref={button} aria-label={label} title={label} aria-haspopup='menu' aria-expanded={anchor !== null}
        onClick={() => { setAnchor(anchor === null ? button.current!.getBoundingClientRect() : null) }}
      >
        {children}
      </button>
      {anchor !== null && menu(anchor, () => { setAnchor(null) })}
    </div>
  )
}
