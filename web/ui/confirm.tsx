import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { useWords } from './context.js'
import { Dialog } from './dialog.js'

interface Props {
  title: string
  text: string
  action: string
  onConfirm: () => Promise<void>
  onClose: () => void
}

/** Asks before an action that cannot be undone. */
export function Confirm ({ title, text, action, onConfirm, onClose }: Props): JSX.Element {
  const words = useWords()
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string | null>(null)

  async function confirm (): Promise<void> {
    setBusy(true)
    setProblem(null)
    try {
      await onConfirm()
      onClose()
    } catch (error) {
      setProblem(words.sentenceOf(error))
      setBusy(false)
    }
  }

  return (
    <Dialog title={title} onClose={onClose}>
      <p class='dialog-text' dir='auto'>{text}</p>
      {problem !== null && <p class='problem' role='alert'>{problem}</p>}
      <footer class='dialog-foot'>
        <button type='button' class='button' autofocus onClick={onClose}>{words.cancel}</button>
        <button type='button' class='button is-danger is-filled' disabled={busy} onClick={() => { void confirm() }}>{action}</button>
      </footer>
    </Dialog>
  )
}
