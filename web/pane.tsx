import type { JSX } from 'preact'
import { useCallback, useEffect, useMemo, useState } from 'preact/hooks'
import { ChatError } from '../client/index.js'
import { Banner } from './banner.js'
import { openChat, type Chat } from './chat.js'
import { ConversationView } from './conversation-view.js'
import { useStore, type Select } from './hooks.js'
import { NewChat } from './new-chat.js'
import { NewsForReaders } from './news.js'
import type { Person } from './people.js'
import { Sidebar } from './sidebar.js'
import { WireDrawer } from './wire-drawer.js'

interface Props {
  person: Person
  /** The selected conversation. */
  selected: string | null
  select: Select
  onUnread: (count: number) => void
  onLeave: (why: string | null) => void
  canSignOut: boolean
}

/** A user's chat: their conversations, the selected one, and what goes over the wire. */
export function Pane (props: Props): JSX.Element {
  const { person } = props
  const [chat, setChat] = useState<Chat | null>(null)
  useEffect(() => {
    const opened = openChat(person)
    setChat(opened)
    const beforeUnload = (event: BeforeUnloadEvent) => { if (opened.unsent) event.preventDefault() }
    addEventListener('beforeunload', beforeUnload)
    return () => {
      removeEventListener('beforeunload', beforeUnload)
      opened.close()
    }
  }, [person.userId])
  return chat === null ? <></> : <OpenPane {...props} chat={chat} />
}

function OpenPane ({ person, selected, select, onUnread, onLeave, canSignOut, chat }: Props & { chat: Chat }): JSX.Element {
  const { client, session, list, wire } = chat
  const { error, userId } = useStore(session)
  const { conversations, unreadCount } = useStore(list)
  const [making, setMaking] = useState(false)
  const [wireShown, setWireShown] = useState(false)
  const me = userId ?? person.userId

  useEffect(() => { onUnread(unreadCount) }, [unreadCount])
  useEffect(() => {
    if (error instanceof ChatError && error.statusCode === 401) onLeave('You have been signed out: your sign-in has expired.')
  }, [error])

  const known = useMemo(() => [...new Set(conversations.flatMap(({ participants }) => participants.map((participant) => participant.userId)))]
    .filter((id) => id !== me).sort(), [conversations, me])
  const toggleWire = useCallback(() => { setWireShown((shown) => !shown) }, [])

  return (
    <section class='pane' data-view={selected === null ? 'list' : 'conversation'} aria-label={`${person.displayName}’s chat`}>
      <div class={`pane-frame${wireShown ? ' has-wire' : ''}`}>
        <Banner session={session} />
        <div class='pane-rooms'>
          <Sidebar
            chat={chat} person={person} selected={selected} select={select} onNew={() => { setMaking(true) }}
            wireShown={wireShown} onWire={toggleWire} onLeave={canSignOut ? () => { onLeave(null) } : null}
          />
          {selected === null
            ? <p class='nothing-selected'>Choose a conversation, or start a new one.</p>
            : (
              <ConversationView
                key={selected} chat={chat} conversationId={selected} me={me} select={select} known={known}
                wireShown={wireShown} onWire={toggleWire}
              />
              )}
        </div>
        {wireShown && <WireDrawer wire={wire} onClose={toggleWire} />}
      </div>
      <NewsForReaders chat={chat} selected={selected} me={me} />
      {making && (
        <NewChat
          client={client} userId={me} known={known} onClose={() => { setMaking(false) }} onMade={(id) => {
            setMaking(false)
            select(id)
          }}
        />
      )}
    </section>
  )
}
