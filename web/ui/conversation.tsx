import type { ComponentChildren, JSX } from 'preact'
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { conversationTitle, type Attachment, type ChatMessage } from '../../client/index.js'
import { summaryOf } from './attachments.js'
import { Avatar } from './avatar.js'
import { Composer } from './composer.js'
import { useChat, useWords } from './context.js'
import { rememberEmoji } from './emoji-used.js'
import { useConnected, useNow, useStore } from './hooks.js'
import { BackIcon, MoreIcon, PeopleIcon } from './icons.js'
import { MenuButton } from './menu-button.js'
import type { MessageActions } from './message-actions.js'
import { MessageLog, type LogHandle } from './message-log.js'
import { onDemand } from './on-demand.js'
import { otherOf } from './words.js'

const BlockQuestion = onDemand(async () => (await import('./dialogs.js')).BlockQuestion)
const Confirm = onDemand(async () => (await import('./dialogs.js')).Confirm)
const ConversationMenu = onDemand(async () => (await import('./dialogs.js')).ConversationMenu)
const Lightbox = onDemand(async () => (await import('./dialogs.js')).Lightbox)
const Members = onDemand(async () => (await import('./dialogs.js')).Members)
const MessageInfo = onDemand(async () => (await import('./dialogs.js')).MessageInfo)
const ProfileCard = onDemand(async () => (await import('./dialogs.js')).ProfileCard)

interface Props {
  conversationId: string
  /** Goes back to the list, where there is no space for both. Without it, there is no list. */
  onBack?: (() => void) | undefined
  /** Called after the user has sent a message. */
  onSent?: (() => void) | undefined
  /** Whether its field takes the focus when it is opened. Default: true. */
  takesFocus?: boolean
  /** Buttons to add to its head. */
  actions?: ComponentChildren
}

/** How much of a message is kept with a reply to it, in code units. */
const QUOTED = 120

