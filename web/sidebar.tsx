import type { JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { conversationTitle, type ListedConversation } from '../client/index.js'
import { Avatar } from './avatar.js'
import type { Chat } from './chat.js'
import { useConnected, useNow, useStore, type Select } from './hooks.js'
import { ComposeIcon, MoreIcon, Ticks, WireIcon } from './icons.js'
import { Menu, type MenuItem } from './menu.js'
import type { Person } from './people.js'
import { shortTime } from './time.js'
import { listNames, otherOf, sentenceOf } from './words.js'

interface Props {
  chat: Chat
  person: Person
  selected: string | null
  select: Select
  onNew: () => void
  wireShown: boolean
  onWire: () => void
  /** Signs the user out. Null if the page cannot do that. */
  onLeave: (() => void) | null
}

/** The user, and the list of their conversations. */
export function Sidebar ({ chat, person, selected, select, onNew, wireShown, onWire, onLeave }: Props): JSX.Element {
  const { client, session, list } = chat
  const { user } = useStore(session)
  const { status: listStatus, error, conversations, hasMore } = useStore(list)
  const connected = useConnected(session)
  const now = useNow()
  const [hidden, setHidden] = useState(false)
  const name = user?.displayName ?? person.displayName
  const buttons = useRef<HTMLUListElement>(null)

  // A user with an open stream who is not online has chosen to hide.
  useEffect(() => { if (user !== null) setHidden(!user.isOnline) }, [user])

  const items: MenuItem[] = [{
    label: 'Appear offline',
    checked: hidden,
    onSelect () {
      setHidden(!hidden)
      client.setOnline(hidden).catch(() => { setHidden(hidden) })
    }
  }]
  if (onLeave !== null) items.push({ label: 'Sign out', onSelect: onLeave })

  // After a conversation is left, the focus returns to its item.
  const before = useRef(selected)
  useEffect(() => {
    if (selected === null && before.current !== null) {
      buttons.current?.querySelector<HTMLElement>(`[data-id="${CSS.escape(before.current)}"]`)?.focus()
    }
    before.current = selected
  }, [selected])

  function onKeyDown (event: KeyboardEvent): void {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (step === undefined) return
    const all = [...buttons.current?.querySelectorAll<HTMLElement>('button') ?? []]
    all[all.indexOf(document.activeElement as HTMLElement) + step]?.focus()
    event.preventDefault()
  }

  return (
    <nav class='sidebar' aria-label='Conversations'>
      <header class='sidebar-head'>
        <Avatar id={person.userId} name={name} picture={user?.avatar} online={connected && !hidden} />
        <span class='me'>
          <b>{name}</b>
          <small>{person.userId}</small>
        </span>
        <button type='button' class='icon-button' aria-label='New conversation' title='New conversation' onClick={onNew}><ComposeIcon /></button>
        <WireButton shown={wireShown} onClick={onWire} />
        <Menu label='More' items={items}><MoreIcon /></Menu>
      </header>

      <div class='sidebar-list'>
        {conversations.length > 0 && (
          <ul ref={buttons} onKeyDown={onKeyDown}>
            {conversations.map((conversation) => (
              <li key={conversation.id}>
                <ListItem
                  conversation={conversation} me={person.userId} connected={connected} selected={conversation.id === selected}
                  now={now} select={select}
                />
              </li>
            ))}
          </ul>
        )}
        {hasMore && <button type='button' class='button is-quiet is-wide' onClick={() => { list.loadMore().catch(() => {}) }}>Show more</button>}
        {listStatus === 'failed' && (
          <div class='empty' role='alert'>
            <p>{sentenceOf(error)}</p>
            <button type='button' class='button' onClick={() => { void list.reload() }}>Try again</button>
          </div>
        )}
        {listStatus === 'ready' && conversations.length === 0 && (
          <div class='empty'>
            <p>No conversations yet.</p>
            <button type='button' class='button is-primary' onClick={onNew}>Start one</button>
            <p class='hint'>Or tell somebody your user id: <b>{person.userId}</b></p>
          </div>
        )}
      </div>
    </nav>
  )
}

export function WireButton ({ shown, onClick }: { shown: boolean, onClick: () => void }): JSX.Element {
  return (
    <button type='button' class='icon-button wire-button' aria-label='On the wire' title='On the wire' aria-expanded={shown} onClick={onClick}>
      <WireIcon />
    </button>
  )
}

interface ItemProps {
  conversation: ListedConversation
  me: string
  connected: boolean
  selected: boolean
  now: Date
  select: Select
}

function ListItem ({ conversation, me, connected, selected, now, select }: ItemProps): JSX.Element {
  const { id, type, lastMessage, updatedAt, unreadCount } = conversation
  const title = conversationTitle(conversation, me) || 'Only you'
  const other = otherOf(conversation, me)
  return (
    <button type='button' class='item' data-id={id} aria-current={selected ? 'true' : undefined} onClick={() => { select(id) }}>
      <Avatar id={other?.userId ?? id} name={title} picture={other?.avatar} group={type === 'group'} online={connected && other?.isOnline === true} />
      <span class='item-name' dir='auto'>{title}</span>
      <time class='item-time' dateTime={lastMessage?.createdAt ?? updatedAt}>{shortTime(lastMessage?.createdAt ?? updatedAt, now)}</time>
      <Preview conversation={conversation} me={me} />
      {unreadCount > 0 && <span class='badge'>{unreadCount > 99 ? '99+' : unreadCount}<span class='for-readers'> unread</span></span>}
    </button>
  )
}

function Preview ({ conversation: { type, typing, lastMessage }, me }: { conversation: ListedConversation, me: string }): JSX.Element {
  if (typing.length > 0) {
    return <span class='item-preview is-typing'><span>{type === 'group' ? `${listNames(typing.map(({ displayName }) => displayName))} ` : ''}typing…</span></span>
  }
  if (lastMessage === null) return <span class='item-preview'>No messages yet</span>
  const { senderId, sender, text, deletedAt, status } = lastMessage
  const own = senderId === me
  return (
    <span class='item-preview'>
      {own && deletedAt === null && <Ticks status={status} />}
      {type === 'group' && !own && <span class='item-sender'><bdi>{sender.displayName}</bdi>:</span>}
      {deletedAt === null ? <span dir='auto'>{text.slice(0, 200)}</span> : <i>Message deleted</i>}
    </span>
  )
}
