import type { JSX } from 'preact'
import { useEffect, useId, useMemo, useRef, useState } from 'preact/hooks'
import {
  conversationTitle, isMuted, openConversationList, type ConversationFilter, type ListedConversation, type LiveConversationList
} from '../../client/index.js'
import { summaryOf } from './attachments.js'
import { Avatar } from './avatar.js'
import { useChat, useWords } from './context.js'
import { useEverything } from './everything.js'
import { focused, isComposing, useConnected, useLasting, useNow, useStore } from './hooks.js'
import { MutedIcon, SearchIcon, StarIcon, Ticks } from './icons.js'
import { onDemand } from './on-demand.js'
import { begins, plain } from './plain.js'
import type { Anchor } from './popup.js'
import { useUnmarked } from './rich-text.js'
import { otherOf } from './words.js'

const ConversationMenu = onDemand(async () => (await import('./dialogs.js')).ConversationMenu)
const Found = onDemand(async () => (await import('./dialogs.js')).Found)

interface Props {
  selected: string | null
  onSelect: (conversationId: string) => void
  /** Starts a new conversation. Without it, an empty list offers nothing. */
  onNew?: (() => void) | undefined
}

/** The choices of conversations, by the keys of their names. The first is the list of the chat. */
const filters = new Map<'filterAll' | 'filterUnread' | 'filterFavourite' | 'filterArchived', ConversationFilter | null>([
  ['filterAll', null],
  ['filterUnread', { unread: true }],
  ['filterFavourite', { favourite: true, archived: 'all' }],
  ['filterArchived', { archived: 'true' }]
])

/** The user's conversations, latest activity first, with a choice of which, and a field that finds them and what was said in them. */
export function ConversationList (props: Props): JSX.Element {
  const { session, list } = useChat()
  const words = useWords()
  const id = useId()
  const [name, setName] = useState<Parameters<typeof filters.get>[0]>('filterAll')
  const [query, setQuery] = useState('')
  const wanted = query.trim()
  const [filtered, setFiltered] = useState<LiveConversationList | null>(null)
  const filter = filters.get(name) ?? null
  useEffect(() => {
    if (filter === null) return
    const list = openConversationList(session, filter)
    setFiltered(list)
    return () => {
      setFiltered(null)
      list.close()
    }
  }, [session, filter])

  const isSearching = wanted !== ''
  const everything = useEverything(isSearching)

  /** What was found is gone through by the arrow keys, from the field on. */
  function onKeyDown (event: KeyboardEvent): void {
    const box = event.currentTarget as HTMLElement
    if (isComposing(event)) return
    const all = [...box.querySelectorAll<HTMLElement>('input, button')]
    const next = all[all.indexOf(focused(box)!) + ({ ArrowDown: 1, ArrowUp: -1 }[event.key] ?? 0)]
    if (event.key === 'Escape') {
      setQuery('')
      all[0]?.focus()
    } else if ((event.key === 'ArrowDown' || event.key === 'ArrowUp') && next !== undefined) next.focus()
    else return
    event.preventDefault()
  }

  return (
    <div class='sidebar-list' onKeyDown={isSearching ? onKeyDown : undefined}>
      <div class='list-search' role='search'>
        <SearchIcon />
        <input
          type='search' value={query} aria-label={words.search} placeholder={words.search} maxLength={200} autocomplete='off' enterkeyhint='search'
          onInput={({ currentTarget }) => { setQuery(currentTarget.value) }}
        />
      </div>
      {isSearching
        ? (
          <>
            <Items {...props} list={everything ?? list} isAll={false} query={wanted} />
            <Found query={wanted} list={everything ?? list} onSelect={props.onSelect} onClose={() => {}} />
          </>
          )
        : (
          <>
            <fieldset class='segments list-filters'>
              <legend class='for-readers'>{words.whichConversations}</legend>
              {[...filters.keys()].map((one) => (
                <label key={one}>
                  <input type='radio' name={id} checked={one === name} onChange={() => { setName(one) }} />
                  <span>{words[one]}</span>
                </label>
              ))}
            </fieldset>
            {filter === null && <Items {...props} list={list} isAll />}
            {filter !== null && filtered !== null && <Items key={name} {...props} list={filtered} isAll={false} />}
          </>
          )}
    </div>
  )
}

