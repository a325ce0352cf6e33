import type { JSX } from 'preact'
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { ChatMessage, LiveConversation, Typist } from '../client/index.js'
import { useStore, useVisible } from './hooks.js'
import { DownIcon } from './icons.js'
import { MessageBubble } from './message-bubble.js'
import type { Note } from './notes.js'
import { dayName, dayOf } from './time.js'
import { listNames } from './words.js'

interface Props {
  live: LiveConversation
  typing: readonly Typist[]
  /** Who joined and left, in order. */
  notes?: readonly Note[] | undefined
  title: string
  now: Date
  onEdit: (message: ChatMessage) => void
  onDelete: (message: ChatMessage) => void
}

/** Within this distance of the end, the log counts as scrolled to it, in pixels. */
const NEAR = 80
/** A pause of this length ends a group of messages, in milliseconds. */
const PAUSE_MS = 5 * 60_000

const none: readonly Note[] = []

/**
 * The messages of a conversation. A log that is scrolled to its end stays there, otherwise it does not move when older
 * messages appear above. Messages are marked as read when they are really seen.
 */
export function MessageLog ({ live, typing, notes = none, title, now, onEdit, onDelete }: Props): JSX.Element {
  const { status, conversation, messages, hasOlder, loadingOlder, unreadCount } = useStore(live)
  const scroller = useRef<HTMLDivElement>(null)
  const content = useRef<HTMLDivElement>(null)
  const end = useRef<HTMLDivElement>(null)
  const top = useRef<HTMLDivElement>(null)
  const [endSeen, setEndSeen] = useState(false)
  const [current, setCurrent] = useState<string | null>(null)
  const visible = useVisible()
  const isGroup = conversation?.type === 'group'
  const ready = status === 'ready'

  // The first message that was unread when the conversation was opened.
  const firstUnread = useRef<string | null>(null)
  if (ready) firstUnread.current ??= unreadCount === 0 ? '' : messages.filter(({ own }) => !own).at(-unreadCount)?.key ?? ''

  // Scrolling

  const place = useRef({ atEnd: true, height: 0, first: '' })
  const toEnd = (behavior: ScrollBehavior) => { scroller.current?.scrollTo({ top: scroller.current.scrollHeight, behavior }) }

  useLayoutEffect(() => {
    const box = scroller.current
    if (box === null) return
    const before = place.current
    const first = messages[0]?.key ?? ''
    const lastIsNew = before.first !== '' && messages.at(-1)?.seq === null
    if (before.atEnd || lastIsNew) box.scrollTop = box.scrollHeight
    else if (first !== before.first) box.scrollTop += box.scrollHeight - before.height
    place.current = { ...before, height: box.scrollHeight, first }
  }, [messages, typing, notes])

  // Stay at the end when a keyboard opens, or the field grows by a line.
  useEffect(() => {
    const box = scroller.current!
    const observer = new ResizeObserver(() => { if (place.current.atEnd) box.scrollTop = box.scrollHeight })
    observer.observe(box)
    observer.observe(content.current!)
    return () => { observer.disconnect() }
  }, [])

  useEffect(() => {
    const observer = new IntersectionObserver(([entry]) => { setEndSeen(entry?.isIntersecting === true) })
    observer.observe(end.current!)
    return () => { observer.disconnect() }
  }, [])

  useEffect(() => {
    if (!ready || !hasOlder) return
    const observer = new IntersectionObserver(([entry]) => {
      if (entry?.isIntersecting === true) live.loadOlder().catch(() => {})
    }, { root: scroller.current, rootMargin: '400px 0px 0px' })
    observer.observe(top.current!)
    return () => { observer.disconnect() }
  }, [ready, hasOlder, messages[0]?.key])

  // Marking as read

  useEffect(() => { if (visible && endSeen && ready) live.markRead() }, [visible, endSeen, ready, messages])

  // Who joined and left, between the messages

  const noted = useMemo(() => {
    const before = new Map<string, Note[]>()
    for (const note of notes) {
      const next = messages.find(({ seq, createdAt }) => seq === null || createdAt > note.timestamp)
      if (hasOlder && next === messages[0]) continue // It may belong before messages that are not loaded
      const key = next?.key ?? ''
      before.set(key, [...before.get(key) ?? [], note])
    }
    return before
  }, [messages, notes, hasOlder])
  const notesBefore = (key: string, condition = (_note: Note) => true) =>
    noted.get(key)?.filter(condition).map((note) => <p key={note.key} class='note' dir='auto'>{note.text}</p>)

  // Moving from message to message by keyboard

  const ownKeys = useMemo(() => messages.filter(isChangeable).map(({ key }) => key), [messages])

  function onKeyDown (event: KeyboardEvent): void {
    if (event.target !== scroller.current && !(event.target as HTMLElement).matches('.message')) return
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (step === undefined || ownKeys.length === 0) return
    const at = current === null ? ownKeys.length : ownKeys.indexOf(current)
    const next = ownKeys[at + step]
    if (next === undefined) return
    event.preventDefault()
    setCurrent(next)
    content.current?.querySelector<HTMLElement>(`[data-key="${CSS.escape(next)}"]`)?.focus()
  }

  return (
    <div class='log-place'>
      <div
        ref={scroller} class='log' role='log' aria-live='off' aria-label={`Messages with ${title}`} aria-busy={status === 'loading' || loadingOlder}
        tabIndex={0} onKeyDown={onKeyDown}
        onScroll={({ currentTarget: box }) => {
          place.current.atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR
        }}
      >
        <div ref={content} class='log-content'>
          <div ref={top} class='log-top'>{loadingOlder && <span class='spinner' aria-hidden='true' />}</div>
          {ready && !hasOlder && messages.length === 0 && <p class='log-beginning'>Nothing has been said yet. Say hello.</p>}
          {messages.flatMap((message, index) => {
            const before = messages[index - 1]
            const after = messages[index + 1]
            const newDay = before === undefined || dayOf(before.createdAt) !== dayOf(message.createdAt)
            const unread = before !== undefined && message.key === firstUnread.current
            const sameDay = (note: Note) => dayOf(note.timestamp) === dayOf(message.createdAt)
            return [
              notesBefore(message.key, (note) => !sameDay(note)),
              newDay && <div key={`day ${message.key}`} class='day' role='separator'><span>{dayName(message.createdAt, now)}</span></div>,
              notesBefore(message.key, sameDay),
              unread && <div key='unread' class='day is-unread' role='separator'><span>New</span></div>,
              <MessageBubble
                key={message.key} message={message} live={live} isGroup={isGroup} current={current === message.key}
                first={newDay || unread || noted.has(message.key) || !belongs(before, message)}
                last={
                  after === undefined || after.key === firstUnread.current || noted.has(after.key) ||
                  dayOf(after.createdAt) !== dayOf(message.createdAt) || !belongs(message, after)
                }
                onEdit={onEdit} onDelete={onDelete}
              />
            ]
          })}
          {notesBefore('')}
          {typing.length > 0 && (
            <p class='typing'>
              <span class='typing-dots' aria-hidden='true'><i /><i /><i /></span>
              {listNames(typing.map(({ displayName }) => displayName))} {typing.length === 1 ? 'is' : 'are'} typing…
            </p>
          )}
          <div ref={end} class='log-end' />
        </div>
      </div>
      {!endSeen && ready && messages.length > 0 && (
        <button type='button' class='to-end' aria-label='To the newest message' onClick={() => { toEnd('smooth') }}>
          <DownIcon />
          {unreadCount > 0 && <span class='badge'>{unreadCount}</span>}
        </button>
      )}
    </div>
  )
}

export const isChangeable = ({ own, seq, deletedAt }: ChatMessage): boolean => own && seq !== null && deletedAt === null

/** Whether two consecutive messages belong to one group. */
const belongs = (a: ChatMessage, b: ChatMessage): boolean =>
  a.senderId === b.senderId && Date.parse(b.createdAt) - Date.parse(a.createdAt) < PAUSE_MS
