import type { ComponentChildren, JSX, RefObject } from 'preact'
import { useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks'
import { mentionsOf, type ChatMessage, type Conversation, type LiveConversation, type Participant } from '../../client/index.js'
import { Avatar } from './avatar.js'
import { useChat, useWords } from './context.js'
import { isComposing, useStore } from './hooks.js'
import { AttachIcon, CloseIcon, EditIcon, ReplyIcon, SendIcon } from './icons.js'
import { mayPost } from './message-actions.js'
import { useUnmarked } from './rich-text.js'

/** The longest message, in code points. */
const MAX_LENGTH = 4000
/** The most people that are offered after an `@`. */
const OFFERED = 6
/** The most files of a message. */
const MAX_FILES = 10
const everybody = /(?:^|\s)@all(?![\p{L}\p{N}_])/u

interface Props {
  live: LiveConversation
  conversation: Conversation | null
  field: RefObject<HTMLTextAreaElement | null>
  disabled: boolean
  /** What stands in the place of the field while nothing can be written. */
  closed: ComponentChildren
  title: string
  onSent: () => void
  onEditLast: () => void
}

type Offer = { key: string, name: string, insert: string, person: Participant | null }

/** The field for a message. Enter sends it; on a touch screen, Enter begins a new line. */
export function Composer ({ live, conversation, field, disabled, closed, title, onSent, onEditLast }: Props): JSX.Element {
  const { drafts, userId, hasFiles, files: chosenFiles } = useChat()
  const words = useWords()
  const id = useId()
  const { conversationId } = live
  useStore(drafts)
  const draft = drafts.of(conversationId)
  const edit = draft.edit ?? null
  const replyTo = draft.replyTo ?? null
  const quoted = useUnmarked(replyTo?.text ?? '')
  const text = edit?.text ?? draft.text
  const [problem, setProblem] = useState<{ text: string, again?: () => void } | null>(null)
  const [files, setFiles] = useState(() => chosenFiles.get(conversationId) ?? [])
  const picker = useRef<HTMLInputElement>(null)
  const empty = text.trim() === '' && (files.length === 0 || edit !== null)
  const over = text.length > MAX_LENGTH - 300 ? Array.from(text).length - MAX_LENGTH : -MAX_LENGTH
  const isClosed = conversation !== null && !mayPost(conversation, userId) && edit === null
  const restricted = isClosed || closed !== null
  const others = useMemo(() => conversation?.participants.filter((one) => one.userId !== userId) ?? [], [conversation?.participants, userId])

  useEffect(() => { setProblem(null) }, [edit?.id])

  // The field grows with its text. Some browsers do it by themselves.
  useLayoutEffect(() => {
    if (CSS.supports('field-sizing', 'content') || field.current === null) return
    field.current.style.height = 'auto'
    field.current.style.height = `${field.current.scrollHeight}px`
  }, [text])

  function choose (next: readonly File[]): void {
    setProblem(next.length > MAX_FILES ? { text: words.tooManyFiles } : null)
    chosenFiles.set(conversationId, next.slice(0, MAX_FILES))
    setFiles(next.slice(0, MAX_FILES))
  }

  /** Takes files that were picked, pasted or dropped. @returns whether there were any */
  function take (added: FileList | undefined): boolean {
    if (added === undefined || added.length === 0 || !hasFiles || disabled || restricted || edit !== null) return false
    choose([...files, ...added])
    field.current?.focus()
    return true
  }

  // Files may be dropped anywhere in the conversation.
  const latest = useRef(take)
  latest.current = take
  useEffect(() => {
    const place = hasFiles ? field.current?.closest<HTMLElement>('.conversation') : null
    const over = (event: DragEvent) => { if (event.dataTransfer?.types.includes('Files') === true) event.preventDefault() }
    const drop = (event: DragEvent) => {
      over(event)
      latest.current(event.dataTransfer?.files)
    }
    place?.addEventListener('dragover', over)
    place?.addEventListener('drop', drop)
    return () => {
      place?.removeEventListener('dragover', over)
      place?.removeEventListener('drop', drop)
    }
  }, [restricted])

  function change (next: string): void {
    drafts.set(conversationId, edit === null ? { ...draft, text: next } : { ...draft, edit: { ...edit, text: next } })
    if (edit === null) live.setTyping(next.trim() !== '')
  }

  function endEdit (): void {
    drafts.set(conversationId, { ...drafts.of(conversationId), edit: null })
  }

  async function save (messageId: string, next: string): Promise<void> {
    endEdit() // What is written from now on is a new message
    const message = live.getSnapshot().messages.find((message: ChatMessage) => message.id === messageId)
    if (message?.text === next) return
    try {
      await live.edit(messageId, { text: next, mentions: mentionsOf(next, others), mentionsAll: mayMentionAll && everybody.test(next) })
    } catch (error) {
      setProblem({
        text: `${words.notSaved} ${words.sentenceOf(error)}`,
        again: () => { drafts.set(conversationId, { ...drafts.of(conversationId), edit: { id: messageId, text: next } }) }
      })
    }
  }

  function submit (): void {
    if (disabled || restricted || empty) return
    if (over > 0) return setProblem({ text: words.tooLong(over) })
    setProblem(null)
    setOffer(null)
    if (edit !== null) {
      void save(edit.id, text)
    } else {
      const mentions = { mentions: mentionsOf(text, others), mentionsAll: mayMentionAll && everybody.test(text) }
      live.send({ text, replyTo: replyTo?.id ?? null, ...mentions, files })
      choose([])
      drafts.set(conversationId, { text: '' })
      onSent()
    }
    field.current?.focus()
  }

  // Who may be meant by an `@`

  const isGroup = conversation?.type === 'group'
  const role = conversation?.participants.find((one) => one.userId === userId)?.role
  const mayMentionAll = isGroup && (conversation.settings.mentionAll === 'everyone' || role !== 'member')
  const [offer, setOffer] = useState<{ start: number, end: number, at: number } | null>(null)
  const query = offer === null ? '' : text.slice(offer.start + 1, offer.end).toLowerCase()
  const offers = useMemo<Offer[]>(() => {
    if (offer === null) return []
    const named = others
      .filter(({ displayName, userId }) => displayName.toLowerCase().split(/\s/).some((word) => word.startsWith(query)) ||
        displayName.toLowerCase().startsWith(query) || userId.toLowerCase().startsWith(query))
      .map((person) => ({ key: person.userId, name: person.displayName, insert: `@${person.displayName} `, person }))
    const all = mayMentionAll && 'all'.startsWith(query) ? [{ key: '', name: words.everybody, insert: '@all ', person: null }] : []
    return [...named, ...all].slice(0, OFFERED)
  }, [offer?.start, query, others, mayMentionAll, words])
  const chosen = offer === null ? undefined : offers[offer.at % offers.length]

  function look ({ value, selectionStart, selectionEnd }: HTMLTextAreaElement): void {
    const before = value.slice(0, selectionStart)
    const found = selectionStart === selectionEnd ? /(?:^|[\s(])@([^@\n]{0,40})$/u.exec(before) : null
    if (found === null || !isGroup) return setOffer(null)
    const start = before.length - found[1]!.length - 1
    setOffer((known) => ({ start, end: selectionStart, at: known?.start === start ? known.at : 0 }))
  }

  function insertName ({ insert }: Offer): void {
    const { start, end } = offer!
    change(text.slice(0, start) + insert + text.slice(end))
    setOffer(null)
    field.current!.focus()
    // After the field has its new text.
    requestAnimationFrame(() => { field.current?.setSelectionRange(start + insert.length, start + insert.length) })
  }

  function onKeyDown (event: KeyboardEvent): void {
    if (isComposing(event)) return
    if (offer !== null && chosen !== undefined) {
      const step = { ArrowDown: 1, ArrowUp: offers.length - 1 }[event.key]
      if (step !== undefined) setOffer({ ...offer, at: (offer.at + step) % offers.length })
      else if (event.key === 'Enter' || event.key === 'Tab') insertName(chosen)
      else if (event.key === 'Escape') setOffer(null)
      if (step !== undefined || ['Enter', 'Tab', 'Escape'].includes(event.key)) {
        event.preventDefault()
        event.stopPropagation()
        return
      }
    }
    if (event.key === 'Enter' && !event.shiftKey && !matchMedia('(pointer: coarse)').matches) {
      event.preventDefault()
      submit()
    } else if (event.key === 'Escape' && edit !== null) {
      endEdit()
    } else if (event.key === 'Escape' && replyTo !== null) {
      drafts.set(conversationId, { ...draft, replyTo: null })
    } else if (event.key === 'ArrowUp' && text === '' && edit === null) {
      event.preventDefault()
      onEditLast()
    }
  }

  return (
    <form
      class='composer' part='composer' onSubmit={(event) => {
        event.preventDefault()
        submit()
      }}
    >
      {offer !== null && offers.length > 0 && (
        <ul class='offers' role='listbox' id={`${id}-offers`} aria-label={words.whoToMention}>
          {offers.map((one) => (
            <li
              key={one.key} id={`${id}-offer-${one.key}`} role='option' aria-selected={one === chosen}
              onPointerDown={(event) => {
                event.preventDefault()
                insertName(one)
              }}
            >
              {one.person !== null && <Avatar id={one.key} name={one.name} picture={one.person.avatar} small />}
              <bdi>{one.name}</bdi> <small>{one.person === null ? '@all' : <bdi>{one.key}</bdi>}</small>
            </li>
          ))}
        </ul>
      )}
      {edit !== null && (
        <div class='composer-note'>
          <EditIcon />
          <span>{words.editingMessage}</span>
          <button type='button' class='icon-button' aria-label={words.keepAsItWas} onClick={endEdit}><CloseIcon /></button>
        </div>
      )}
      {edit === null && replyTo !== null && (
        <div class='composer-note'>
          <ReplyIcon />
          <span><b>{words.replyTo(replyTo.name)}</b> <bdi class='composer-quote'>{quoted}</bdi></span>
          <button
            type='button' class='icon-button' aria-label={words.noReply}
            onClick={() => { drafts.set(conversationId, { ...draft, replyTo: null }) }}
          >
            <CloseIcon />
          </button>
        </div>
      )}
      {edit === null && files.length > 0 && (
        <ul class='chips-field chosen-files' aria-label={words.chosenFiles}>
          {files.map((file, index) => (
            <li key={index} class='chip'>
              <bdi>{file.name}</bdi>
              <button type='button' aria-label={words.takeOff(file.name)} onClick={() => { choose(files.filter((other) => other !== file)) }}>
                <CloseIcon />
              </button>
            </li>
          ))}
        </ul>
      )}
      {problem !== null && (
        <p class='problem' role='alert'>
          {problem.text}
          {problem.again !== undefined && (
            <button
              type='button' class='link' onClick={() => {
                setProblem(null)
                problem.again?.()
              }}
            >
              {words.editAgain}
            </button>
          )}
        </p>
      )}
      {restricted
        ? <p class='composer-closed'>{closed ?? (conversation?.settings.posting === 'nobody' ? words.nobodyWrites : words.adminsWrite)}</p>
        : (
          <div class='composer-row'>
            <label for={id} class='for-readers'>{edit === null ? words.messageTo(title) : words.yourMessage}</label>
            <textarea
              ref={field} id={id} value={text} rows={1} dir='auto' placeholder={words.message} disabled={disabled} enterkeyhint='enter'
              aria-describedby={over > -300 ? `${id}-length` : undefined} aria-invalid={over > 0}
              aria-autocomplete={isGroup ? 'list' : undefined} aria-controls={offer !== null && offers.length > 0 ? `${id}-offers` : undefined}
              aria-activedescendant={chosen === undefined ? undefined : `${id}-offer-${chosen.key}`}
              onInput={({ currentTarget }) => {
                change(currentTarget.value)
                look(currentTarget)
              }}
              onClick={({ currentTarget }) => { look(currentTarget) }}
              onPaste={(event) => { if (take(event.clipboardData?.files)) event.preventDefault() }}
              onBlur={() => {
                live.setTyping(false)
                setOffer(null)
              }}
              onKeyDown={onKeyDown}
            />
            {over > -300 && <bdi class={`length${over > 0 ? ' is-over' : ''}`} id={`${id}-length`}>{-over}</bdi>}
            {edit === null && hasFiles && (
              <>
                <input
                  ref={picker} type='file' multiple hidden onChange={({ currentTarget }) => {
                    take(currentTarget.files ?? undefined)
                    currentTarget.value = ''
                  }}
                />
                <button
                  type='button' class='icon-button attach-button' aria-label={words.attach} title={words.attach} disabled={disabled}
                  onClick={() => { picker.current?.click() }}
                >
                  <AttachIcon />
                </button>
              </>
            )}
            <button
              type='submit' class='send-button' disabled={disabled || empty}
              aria-label={edit === null ? words.send : words.save} title={edit === null ? words.send : words.save}
            >
              <SendIcon />
            </button>
          </div>
          )}
    </form>
  )
}