interface ItemsProps extends Props {
  list: LiveConversationList
  /** Whether it is the list of all conversations. */
  isAll: boolean
  /** Shows only those whose title it finds. */
  query?: string
}

/** The conversations of one list. */
function Items ({ selected, onSelect, onNew, list, isAll, query = '' }: ItemsProps): JSX.Element {
  const { session, userId } = useChat()
  const words = useWords()
  const { status, error, conversations: all, hasMore } = useStore(list)
  const conversations = useMemo(() => query === ''
    ? all
    : all.filter((conversation) => begins(conversationTitle(conversation, userId), plain(query))), [all, query])
  const connected = useConnected(session)
  const now = useNow()
  const slow = useLasting(status === 'loading' && conversations.length === 0, 400)
  const [current, setCurrent] = useState<string | null>(null)
  const [menu, setMenu] = useState<{ id: string, anchor: Anchor } | null>(null)
  const [problem, setProblem] = useState<unknown>(null)
  const items = useRef<HTMLUListElement>(null)
  const inMenu = menu === null ? undefined : conversations.find(({ id }) => id === menu.id)

  // After a conversation is left, the focus returns to its item.
  const before = useRef(selected)
  useEffect(() => {
    if (selected === null && before.current !== null) {
      items.current?.querySelector<HTMLElement>(`[data-id="${CSS.escape(before.current)}"]`)?.focus()
    }
    before.current = selected
  }, [selected])

  function onKeyDown (event: KeyboardEvent): void {
    const all = [...items.current?.querySelectorAll<HTMLElement>('button') ?? []]
    const at = all.indexOf(focused(items.current!)!)
    const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key]
    if (next === undefined) return
    all[next]?.focus()
    event.preventDefault()
  }

  // One stop for the Tab key: the arrow keys move within.
  const stop = [current, selected, conversations[0]?.id].find((id) => conversations.some((conversation) => conversation.id === id))

  return (
    <>
      {problem !== null && <p class='problem' role='alert'>{words.sentenceOf(problem)}</p>}
      {conversations.length > 0 && (
        <ul
          ref={items} onKeyDown={query === '' ? onKeyDown : undefined}
          onFocusIn={({ target }) => { setCurrent((target as HTMLElement).dataset.id ?? null) }}
        >
          {conversations.map((conversation) => (
            <li key={conversation.id}>
              <ListItem
                conversation={conversation} connected={connected} selected={conversation.id === selected} now={now} onSelect={onSelect}
                tabIndex={conversation.id === stop ? 0 : -1} onMenu={(anchor) => { setMenu({ id: conversation.id, anchor }) }}
              />
            </li>
          ))}
        </ul>
      )}
      {slow && <p class='list-loading' role='status'><span class='spinner' aria-hidden='true' /> {words.loading}</p>}
      {hasMore && query === '' && (
        <button type='button' class='button is-quiet is-wide' onClick={() => { list.loadMore().catch(() => {}) }}>{words.showMore}</button>
      )}
      {status === 'failed' && (
        <div class='empty' role='alert'>
          <p>{words.sentenceOf(error)}</p>
          <button type='button' class='button' onClick={() => { void list.reload() }}>{words.tryAgain}</button>
        </div>
      )}
      {status === 'ready' && conversations.length === 0 && !isAll && query === '' && <p class='list-loading' role='status'>{words.nothingHere}</p>}
      {status === 'ready' && conversations.length === 0 && isAll && (
        <div class='empty'>
          <p>{words.noConversations}</p>
          {onNew !== undefined && <button type='button' class='button is-primary' onClick={onNew}>{words.startOne}</button>}
          <p class='hint'>{words.orTellYourId} <b><bdi>{userId}</bdi></b></p>
        </div>
      )}
      {menu !== null && inMenu !== undefined && (
        <ConversationMenu
          conversation={inMenu} newestSeq={inMenu.lastMessage?.seq ?? null} onUnread={inMenu.id === selected ? undefined : () => {}}
          onProblem={setProblem} anchor={menu.anchor} onClose={() => { setMenu(null) }}
        />
      )}
    </>
  )
}

