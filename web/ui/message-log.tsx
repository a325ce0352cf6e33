import type { JSX, Ref } from 'preact'
import { useCallback, useEffect, useImperativeHandle, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { ChatMessage, LiveConversation } from '../../client/index.js'
import { useChanges } from './changes.js'
import { useChat, useWords } from './context.js'
import { hasSelection, takeFocus, useActive, useLasting, useNow, useStore } from './hooks.js'
import { DownIcon } from './icons.js'
import type { MessageActions } from './message-actions.js'
import { blocksOf, MessageBlock } from './message-block.js'
import { onDemand } from './on-demand.js'
import { elementOf, placeOf, scrollToPlace, seenSeq, type Place } from './place.js'
import type { Anchor } from './popup.js'

const MessageMenu = onDemand(async () => (await import('./dialogs.js')).MessageMenu)
const WhoReacted = onDemand(async () => (await import('./dialogs.js')).WhoReacted)

/** What the parts around a log ask of it. */
export interface LogHandle {
  /** Scrolls to the newest message: the user has sent something. */
  toEnd (): void
  /** Shows a message, which is loaded if it is not there. */
  jump (seq: number): Promise<void>
  /** Moves the focus to a message, or to the log. */
  focus (key?: string): void
}

interface Props {
  live: LiveConversation
  handle: Ref<LogHandle>
  title: string
  actions: MessageActions
}

/** How long the pointer must rest on a reaction, or be away from it, in milliseconds. */
const HOVER_MS = 350

/** The key of the first unread message, which is looked for from the end. */
const firstUnread = (messages: readonly ChatMessage[], readSeq: number | null): string | null => readSeq === null
  ? null
  : messages.slice(messages.findLastIndex(({ seq }) => seq !== null && seq <= readSeq) + 1)
    .find(({ own, seq, deletedAt }) => !own && seq !== null && deletedAt === null)?.key ?? null
const newestOf = (messages: readonly ChatMessage[]) => messages.findLast(({ seq }) => seq !== null)?.seq ?? 0
/** How much of the log must have come into view, or left it, for it to be looked at again. */
const steps = Array.from({ length: 21 }, (_, index) => index / 20)
const isCalm = () => matchMedia('(prefers-reduced-motion: reduce)').matches

/**
 * The messages of a conversation. It opens at the first unread one and keeps the user's place: at the end it follows, but
 * never past a message that has not been on screen. Messages are marked as read when they have been, in a window with the
 * focus.
 */
export function MessageLog ({ live, handle, title, actions }: Props): JSX.Element {
  const { places, session, userId } = useChat()
  const { blocked, reachable } = useStore(session)
  const words = useWords()
  const now = useNow()
  const { status, conversation, messages, hasOlder, loadingOlder, hasNewer, unreadCount, readSeq, typing } = useStore(live)
  const changes = useChanges(live)
  const scroller = useRef<HTMLDivElement>(null)
  const content = useRef<HTMLDivElement>(null)
  const top = useRef<HTMLDivElement>(null)
  const bottom = useRef<HTMLDivElement>(null)
  const [menu, setMenu] = useState<{ message: ChatMessage, anchor: Anchor, picking: boolean } | null>(null)
  const [current, setCurrent] = useState<string | null>(null)
  const active = useActive()
  const ready = status === 'ready'
  const slow = useLasting(!ready && messages.length === 0, 400)

  // The place

  const place = useRef<Place>(places.get(live.conversationId) ?? 'end')
  const [atEnd, setAtEnd] = useState(true)
  const [opening, setOpening] = useState(true)
  const latest = useRef({ messages, readSeq, active, hasNewer, opening })
  latest.current = { messages, readSeq, active, hasNewer, opening }

  function keep (next: Place): void {
    place.current = next
    places.set(live.conversationId, next)
    setAtEnd(next === 'end' && !latest.current.hasNewer)
  }

  /** Where the log was scrolled to when the place was last kept, or the log brought to it. */
  const scrolled = useRef(0)

  const restore = useCallback(() => {
    const box = scroller.current
    const { messages, readSeq, opening } = latest.current
    if (box === null || box.clientHeight === 0 || opening) return
    // The user has scrolled, and the browser tells it with the next frame: what has changed meanwhile must not take it back. At
    // the end, it may be the browser that has scrolled, because there is less than before.
    const by = box.scrollTop - scrolled.current
    const moved = Math.abs(by) >= 1 && box.scrollTop + box.clientHeight < box.scrollHeight - 1
    if (moved) {
      const kept = place.current
      keep(kept === 'end' ? placeOf(box) : { ...kept, offset: kept.offset - by })
    }
    const found = scrollToPlace(box, place.current, firstUnread(messages, readSeq))
    scrolled.current = box.scrollTop
    if (found && (moved || place.current === 'end')) keep(placeOf(box))
  }, [])

  /** The upper and lower edge of the part of the log that can be seen, within its box: a host's page may have scrolled it away. */
  const inView = useRef({ from: 0, to: 0 })

  /** Marks what is on screen as read. */
  const look = useCallback(() => {
    const box = scroller.current
    if (box !== null && latest.current.active && !latest.current.opening) live.markRead(seenSeq(box, inView.current))
  }, [live])

  const looking = useRef(0)
  const lookSoon = useCallback(() => {
    cancelAnimationFrame(looking.current)
    looking.current = requestAnimationFrame(look)
  }, [look])

  // Until the first unread message is loaded, the log is not at its place, and nothing of it counts as seen.
  useLayoutEffect(() => {
    if (!opening || !ready || readSeq === null) return
    const oldest = messages.find(({ seq }) => seq !== null)?.seq ?? 0
    if (unreadCount === 0 || !hasOlder || readSeq + 1 >= oldest || place.current !== 'end') return setOpening(false)
    live.loadAround(readSeq + 1).catch(() => {}).finally(() => { setOpening(false) })
  }, [ready, readSeq === null])

  useLayoutEffect(restore, [messages, changes, typing, opening])
  useEffect(lookSoon, [messages, active, opening])
  useEffect(() => {
    const observer = new ResizeObserver(() => {
      restore()
      lookSoon()
    })
    observer.observe(scroller.current!)
    observer.observe(content.current!)
    const view = new IntersectionObserver((entries) => {
      const { intersectionRect: { top, height }, boundingClientRect } = entries.at(-1)!
      inView.current = { from: top - boundingClientRect.top, to: top - boundingClientRect.top + height }
      lookSoon()
    }, { threshold: steps })
    view.observe(scroller.current!)
    return () => {
      observer.disconnect()
      view.disconnect()
      cancelAnimationFrame(looking.current)
    }
  }, [])

  // A place among messages that are no longer loaded
  useEffect(() => {
    const kept = place.current
    if (!ready || kept === 'end' || messages.some(({ key }) => key === kept.key)) return
    if (kept.seq === null) place.current = 'end'
    else live.loadAround(kept.seq).catch(() => { place.current = 'end' })
  }, [ready])

  const goToEnd = useCallback(() => {
    live.markRead(newestOf(latest.current.messages))
    latest.current.readSeq = live.getSnapshot().readSeq
    keep('end')
  }, [live])

  async function toNewest (): Promise<void> {
    if (hasNewer) await live.reload()
    const box = scroller.current!
    const far = box.scrollHeight - box.scrollTop - box.clientHeight > 2 * box.clientHeight
    goToEnd()
    box.focus({ preventScroll: true })
    box.scrollTo({ top: box.scrollHeight, behavior: far || isCalm() ? 'instant' : 'smooth' })
  }

  // The line above the first new message

  const [line, setLine] = useState<number | null>(null)
  const seen = useRef<{ newest: number, read: number } | null>(null)
  useLayoutEffect(() => {
    if (opening || readSeq === null) return
    const newest = messages.findLast(({ own, seq }) => !own && seq !== null)?.seq ?? 0
    if (seen.current === null) {
      if (unreadCount > 0) setLine(readSeq)
    } else if (newest > seen.current.newest && !hasNewer) {
      const nothingNew = line === null || seen.current.read >= seen.current.newest
      if (nothingNew && !(active && place.current === 'end')) setLine(seen.current.read)
    }
    seen.current = { newest: Math.max(newest, seen.current?.newest ?? 0), read: readSeq }
  }, [messages, opening, readSeq])
  const lineKey = firstUnread(messages, line)

  useImperativeHandle(handle, () => ({
    toEnd () {
      setLine(null)
      goToEnd()
    },
    async jump (seq) {
      await live.loadAround(seq)
      const message = live.getSnapshot().messages.find((message) => message.seq === seq)
      const box = scroller.current
      if (message === undefined || box === null) return
      keep({ key: message.key, seq, offset: Math.round(box.clientHeight / 3) })
      // After the messages have been drawn.
      requestAnimationFrame(() => {
        restore()
        const element = elementOf(box, message.key)
        setCurrent(message.key)
        takeFocus(element)
        element?.animate([{ background: 'var(--accent-wash)' }, { background: 'transparent' }], { duration: 2000, easing: 'ease-in' })
      })
    },
    focus (key) {
      const box = scroller.current
      ;((key === undefined ? null : box && elementOf(box, key)) ?? box)?.focus({ preventScroll: true })
    }
  }), [live])

  // Loading what is before and after: when its edge comes near, and again when the service is back

  const [problem, setProblem] = useState(false)
  const load = useCallback((what: () => Promise<void>) => {
    setProblem(false)
    what().catch(() => { setProblem(true) })
  }, [])
  useEffect(() => {
    if (!ready || opening) return
    const observer = new IntersectionObserver((entries) => {
      for (const { isIntersecting, target } of entries) {
        if (isIntersecting) load(target === top.current ? live.loadOlder : live.loadNewer)
      }
    }, { root: scroller.current, rootMargin: '600px 0px' })
    if (hasOlder) observer.observe(top.current!)
    if (hasNewer) observer.observe(bottom.current!)
    return () => { observer.disconnect() }
  }, [ready, opening, reachable, hasOlder, hasNewer, messages[0]?.key, hasNewer && messages.at(-1)?.key])

  // The menu of a message

  const messageAt = (target: EventTarget | null) => {
    const key = (target as Element | null)?.closest<HTMLElement>('.message')?.dataset.key
    return latest.current.messages.find((message) => message.key === key)
  }
  const openMenu = useCallback((message: ChatMessage | undefined, anchor: Anchor, picking = false) => {
    if (message !== undefined) setMenu({ message, anchor, picking })
  }, [])
  const onPress = useCallback((element: HTMLElement, x: number, y: number) => {
    openMenu(messageAt(element), { left: x, right: x, top: y, bottom: y })
  }, [])
  const onSweep = useCallback((element: HTMLElement) => {
    const message = messageAt(element)
    if (message?.seq != null && message.deletedAt === null) actions.reply(message)
  }, [actions])

  // Who reacted: a pointer or a finger rests on a reaction

  const [who, setWho] = useState<{ message: ChatMessage, emoji: string, anchor: Anchor } | null>(null)
  const hovering = useRef<ReturnType<typeof setTimeout>>(undefined)
  const onHold = useCallback((reaction: HTMLElement) => {
    const message = messageAt(reaction)
    if (message !== undefined) setWho({ message, emoji: reaction.dataset.emoji!, anchor: reaction.getBoundingClientRect() })
  }, [])
  function onPointer ({ type, target, pointerType }: PointerEvent): void {
    if (pointerType !== 'mouse') return
    clearTimeout(hovering.current)
    const over = type === 'pointerleave' ? null : (target as Element).closest<HTMLElement>('.reaction, .who-reacted')
    if (over === null ? who !== null : over.matches('.reaction')) {
      hovering.current = setTimeout(() => { over === null ? setWho(null) : onHold(over) }, HOVER_MS)
    }
  }
  useEffect(() => () => { clearTimeout(hovering.current) }, [])

  useEffect(() => {
    if (navigator.maxTouchPoints === 0) return
    let here = true
    let end = () => {}
    // Without it, the menu still has its button.
    import('./touch.js').then(({ followTouch }) => { if (here) end = followTouch(scroller.current!, { onPress, onHold, onSweep }) }, () => {})
    return () => {
      here = false
      end()
    }
  }, [onPress, onSweep])

  function onContextMenu (event: MouseEvent): void {
    const target = event.target as Element
    const message = messageAt(target)
    // The browser's own menu for links and for what is selected. A finger that rests is ours.
    if (message === undefined || target.closest('a') !== null || hasSelection(target)) return
    event.preventDefault()
    if (matchMedia('(pointer: coarse)').matches) return
    const { clientX: x, clientY: y } = event
    const { left, bottom } = target.closest('.message')!.querySelector('.bubble')!.getBoundingClientRect()
    openMenu(message, x === 0 && y === 0 ? { left, right: left, top: bottom, bottom } : { left: x, right: x, top: y, bottom: y })
  }

  function onClick (event: MouseEvent): void {
    const button = (event.target as Element).closest<HTMLElement>('[data-action]')
    const message = messageAt(button)
    if (button === null || message === undefined) return
    if (button.dataset.action === 'reply') actions.reply(message)
    else openMenu(message, button.getBoundingClientRect(), button.dataset.action === 'react')
  }

  // From message to message by keyboard

  function onKeyDown (event: KeyboardEvent): void {
    const target = event.target as HTMLElement
    const box = scroller.current!
    if (target !== box && !target.matches('.message')) return
    const message = messageAt(target)
    if (message !== undefined && (event.key === 'Enter' || event.key === ' ')) {
      event.preventDefault()
      return openMenu(message, target.querySelector('.bubble')!.getBoundingClientRect())
    }
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -messages.length, End: messages.length }[event.key]
    if (step === undefined || messages.length === 0) return
    const at = messages.findIndex(({ key }) => key === (message?.key ?? current))
    const from = at === -1 ? messages.length : at
    const next = messages[Math.max(0, Math.min(messages.length - 1, from + step))]!
    event.preventDefault()
    setCurrent(next.key)
    const element = elementOf(box, next.key)
    element?.focus({ preventScroll: true })
    element?.scrollIntoView({ block: 'nearest' })
  }

  const today = now.toDateString()
  const isGroup = conversation?.type === 'group'
  // What is not about the messages, such as who types, leaves them alone.
  const shown = useMemo(() => blocksOf(messages).map(([key, own], index, blocks) => {
    const before = blocks[index - 1]?.[1].at(-1)
    const after = blocks[index + 1]?.[1][0]
    const from = before?.seq ?? 0
    const to = after?.seq == null ? Infinity : own.at(-1)?.seq ?? Infinity
    return (
      <MessageBlock
        key={key} messages={own} before={before} after={after} live={live} isGroup={isGroup} blocked={blocked} me={userId}
        changes={key === 'unsent' ? none : changes.filter(({ afterSeq }) => afterSeq >= from && afterSeq < to)}
        lineKey={own.some((message) => message.key === lineKey) || after?.key === lineKey ? lineKey : null}
        today={today} now={now} words={words} actions={actions}
      />
    )
  }), [messages, changes, lineKey, live, isGroup, blocked, userId, today, words, actions])

  return (
    <div class='log-place' onPointerOver={onPointer} onPointerLeave={onPointer}>
      <div
        ref={scroller} class={`log${opening && messages.length > 0 ? ' is-opening' : ''}`} role='log' aria-live='off' aria-label={words.messagesWith(title)}
        aria-busy={status === 'loading' || loadingOlder} tabIndex={0} onKeyDown={onKeyDown} onClick={onClick} onContextMenu={onContextMenu}
        onScroll={({ currentTarget: box }) => {
          setWho(null)
          if (box.clientHeight === 0 || opening) return
          lookSoon()
          // The log was brought to its place. What has been laid out since may have moved it, until it is brought there again.
          if (Math.abs(box.scrollTop - scrolled.current) < 1) return
          scrolled.current = box.scrollTop
          keep(placeOf(box))
        }}
      >
        <div ref={content} class='log-content'>
          <div ref={top} class='log-top'>{loadingOlder && <span class='spinner' aria-hidden='true' />}</div>
          {problem && (
            <button type='button' class='button is-small log-problem' onClick={() => { load(hasOlder ? live.loadOlder : live.loadNewer) }}>
              {words.tryAgain}
            </button>
          )}
          {slow && <div class='log-loading' role='status'><span class='spinner' aria-hidden='true' /> {words.loading}</div>}
          {ready && !hasOlder && messages.length === 0 && <p class='log-beginning'>{words.nothingSaid}</p>}
          {shown}
          {typing.length > 0 && (
            <p class='typing'>
              <span class='typing-dots' aria-hidden='true'><i /><i /><i /></span>
              {words.isTyping(words.listNames(typing.map(({ displayName }) => displayName)), typing.length)}
            </p>
          )}
          <div ref={bottom} class='log-bottom' />
        </div>
      </div>
      {(!atEnd || hasNewer) && ready && messages.length > 0 && (
        <button type='button' class='to-end' aria-label={words.toNewest} onClick={() => { toNewest().catch(() => {}) }}>
          <DownIcon />
          {unreadCount > 0 && <span class='badge'>{unreadCount}</span>}
        </button>
      )}
      {menu !== null && (
        <MessageMenu
          message={messages.find(({ key }) => key === menu.message.key) ?? menu.message} conversation={conversation} anchor={menu.anchor}
          picking={menu.picking} actions={actions} onClose={() => { setMenu(null) }}
        />
      )}
      {who !== null && (
        <WhoReacted
          message={messages.find(({ key }) => key === who.message.key) ?? who.message} emoji={who.emoji} anchor={who.anchor}
          onClose={() => { setWho(null) }}
        />
      )}
    </div>
  )
}

const none: readonly never[] = []
