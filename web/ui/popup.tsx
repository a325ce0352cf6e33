import type { ComponentChildren, JSX } from 'preact'
import { useLayoutEffect, useRef } from 'preact/hooks'
import { focused, isComposing } from './hooks.js'

/** A point of the window, or the box that a popup belongs to. */
export type Anchor = Pick<DOMRect, 'left' | 'top' | 'right' | 'bottom'>

interface Props {
  anchor: Anchor
  class: string
  children: ComponentChildren
  /** Also called with Escape and a press elsewhere. */
  onClose: () => void
  /** Whether it only tells something: it leaves the focus where it is. */
  quiet?: boolean
}

const MARGIN = 8

/**
 * Something small over everything else, beside its anchor and within the window. Unless it is quiet, it takes the focus, and
 * gives it back when it closes, if nothing else has it then.
 */
export function Popup ({ anchor, class: name, children, onClose, quiet = false }: Props): JSX.Element {
  const ref = useRef<HTMLDivElement>(null)
  useLayoutEffect(() => {
    const popup = ref.current!
    const before = focused(popup)
    popup.showPopover()
    const { width, height } = popup.getBoundingClientRect()
    const below = anchor.bottom + height + MARGIN <= innerHeight
    const top = below ? anchor.bottom + 2 : Math.max(MARGIN, Math.min(anchor.top - height - 2, innerHeight - height - MARGIN))
    const start = getComputedStyle(popup).direction === 'rtl' ? anchor.right - width : anchor.left
    popup.style.top = `${top}px`
    popup.style.left = `${Math.max(MARGIN, Math.min(start, innerWidth - width - MARGIN))}px`
    if (!quiet) popup.querySelector<HTMLElement>('[autofocus], [role^=menuitem], button, input')?.focus()

    // A press on the button that opened it is the button's: it closes the popup.
    const isOurs = (node: EventTarget) => node === popup || (node instanceof Element && node.getAttribute('aria-expanded') === 'true')
    const outside = (event: Event) => { if (!event.composedPath().some(isOurs)) onClose() }
    const escape = (event: KeyboardEvent) => { if (event.key === 'Escape') onClose() }
    document.addEventListener('pointerdown', outside, true)
    if (quiet) addEventListener('keydown', escape, true)
    addEventListener('resize', onClose)
    return () => {
      document.removeEventListener('pointerdown', outside, true)
      removeEventListener('keydown', escape, true)
      removeEventListener('resize', onClose)
      const now = focused(popup)
      const within = !quiet && (popup.contains(now) || now === null || now === document.body)
      popup.hidePopover()
      if (within && before?.isConnected === true) before.focus({ preventScroll: true })
    }
  }, [])

  return (
    <div
      ref={ref} popover='manual' class={`popup ${name}`} role={quiet ? 'tooltip' : undefined} onKeyDown={(event) => {
        if (event.key !== 'Escape' || isComposing(event)) return
        event.stopPropagation()
        event.preventDefault()
        onClose()
      }}
    >
      {children}
    </div>
  )
}
