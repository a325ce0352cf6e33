import type { JSX, RefObject } from 'preact'
import { useId, useLayoutEffect, useState } from 'preact/hooks'
import type { ChatMessage, LiveConversation } from '../client/index.js'
import { CloseIcon, EditIcon, SendIcon } from './icons.js'
import { sentenceOf } from './words.js'

/** The longest message, in code points. */
const MAX_LENGTH = 4000

interface Props {
  live: LiveConversation
  drafts: Map<string, string>
  field: RefObject<HTMLTextAreaElement | null>
  disabled: boolean
  title: string
  /** The message that is being edited. Null while a new one is written. */
  editing: ChatMessage | null
  onEdited: () => void
  onEditLast: () => void
}

/** The field for a message. Enter sends it; on a touch screen, Enter begins a new line. */
export function Composer ({ live, drafts, field, disabled, title, editing, onEdited, onEditLast }: Props): JSX.Element {
  const id = useId()
  const [text, setText] = useState(drafts.get(live.conversationId) ?? '')
  const [problem, setProblem] = useState<string | null>(null)
  const tooLong = text.length - MAX_LENGTH > -300 ? Array.from(text).length - MAX_LENGTH : -MAX_LENGTH
  const sendable = !disabled && text.trim() !== '' && tooLong <= 0

  useLayoutEffect(() => {
    setProblem(null)
    setText(editing === null ? drafts.get(live.conversationId) ?? '' : editing.text)
  }, [editing?.id])

  // The field grows with its text. Some browsers do it by themselves.
  useLayoutEffect(() => {
    if (CSS.supports('field-sizing', 'content') || field.current === null) return
    field.current.style.height = 'auto'
    field.current.style.height = `${field.current.scrollHeight}px`
  }, [text])

  function change (next: string): void {
    setText(next)
    if (editing !== null) return
    drafts.set(live.conversationId, next)
    live.setTyping(next.trim() !== '')
  }

  async function submit (): Promise<void> {
    if (!sendable) return
    if (editing === null) {
      live.send(text)
      drafts.delete(live.conversationId)
      setText('')
    } else if (text === editing.text) {
      onEdited()
    } else {
      try {
        await live.edit(editing.id, text)
        onEdited()
      } catch (error) {
        setProblem(sentenceOf(error))
      }
    }
    field.current?.focus()
  }

  function onKeyDown (event: KeyboardEvent): void {
    if (event.isComposing) return
    if (event.key === 'Enter' && !event.shiftKey && !matchMedia('(pointer: coarse)').matches) {
      event.preventDefault()
      void submit()
    } else if (event.key === 'Escape' && editing !== null) {
      onEdited()
    } else if (event.key === 'ArrowUp' && text === '' && editing === null) {
      event.preventDefault()
      onEditLast()
    }
  }

  return (
    <form
      class='composer' onSubmit={(event) => {
        event.preventDefault()
        void submit()
      }}
    >
      {editing !== null && (
        <div class='composer-note'>
          <EditIcon />
          <span>Editing your message</span>
          <button type='button' class='icon-button' aria-label='Keep it as it was' onClick={onEdited}><CloseIcon /></button>
        </div>
      )}
      {problem !== null && <p class='problem' role='alert'>{problem}</p>}
      <div class='composer-row'>
        <label for={id} class='for-readers'>{editing === null ? `Message to ${title}` : 'Your message'}</label>
        <textarea
          ref={field} id={id} value={text} rows={1} dir='auto' placeholder='Message' disabled={disabled} enterkeyhint='enter'
          aria-describedby={tooLong > -300 ? `${id}-length` : undefined} aria-invalid={tooLong > 0}
          onInput={({ currentTarget }) => { change(currentTarget.value) }}
          onBlur={() => { live.setTyping(false) }} onKeyDown={onKeyDown}
        />
        {tooLong > -300 && <span class={`length${tooLong > 0 ? ' is-over' : ''}`} id={`${id}-length`}>{-tooLong}</span>}
        <button
          type='submit' class='send-button' disabled={!sendable}
          aria-label={editing === null ? 'Send' : 'Save'} title={editing === null ? 'Send' : 'Save'}
        >
          <SendIcon />
        </button>
      </div>
    </form>
  )
}
