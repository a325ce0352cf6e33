import type { ComponentChildren, JSX } from 'preact'
import { useId, useLayoutEffect, useRef } from 'preact/hooks'
import { CloseIcon } from './icons.js'

/** A modal dialog. It keeps the focus, and returns it when it closes. */
export function Dialog ({ title, onClose, children }: { title: string, onClose: () => void, children: ComponentChildren }): JSX.Element {
  const id = useId()
  const ref = useRef<HTMLDialogElement>(null)
  useLayoutEffect(() => {
    const dialog = ref.current
    const before = document.activeElement as HTMLElement | null
    dialog?.showModal()
    return () => {
      dialog?.close()
      if (before?.isConnected === true) before.focus()
    }
  }, [])

  return (
    <dialog
      ref={ref} class='dialog' aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault()
        onClose()
      }}
      onPointerDown={(event) => { if (event.target === event.currentTarget) onClose() }}
    >
      <div class='dialog-body'>
        <header class='dialog-head'>
          <h2 id={id}>{title}</h2>
          <button type='button' class='icon-button' aria-label='Close' onClick={onClose}><CloseIcon /></button>
        </header>
        {children}
      </div>
    </dialog>
  )
}