/** One conversation: its participants, its messages, and the field for a new one. */
export function ConversationView ({ conversationId, onBack, onSent, takesFocus = true, actions: more }: Props): JSX.Element {
  const chat = useChat()
  const { userId: me, drafts } = chat
  const words = useWords()
  const live = useMemo(() => chat.enter(conversationId), [chat, conversationId])
  useEffect(() => () => { chat.leave(conversationId) }, [chat, conversationId])
  const { status, error, conversation: loaded, messages, removed, unreadCount } = useStore(live)
  const listed = useStore(chat.list).conversations.find(({ id }) => id === conversationId)
  const { blocked } = useStore(chat.session)
  const connected = useConnected(chat.session)
  const now = useNow()
  const [deleting, setDeleting] = useState<ChatMessage | null>(null)
  const [informing, setInforming] = useState<ChatMessage | null>(null)
  const [picture, setPicture] = useState<Attachment | null>(null)
  const [membersShown, setMembersShown] = useState(false)
  const [profileShown, setProfileShown] = useState(false)
  const [blocking, setBlocking] = useState(false)
  const [problem, setProblem] = useState<string | null>(null)
  const field = useRef<HTMLTextAreaElement>(null)
  const heading = useRef<HTMLHeadingElement>(null)
  const log = useRef<LogHandle>(null)

  // On a phone, a field with the focus would open the keyboard.
  useEffect(() => {
    if (!takesFocus) return
    if (matchMedia('(hover: hover)').matches) field.current?.focus()
    else heading.current?.focus()
  }, [])

  const conversation = loaded ?? listed ?? null
  const title = conversation === null ? words.conversation : conversationTitle(conversation, me) || words.onlyYou
  const other = conversation === null ? undefined : otherOf(conversation, me)
  const isGroup = conversation?.type === 'group'
  const isBlocked = other !== undefined && blocked.has(other.userId)
  const gone = removed || (status === 'failed' && conversation === null)

  const unblock = () => { chat.client.unblock(other!.userId).catch(fail) }
  const fail = useCallback((thrown: unknown) => { setProblem(words.sentenceOf(thrown)) }, [words])
  const actions = useMemo<MessageActions>(() => {
    const toField = () => { field.current?.focus() }
    return {
      reply (message) {
        const { id, own, sender } = message
        const name = own ? words.you : sender.displayName
        const replyTo = { id, name, text: summaryOf(message, words).slice(0, QUOTED) }
        drafts.set(conversationId, { ...drafts.of(conversationId), edit: null, replyTo })
        toField()
      },
      edit ({ id, text }) {
        drafts.set(conversationId, { ...drafts.of(conversationId), edit: { id, text } })
        toField()
      },
      remove: setDeleting,
      info: setInforming,
      show: setPicture,
      react ({ id }, emoji, on) {
        if (on) rememberEmoji(emoji)
        setProblem(null)
        live.react(id, emoji, on).catch(fail)
      },
      stop ({ id }) {
        chat.client.stopMessage(id).catch(() => {}) // It may have ended meanwhile
      },
      discard ({ key }) {
        live.discard(key)
        toField()
      },
      jump: (seq) => { log.current?.jump(seq).catch(fail) }
    }
  }, [live, words, drafts])

  // A message that was found. The log first opens at it, and then points to it.
  const target = useStore(chat.targets)
  const wanted = target?.conversationId === conversationId ? target : null
  useMemo(() => { if (wanted !== null) chat.places.set(conversationId, { key: wanted.id, seq: wanted.seq, offset: 0 }) }, [wanted])
  useEffect(() => {
    if (wanted === null || status !== 'ready') return
    // After the log has opened: before, none of its messages can have the focus.
    const frame = requestAnimationFrame(() => {
      chat.targets.set(null)
      log.current?.jump(wanted.seq).catch(fail)
    })
    return () => { cancelAnimationFrame(frame) }
  }, [wanted, status])

  return (
    <section class='conversation' aria-label={title}>
      <header class='conversation-head' part='header'>
        {onBack !== undefined && (
          <button type='button' class='icon-button back-button' aria-label={words.allConversations} onClick={onBack}><BackIcon /></button>
        )}
        {conversation !== null && (
          <Avatar
            id={other?.userId ?? conversationId} name={title} picture={other?.avatar ?? conversation.avatar} group={isGroup}
            online={connected && other?.isOnline === true}
          />
        )}
        <div class='conversation-title'>
          <h2 ref={heading} tabIndex={-1} dir='auto'>
            {other === undefined
              ? title
              : <button type='button' class='plain' title={words.profile} onClick={() => { setProfileShown(true) }}>{title}</button>}
          </h2>
          {conversation !== null && <p dir='auto'>{removed ? words.notInGroup : words.whoIsThere(conversation, me, connected, now)}</p>}
        </div>
        {isGroup && !removed && (
          <button
            type='button' class='icon-button' aria-label={words.whoIsInGroup} title={words.whoIsInGroup}
            onClick={() => { setMembersShown(true) }}
          >
            <PeopleIcon />
          </button>
        )}
        {conversation !== null && !removed && (
          <MenuButton
            label={words.conversationMenu} menu={(anchor, onClose) => (
              <ConversationMenu
                conversation={{ ...conversation, unreadCount }} newestSeq={messages.findLast(({ seq }) => seq !== null)?.seq ?? null}
                onUnread={onBack} onBlock={() => { setBlocking(true) }} onProblem={fail} anchor={anchor} onClose={onClose}
              />
            )}
          >
            <MoreIcon />
          </MenuButton>
        )}
        {more}
      </header>

      {status === 'failed' && messages.length === 0
        ? (
          <div class='empty is-filling' role='alert'>
            <p>{words.sentenceOf(error)}</p>
            <button type='button' class='button' onClick={() => { void live.reload() }}>{words.tryAgain}</button>
          </div>
          )
        : <MessageLog live={live} handle={log} title={title} actions={actions} />}

      {problem !== null && (
        <p class='problem conversation-problem' role='alert'>
          {problem} <button type='button' class='link' onClick={() => { setProblem(null) }}>{words.close}</button>
        </p>
      )}
      <Composer
        live={live} conversation={conversation} field={field} disabled={gone} title={title}
        closed={isBlocked ? <>{words.youBlock} <button type='button' class='link' onClick={unblock}>{words.unblock}</button></> : null}
        onSent={() => {
          log.current?.toEnd()
          onSent?.()
        }}
        onEditLast={() => {
          const last = messages.findLast(({ own, seq, deletedAt }) => own && seq !== null && deletedAt === null)
          if (last !== undefined) actions.edit(last)
        }}
      />

      {membersShown && loaded !== null && !removed && (
        <Members conversation={loaded} onClose={() => { setMembersShown(false) }} />
      )}
      {profileShown && other !== undefined && <ProfileCard userId={other.userId} onClose={() => { setProfileShown(false) }} />}
      {blocking && other !== undefined && <BlockQuestion person={other} onClose={() => { setBlocking(false) }} />}
      {picture !== null && <Lightbox file={picture} live={live} onClose={() => { setPicture(null) }} />}
      {informing !== null && <MessageInfo message={informing} live={live} onClose={() => { setInforming(null) }} />}
      {deleting !== null && (
        <Confirm
          title={words.deleteTitle} text={words.deleteText} action={words.delete}
          onConfirm={() => live.remove(deleting.id)} onClose={() => {
            setDeleting(null)
            log.current?.focus(deleting.key)
          }}
        />
      )}
    </section>
  )
}
