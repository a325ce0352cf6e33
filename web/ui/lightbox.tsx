import type { JSX } from 'preact'
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { Attachment, ChatMessage, LiveConversation } from '../../client/index.js'
import { Download, isPicture, useFileUrl } from './attachments.js'
import { useChat, useWords } from './context.js'
import { Dialog } from './dialog.js'
import { useStore } from './hooks.js'
import { BackIcon } from './icons.js'

/** How far a finger must move across a picture to show the next one, in pixels. */
const SWIPED = 48

interface Shown { file: Attachment, message: ChatMessage }

/** The pictures of messages, in their order. */
const picturesOf = (messages: readonly ChatMessage[], blocked: ReadonlySet<string>): Shown[] => messages
  .filter(({ seq, senderId }) => seq !== null && !blocked.has(senderId))
  .flatMap((message) => message.attachments.filter(isPicture).map((file) => ({ file, message })))

/** A picture as large as the window allows. From it, one goes through all pictures of the conversation. */
export function Lightbox ({ file: first, live, onClose }: { file: Attachment, live: LiveConversation, onClose: () => void }): JSX.Element {
  const { session } = useChat()
  const words = useWords()
  const { messages, hasOlder, hasNewer } = useStore(live)
  const { blocked } = useStore(session)
  const [file, setFile] = useState(first)
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string | null>(null)
  const all = useMemo(() => picturesOf(messages, blocked), [messages, blocked])
  const at = all.findIndex((one) => one.file.fileId === file.fileId)
  const message = all[at]?.message
  const closed = useRef(false)
  useEffect(() => () => { closed.current = true }, [])

  // It goes with its message.
  const carrier = useRef(message?.id)
  if (message !== undefined) carrier.current = message.id
  const isDeleted = at === -1 && messages.some(({ id, deletedAt }) => id === carrier.current && deletedAt !== null)
  useEffect(() => { if (isDeleted) onClose() }, [isDeleted])

  /** Shows the picture before or after this one. More of the conversation is loaded until there is one. */
  async function go (step: 1 | -1): Promise<void> {
    if (busy || at === -1) return
    setProblem(null)
    setBusy(true)
    try {
      while (!closed.current) {
        const { messages, hasOlder, hasNewer } = live.getSnapshot()
        const now = picturesOf(messages, blocked)
        const next = now[now.findIndex((one) => one.file.fileId === file.fileId) + step]
        if (next !== undefined) return setFile(next.file)
        if (!(step === 1 ? hasNewer : hasOlder)) return
        await (step === 1 ? live.loadNewer() : live.loadOlder())
      }
    } catch (error) {
      setProblem(words.sentenceOf(error))
    } finally {
      setBusy(false)
    }
  }

  /** The step that leads to the left or to the right, where texts are read from one or the other. */
  const stepTo = (element: Element, right: boolean) => right === (getComputedStyle(element).direction === 'ltr') ? 1 : -1
  const touched = useRef<{ x: number, y: number } | null>(null)
  const button = (step: 1 | -1, label: string, more: boolean) => (
    <button
      type='button' class={`icon-button lightbox-${step === 1 ? 'next' : 'before'}`} aria-label={label} title={label}
      aria-disabled={all[at + step] === undefined && !more} onClick={() => { void go(step) }}
    >
      <BackIcon />
    </button>
  )
  return (
    <Dialog title={file.name} onClose={onClose}>
      <div
        class='lightbox-place' tabIndex={-1} autofocus aria-busy={busy}
        onKeyDown={({ key, currentTarget }) => {
          if (key === 'ArrowLeft' || key === 'ArrowRight') void go(stepTo(currentTarget, key === 'ArrowRight'))
        }}
        onTouchStart={({ touches: [one, two] }) => {
          touched.current = one === undefined || two !== undefined ? null : { x: one.clientX, y: one.clientY }
        }}
        onTouchEnd={({ changedTouches: [one], currentTarget }) => {
          if (touched.current === null || one === undefined) return
          const across = one.clientX - touched.current.x
          const down = Math.abs(one.clientY - touched.current.y)
          touched.current = null
          if (Math.abs(across) > SWIPED && Math.abs(across) > 2 * down) void go(stepTo(currentTarget, across < 0))
        }}
      >
        <div class='lightbox-frame'>
          <Picture key={file.fileId} file={file} />
          {button(-1, words.pictureBefore, hasOlder)}
          {button(1, words.pictureAfter, hasNewer)}
        </div>
        <p class='hint' role='status'>
          {message !== undefined && words.messageBy(message.own ? words.you : message.sender.displayName, words.exactTime(message.createdAt))}
        </p>
        {problem !== null && <p class='problem' role='alert'>{problem}</p>}
        <Download file={file} />
      </div>
    </Dialog>
  )
}

function Picture ({ file: { fileId, name, width, height } }: { file: Attachment }): JSX.Element {
  const [url, renew] = useFileUrl(fileId)
  return <img class='lightbox' src={url ?? undefined} alt={name} width={width!} height={height!} onError={renew} />
}
