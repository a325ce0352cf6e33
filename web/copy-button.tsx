import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { usePageWords } from './words.js'

/** Copies a text, and says so. */
export function CopyButton ({ text, label }: { text: string, label: string }): JSX.Element {
  const words = usePageWords()
  const [copied, setCopied] = useState(false)
  return (
    <>
      <button
        type='button' class='button is-small' onBlur={() => { setCopied(false) }} onClick={() => {
          navigator.clipboard?.writeText(text).then(() => { setCopied(true) }, () => {})
        }}
      >
        {label}
      </button>
      <span class='copied' role='status'>{copied && words.copied}</span>
    </>
  )
}
