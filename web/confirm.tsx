import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { Dialog } from './dialog.js'
import { sentenceOf } from './words.js'

interface Props {
  title: string
  text: string
  action: string
  onConfirm: () => Promise<void>
  onClose: () => void
}

/** Asks before an action that cannot be undone. */
export function Confirm ({ title, text, action, onConfirm, onClose }: Props): JSX.Element {
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string | null>(null)

  async function confirm (): Promise<void> {
    setBusy(true)
    setProblem(null)
    try {
      await onConfirm()
      onClose()
    } catch (error) {
      setProblem(sentenceOf(error))
      setBusy(false)
    }
  }

  return (
    <Dialog title={title} onClose={onClose}>
      <p class='dialog-text'>{text}</p>
      {problem !== null && <p class='problem' role='alert'>{problem}</p>}
      <footer class='dialog-foot'>
        <button type='button' class='button' onClick={onClose}>Cancel</button>
        <button type='button' class='button is-danger is-filled' disabled={busy} onClick={() => { void confirm() }}>{action}</button>
      </footer>
    </Dialog>
  )
}
