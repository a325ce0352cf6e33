import type { JSX } from 'preact'
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { conversationTitle, type ChatMessage } from '../client/index.js'
import { Avatar } from './avatar.js'
import type { Chat } from './chat.js'
import { Composer } from './composer.js'
import { Confirm } from './confirm.js'
import { useConnected, useNow, useStore, type Select } from './hooks.js'
import { BackIcon, PeopleIcon } from './icons.js'
import { Members } from './members.js'
import { MessageLog } from './message-log.js'
import { WireButton } from './sidebar.js'
import { otherOf, sentenceOf, whoIsThere } from './words.js'

interface Props {
  chat: Chat
  conversationId: string
  me: string
  select: Select
  known: readonly string[]
  wireShown: boolean
  onWire: () => void
}

/** One conversation: its participants, its messages, and the field for a new one. */
export function ConversationView ({ chat, conversationId, me, select, known, wireShown, onWire }: Props): JSX.Element {
  const live = useMemo(() => chat.enter(conversationId), [chat, conversationId])
  useEffect(() => () => { chat.leave(conversationId) }, [chat, conversationId])
  const { status, error, conversation: loaded, messages, removed, typing } = useStore(live)
  const listed = useStore(chat.list).conversations.find(({ id }) => id === conversationId)
  const notes = useStore(chat.notes).get(conversationId)
  const connected = useConnected(chat.session)
  const now = useNow()
  const [editing, setEditing] = useState<ChatMessage | null>(null)
  const [deleting, setDeleting] = useState<ChatMessage | null>(null)
  const [membersShown, setMembersShown] = useState(false)
  const field = useRef<HTMLTextAreaElement>(null)
  const heading = useRef<HTMLHeadingElement>(null)

  // On a phone, a field with the focus would open the keyboard.
  useEffect(() => {
    if (matchMedia('(hover: hover)').matches) field.current?.focus()
    else heading.current?.focus()
  }, [])

  const conversation = loaded ?? listed ?? null
  const title = conversation === null ? 'Conversation' : conversationTitle(conversation, me) || 'Only you'
  const other = conversation === null ? undefined : otherOf(conversation, me)
  const isGroup = conversation?.type === 'group'
  const gone = removed || (status === 'failed' && conversation === null)

  function edit (message: ChatMessage): void {
    setEditing(message)
    field.current?.focus()
  }

  return (
    <section class='conversation' aria-label={title}>
      <header class='conversation-head'>
        <button type='button' class='icon-button back-button' aria-label='All conversations' onClick={() => { select(null) }}><BackIcon /></button>
        {conversation !== null && (
          <Avatar
            id={other?.userId ?? conversationId} name={title} picture={other?.avatar} group={isGroup}
            online={connected && other?.isOnline === true}
          />
        )}
        <div class='conversation-title'>
          <h2 ref={heading} tabIndex={-1} dir='auto'>{title}</h2>
          {conversation !== null && <p>{removed ? 'You are not in this group any more' : whoIsThere(conversation, me, connected, now)}</p>}
        </div>
        {isGroup && !removed && (
          <button
            type='button' class='icon-button' aria-label='Who is in this group' title='Who is in this group'
            onClick={() => { setMembersShown(true) }}
          >
            <PeopleIcon />
          </button>
        )}
        <WireButton shown={wireShown} onClick={onWire} />
      </header>

      {status === 'failed' && messages.length === 0
        ? (
          <div class='empty is-filling' role='alert'>
            <p>{sentenceOf(error)}</p>
            <button type='button' class='button' onClick={() => { void live.reload() }}>Try again</button>
          </div>
          )
        : <MessageLog live={live} typing={typing} notes={notes} title={title} now={now} onEdit={edit} onDelete={setDeleting} />}

      <Composer
        live={live} drafts={chat.drafts} field={field} disabled={gone} title={title}
        editing={editing} onEdited={() => { setEditing(null) }}
        onEditLast={() => {
          const last = messages.findLast(({ own, seq, deletedAt }) => own && seq !== null && deletedAt === null)
          if (last !== undefined) edit(last)
        }}
      />

      {membersShown && loaded !== null && !removed && (
        <Members
          client={chat.client} conversation={loaded} userId={me} connected={connected} known={known}
          onClose={() => { setMembersShown(false) }}
        />
      )}
      {deleting !== null && (
        <Confirm
          title='Delete this message?' text='It disappears for everybody. What stays is that there was one.' action='Delete'
          onConfirm={() => live.remove(deleting.id)} onClose={() => { setDeleting(null) }}
        />
      )}
    </section>
  )
}
