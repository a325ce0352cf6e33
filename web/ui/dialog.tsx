import { createContext, type ComponentChildren, type JSX } from 'preact'
import { useContext, useId, useLayoutEffect, useRef } from 'preact/hooks'
import { useWords } from './context.js'
import { focused } from './hooks.js'
import { CloseIcon } from './icons.js'

/** Tells the page that a dialog is open, so that going back closes it. @returns a function to call when it has closed */
export type OnOverlay = (close: () => void) => () => void
const Overlays = createContext<OnOverlay>(() => () => {})
export const OverlayProvider = Overlays.Provider

/** A modal dialog. It keeps the focus, and returns it when it closes. */
export function Dialog ({ title, onClose, children }: { title: string, onClose: () => void, children: ComponentChildren }): JSX.Element {
  const words = useWords()
  const id = useId()
  const ref = useRef<HTMLDialogElement>(null)
  const onOverlay = useContext(Overlays)
  const close = useRef(onClose)
  close.current = onClose
  useLayoutEffect(() => {
    const dialog = ref.current!
    const before = focused(dialog)
    dialog.showModal()
    // Not the button that closes it, which is the first.
    ;(dialog.querySelector<HTMLElement>('[autofocus]') ??
      dialog.querySelector<HTMLElement>('.dialog-content :is(input, textarea, select, button, [tabindex]):not(:disabled)') ?? dialog).focus()
    const closed = onOverlay(() => { close.current() })
    return () => {
      closed()
      dialog.close()
      if (before?.isConnected === true) before.focus()
    }
  }, [])

  return (
    <dialog
      ref={ref} class='dialog' aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault()
        event.stopPropagation()
        onClose()
      }}
      onPointerDown={(event) => { if (event.target === event.currentTarget) onClose() }}
    >
      <div class='dialog-body'>
        <header class='dialog-head'>
          <h2 id={id} dir='auto'>{title}</h2>
          <button type='button' class='icon-button' aria-label={words.close} onClick={onClose}><CloseIcon /></button>
        </header>
        <div class='dialog-content'>{children}</div>
      </div>
    </dialog>
  )
}
