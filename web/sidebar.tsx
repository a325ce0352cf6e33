import type { JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import type { Person } from './people.js'
import { Avatar } from './ui/avatar.js'
import { useChat } from './ui/context.js'
import { useConnected, useStore } from './ui/hooks.js'
import { ComposeIcon, MoreIcon, WireIcon } from './ui/icons.js'
import { ConversationList } from './ui/list.js'
import { Menu, type MenuItem } from './ui/menu-list.js'
import { usePageWords } from './words.js'

interface Props {
  person: Person
  selected: string | null
  onSelect: (conversationId: string) => void
  onOpen: (what: 'new' | 'palette' | 'keys' | 'profile' | 'blocked' | 'app') => void
  wireShown: boolean
  onWire: () => void
  /** Signs the user out. Null if the page cannot do that. */
  onLeave: (() => void) | null
}

/** The user, and the list of their conversations. */
export function Sidebar ({ person, selected, onSelect, onOpen, wireShown, onWire, onLeave }: Props): JSX.Element {
  const { client, session } = useChat()
  const words = usePageWords()
  const { user } = useStore(session)
  const connected = useConnected(session)
  const [hidden, setHidden] = useState(false)
  const name = user?.displayName ?? person.displayName

  // A user with an open stream who is not online has chosen to hide.
  useEffect(() => { if (user !== null) setHidden(!user.isOnline) }, [user])

  const items: MenuItem[] = [
    { label: words.yourProfile, onSelect: () => { onOpen('profile') } },
    { label: words.blockedPeople, onSelect: () => { onOpen('blocked') } },
    { label: words.palette, onSelect: () => { onOpen('palette') } },
    { label: words.inYourApp, onSelect: () => { onOpen('app') } },
    { label: words.keys, onSelect: () => { onOpen('keys') } }
  ]
  items.push({
    label: words.appearOffline,
    checked: hidden,
    onSelect () {
      setHidden(!hidden)
      client.setOnline(hidden).catch(() => { setHidden(hidden) })
    }
  })
  if (onLeave !== null) items.push({ label: words.signOut, onSelect: onLeave })

  return (
    <nav class='sidebar' aria-label={words.conversations}>
      <header class='sidebar-head'>
        <Avatar id={person.userId} name={name} picture={user?.avatar} online={connected && !hidden} />
        <span class='me'>
          <b dir='auto'>{name}</b>
          <small dir='auto'>{person.userId}</small>
        </span>
        <button type='button' class='icon-button' aria-label={words.newConversation} title={words.newConversation} onClick={() => { onOpen('new') }}>
          <ComposeIcon />
        </button>
        <WireButton shown={wireShown} onClick={onWire} />
        <Menu label={words.more} items={items}><MoreIcon /></Menu>
      </header>
      <ConversationList selected={selected} onSelect={onSelect} onNew={() => { onOpen('new') }} />
    </nav>
  )
}

export function WireButton ({ shown, onClick }: { shown: boolean, onClick: () => void }): JSX.Element {
  const words = usePageWords()
  return (
    <button
      type='button' class='icon-button wire-button' aria-label={words.onTheWire} title={words.onTheWire} aria-expanded={shown} onClick={onClick}
    >
      <WireIcon />
    </button>
  )
}