interface ItemProps {
  conversation: ListedConversation
  connected: boolean
  selected: boolean
  now: Date
  tabIndex: number
  onSelect: (conversationId: string) => void
  /** Opens its menu: by a right click, a finger that rests, or the menu key. */
  onMenu: (anchor: Anchor) => void
}

function ListItem ({ conversation, connected, selected, now, tabIndex, onSelect, onMenu }: ItemProps): JSX.Element {
  const { userId: me } = useChat()
  const words = useWords()
  const { id, type, lastMessage, updatedAt, unreadCount, unreadMentionCount, me: { favourite, unreadFrom } } = conversation
  const muted = isMuted(conversation.me)
  const title = conversationTitle(conversation, me) || words.onlyYou
  const other = otherOf(conversation, me)
  return (
    <button
      type='button' class='item' data-id={id} tabIndex={tabIndex} aria-current={selected ? 'true' : undefined} onClick={() => { onSelect(id) }}
      onContextMenu={(event) => {
        event.preventDefault()
        onMenu(event.currentTarget.getBoundingClientRect())
      }}
    >
      <Avatar
        id={other?.userId ?? id} name={title} picture={other?.avatar ?? conversation.avatar} group={type === 'group'}
        online={connected && other?.isOnline === true}
      />
      <span class='item-name'>
        <bdi>{title}</bdi>
        {favourite && <span class='item-mark' title={words.favourite}><StarIcon /><span class='for-readers'>, {words.favourite}</span></span>}
        {muted && <span class='item-mark' title={words.muted}><MutedIcon /><span class='for-readers'>, {words.muted}</span></span>}
      </span>
      <time class='item-time' dateTime={lastMessage?.createdAt ?? updatedAt}>{words.shortTime(lastMessage?.createdAt ?? updatedAt, now)}</time>
      <Preview conversation={conversation} selected={selected} />
      {unreadCount > 0 && (
        <span class={`badge${muted ? ' is-muted' : ''}`}>
          {unreadMentionCount > 0 && (
            <span class='badge-at' title={words.mentioned}>@<span class='for-readers'> {words.mentioned}, </span></span>
          )}
          <bdi>{unreadCount > 99 ? '99+' : unreadCount}</bdi><span class='for-readers'> {words.unread}</span>
        </span>
      )}
      {unreadCount === 0 && unreadFrom !== null && (
        <span class='badge is-dot' title={words.markedUnread}><span class='for-readers'>{words.markedUnread}</span></span>
      )}
    </button>
  )
}

function Preview ({ conversation, selected }: { conversation: ListedConversation, selected: boolean }): JSX.Element {
  const { id, type, typing, lastMessage } = conversation
  const { userId: me, drafts, session } = useChat()
  const { blocked } = useStore(session)
  const draft = useStore(drafts).get(id)
  const words = useWords()
  const text = useUnmarked(lastMessage?.text ?? '')
  if (typing.length > 0) {
    const who = type === 'group' ? words.namesTyping(words.listNames(typing.map(({ displayName }) => displayName))) : words.typing
    return <span class='item-preview is-typing'><span>{who}</span></span>
  }
  const begun = draft === undefined ? '' : draft.edit?.text ?? draft.text
  if (!selected && begun !== '') {
    return <span class='item-preview is-draft'><b>{words.draft}</b><span dir='auto'>{begun.slice(0, 200)}</span></span>
  }
  if (lastMessage === null) return <span class='item-preview'>{words.noMessages}</span>
  const { senderId, sender, deletedAt, status } = lastMessage
  const own = senderId === me
  if (type === 'group' && deletedAt === null && blocked.has(senderId)) return <span class='item-preview'><i>{words.ofBlocked}</i></span>
  return (
    <span class='item-preview'>
      {own && deletedAt === null && <Ticks status={status} />}
      {type === 'group' && !own && <span class='item-sender'><bdi>{sender.displayName}</bdi>:</span>}
      {deletedAt === null ? <span dir='auto'>{summaryOf({ ...lastMessage, text }, words).slice(0, 200)}</span> : <i>{words.messageDeleted}</i>}
    </span>
  )
}
