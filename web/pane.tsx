import type { JSX } from 'preact'
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { ChatError, createChatClient } from '../client/index.js'
import type { Select } from './address.js'
import { tokenOf, type Person } from './people.js'
import { baseUrl, hasFiles } from './service.js'
import { Sidebar, WireButton } from './sidebar.js'
import { Banner } from './ui/banner.js'
import { openChat, type Chat } from './ui/chat.js'
import { ChatProvider, useChat } from './ui/context.js'
import { ConversationView } from './ui/conversation.js'
import { LookingProvider, useStore } from './ui/hooks.js'
import { NewsForReaders } from './ui/news.js'
import { AskToNotify, Notifications } from './ui/notifications.js'
import { onDemand } from './ui/on-demand.js'
import type { Command } from './ui/palette.js'
import { WhoTries } from './trial-pane.js'
import { createWire, type Wire } from './wire.js'
import { usePageWords } from './words.js'

const NewChat = onDemand(async () => (await import('./ui/dialogs.js')).NewChat)
const BlockedPeople = onDemand(async () => (await import('./dialogs.js')).BlockedPeople)
const Palette = onDemand(async () => (await import('./dialogs.js')).Palette)
const InYourApp = onDemand(async () => (await import('./dialogs.js')).InYourApp)
const KeyHelp = onDemand(async () => (await import('./dialogs.js')).KeyHelp)
const OwnProfile = onDemand(async () => (await import('./dialogs.js')).OwnProfile)
const WireDrawer = onDemand(async () => (await import('./dialogs.js')).WireDrawer)

interface Props {
  person: Person
  /** The selected conversation. */
  selected: string | null
  select: Select
  onUnread: (count: number) => void
  onLeave: (why: string | null) => void
  canSignOut: boolean
  /** Whether the keys of the page are this user's. */
  keys?: boolean
  /** For one of the trial's two: whether it is the one whose chat is used. The other one reads nothing meanwhile. */
  tries?: boolean
}

/** A user's chat: their conversations, the selected one, and what goes over the wire. */
export function Pane (props: Props): JSX.Element {
  const { person } = props
  const [opened, setOpened] = useState<{ chat: Chat, wire: Wire } | null>(null)
  useEffect(() => {
    const wire = createWire(baseUrl)
    const client = createChatClient({ baseUrl, token: () => tokenOf(person), fetch: wire.fetch })
    const chat = openChat({ client, userId: person.userId, hasFiles })
    chat.session.listen(wire.event)
    setOpened({ chat, wire })
    const beforeUnload = (event: BeforeUnloadEvent) => { if (chat.unsent) event.preventDefault() }
    addEventListener('beforeunload', beforeUnload)
    return () => {
      removeEventListener('beforeunload', beforeUnload)
      chat.close()
    }
  }, [person.userId])
  return opened === null ? <></> : <ChatProvider value={opened.chat}><OpenPane {...props} wire={opened.wire} /></ChatProvider>
}

function OpenPane ({ person, selected, select, onUnread, onLeave, canSignOut, keys = false, tries, wire }: Props & { wire: Wire }): JSX.Element {
  const { session, list } = useChat()
  const words = usePageWords()
  const { error } = useStore(session)
  const { unreadCount } = useStore(list)
  const [open, setOpen] = useState<'new' | 'palette' | 'keys' | 'profile' | 'blocked' | 'app' | null>(null)
  const [sent, setSent] = useState(false)
  const root = useRef<HTMLElement>(null)
  const [wireShown, setWireShown] = useState(false)

  useEffect(() => { onUnread(unreadCount) }, [unreadCount])
  useEffect(() => {
    if (error instanceof ChatError && error.statusCode === 401) onLeave(words.signInExpired)
  }, [error])

  const toggleWire = useCallback(() => { setWireShown((shown) => !shown) }, [])
  const close = useCallback(() => { setOpen(null) }, [])

  useEffect(() => {
    if (!keys) return
    const listener = (event: KeyboardEvent) => {
      const target = event.composedPath()[0] as HTMLElement
      const writes = target.matches?.('input, textarea, select') || target.isContentEditable
      const command = (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && event.key.toLowerCase() === 'k'
      if (document.querySelector('dialog[open]') !== null) return
      if (command) setOpen('palette')
      else if (event.key === '?' && !writes) setOpen('keys')
      else return
      event.preventDefault()
    }
    addEventListener('keydown', listener)
    return () => { removeEventListener('keydown', listener) }
  }, [keys])

  const commands = useMemo<Command[]>(() => [
    { key: 'new', label: words.newConversation, kind: words.command, run: () => { setOpen('new') } },
    { key: 'profile', label: words.yourProfile, kind: words.command, run: () => { setOpen('profile') } },
    { key: 'blocked', label: words.blockedPeople, kind: words.command, run: () => { setOpen('blocked') } },
    { key: 'wire', label: words.onTheWire, kind: words.command, run: toggleWire },
    { key: 'app', label: words.inYourApp, kind: words.command, run: () => { setOpen('app') } },
    { key: 'keys', label: words.keys, kind: words.command, run: () => { setOpen('keys') } },
    ...canSignOut ? [{ key: 'out', label: words.signOut, kind: words.command, run: () => { onLeave(null) } }] : []
  ], [words, canSignOut])

  const chat = (
    <section ref={root} class='pane' data-view={selected === null ? 'list' : 'conversation'} aria-label={words.chatOf(person.displayName)}>
      {selected !== null && (
        <button type='button' class='skip' onClick={() => { root.current?.querySelector('textarea')?.focus() }}>{words.skipToField}</button>
      )}
      <div class={`pane-frame${wireShown ? ' has-wire' : ''}`}>
        <Banner />
        <div class='pane-rooms'>
          <Sidebar
            person={person} selected={selected} onSelect={select} onOpen={setOpen}
            wireShown={wireShown} onWire={toggleWire} onLeave={canSignOut ? () => { onLeave(null) } : null}
          />
          {selected === null
            ? <p class='nothing-selected'>{words.chooseConversation}</p>
            : (
              <ConversationView
                key={selected} conversationId={selected} takesFocus={tries !== false} onBack={() => { select(null) }} onSent={() => { setSent(true) }}
                actions={<WireButton shown={wireShown} onClick={toggleWire} />}
              />
              )}
        </div>
        {wireShown && <WireDrawer wire={wire} onClose={toggleWire} />}
      </div>
      {tries === undefined && <AskToNotify sent={sent} />}
      {tries === undefined && <Notifications onSelect={select} />}
      <NewsForReaders selected={selected} />
      {open === 'palette' && <Palette commands={commands} onSelect={select} onClose={close} />}
      {open === 'app' && <InYourApp userId={person.userId} onClose={close} />}
      {open === 'keys' && <KeyHelp onClose={close} />}
      {open === 'blocked' && <BlockedPeople onClose={close} />}
      {open === 'profile' && <OwnProfile onClose={close} />}
      {open === 'new' && (
        <NewChat
          onClose={close} onMade={(id) => {
            close()
            select(id)
          }}
        />
      )}
    </section>
  )
  return tries === undefined ? chat : <LookingProvider value={tries}><WhoTries person={person} wire={wire} />{chat}</LookingProvider>
}
