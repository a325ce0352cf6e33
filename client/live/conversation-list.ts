import type { Conversation } from '../../schemas/conversations.js'
import type { ChatEvents } from '../../schemas/events.js'
import { ChatError, isTransient } from '../base/errors.js'
import { createRecent } from '../base/recent.js'
import type { StreamEvent } from '../options.js'
import type { ChatSession } from './session.js'
import { createFetch, createHeard } from './fetching.js'
import { laterMessage, reduce, statusAt } from './marks.js'
import { createOrder } from './order.js'
import { createStore, type Store } from './store.js'
import { createTypists, type Typist } from './typists.js'

/** A conversation with who is typing in it. */
export type ListedConversation = Conversation & { typing: readonly Typist[] }

export interface ConversationListSnapshot {
  status: 'loading' | 'ready' | 'failed'
  error: Error | null
  /** Latest activity first. Each has its last message and how many are unread. */
  conversations: readonly ListedConversation[]
  /** There are more; see `loadMore`. */
  hasMore: boolean
  /** Of the conversations loaded. */
  unreadCount: number
}

/** The live list of the user's conversations. */
export interface LiveConversationList extends Store<ConversationListSnapshot> {
  /** Fetches the next page. @throws ChatError */
  loadMore (): Promise<void>
  /** Fetches the list again, from the first page on. */
  reload (): Promise<void>
  close (): void
}

const PAGE_SIZE = 50
const TYPING_LAPSE_MS = 6000

/** More conversations than this aren't asked for one by one at a time: the list is fetched again. */
const MAX_REFRESHING = 20
/** Conversations remembered as not being there for the user. */
const MAX_GONE = 1000

/** What a direct conversation, or a group without a title, is called: its other participants' names. */
export const conversationTitle = ({ title, participants }: Conversation, userId: string | null): string =>
  title || participants.filter((participant) => participant.userId !== userId).map(({ displayName }) => displayName).join(', ')

/** Follows the list through the session's stream. To be closed when it isn't shown any more. */
export function openConversationList (session: ChatSession): LiveConversationList {
  const { client, receipts, people } = session
  const abort = new AbortController()
  const { signal } = abort
  const me = () => session.getSnapshot().userId
  const isMe = (userId: string) => userId === me()

  const conversations = new Map<string, Conversation>()
  const order = createOrder()
  const typists = new Map<string, ReturnType<typeof createTypists>>()
  const shown = new WeakMap<Conversation, ListedConversation>()
  let status: ConversationListSnapshot['status'] = 'loading'
  let error: Error | null = null
  let nextCursor: string | null = null
  let typingLapseMs = TYPING_LAPSE_MS

  const nobody: readonly Typist[] = []
  const store = createStore<ConversationListSnapshot>(() => {
    const sorted = order.sort(conversations.values())
    return {
      status,
      error,
      conversations: sorted.map((conversation) => {
        const typing = typists.get(conversation.id)?.view() ?? nobody
        const named = people.nameAll(conversation)
        let view = shown.get(named)
        if (view?.typing !== typing) {
          view = { ...named, typing }
          shown.set(named, view)
        }
        return view
      }),
      hasMore: nextCursor !== null,
      unreadCount: sorted.reduce((sum, { unreadCount }) => sum + unreadCount, 0)
    }
  })

  // what the server has

  /** What is loaded may be wrong: the next fetch begins anew instead of refreshing the first page. */
  let anew = true
  const page = createFetch(fetchPage, settle)
  /** Conversations being fetched one by one. */
  const refreshing = new Map<string, ReturnType<typeof createFetch>>()
  /** Conversations that aren't there for the user. */
  const gone = createRecent<true>(MAX_GONE)
  const heard = createHeard()
  /** What was heard is being applied once more. */
  let repeating = false
  const idle = () => !page.busy && refreshing.size === 0

  function take (fetched: Conversation, sinceNames: number): void {
    conversations.set(fetched.id, fetched)
    people.learnFrom(fetched, sinceNames)
    const last = fetched.lastMessage
    const mine = fetched.participants.find(({ userId }) => isMe(userId))
    if (last !== null && mine !== undefined && !isMe(last.senderId) && mine.deliveredSeq < last.seq) receipts.delivered(last)
  }

  function forget (id: string): void {
    conversations.delete(id)
    order.delete(id)
  }

  /** What was heard during a fetch may be newer than what it brought. */
  function settle (): void {
    repeating = true
    for (const event of heard.events()) handle(event)
    repeating = false
    store.changed()
    if (!idle()) return
    // What is still missing once all is fetched is asked for.
    const ids = heard.events().flatMap(([, data]) => 'conversationId' in data && data.conversationId !== null ? data.conversationId : [])
    const missing = new Set(ids.filter((id) => order.has(id) && !conversations.has(id)))
    if (heard.clear() || missing.size > MAX_REFRESHING) void reload()
    else for (const id of missing) refresh(id)
  }

  async function fetchPage (): Promise<void> {
    if (signal.aborted) return
    const all = anew
    anew = false
    const sinceNames = people.mark()
    try {
      const page = await client.listConversations({ limit: PAGE_SIZE }, { signal })
      if (all) {
        conversations.clear()
        order.clear()
        nextCursor = page.nextCursor
      }
      order.page(page.conversations.map(({ id }) => id), false)
      for (const conversation of page.conversations) take(conversation, sinceNames)
      status = 'ready'
      error = null
    } catch (thrown) {
      if (signal.aborted) return
      if (all) anew = true
      error = thrown as Error
      if (status === 'loading') status = 'failed'
    }
    settle()
  }

  function reload (): Promise<void> {
    anew = true
    return page.ask()
  }

  function refresh (id: string): void {
    let fetching = refreshing.get(id)
    if (fetching === undefined) {
      if (refreshing.size >= MAX_REFRESHING) {
        void reload()
        return
      }
      fetching = createFetch(() => fetchOne(id), () => {
        refreshing.delete(id)
        settle()
      })
      refreshing.set(id, fetching)
    }
    void fetching.ask()
  }

  async function fetchOne (id: string): Promise<void> {
    if (signal.aborted) return
    const sinceNames = people.mark()
    try {
      gone.delete(id)
      take(await client.getConversation(id, { signal }), sinceNames)
      if (!order.has(id)) order.first(id)
    } catch (thrown) {
      if (thrown instanceof ChatError && !isTransient(thrown)) {
        forget(id)
        gone.set(id, true)
      } // else the next event, or the next connection, tries again
    }
  }

  // what the stream tells

  /** Activity brings a conversation to the top, and one that isn't loaded into the list. */
  function noteActivity (id: string): void {
    if (gone.get(id) === true) return
    order.first(id)
    // What is being fetched may bring it.
    if (!conversations.has(id) && !repeating && !page.busy) refresh(id)
  }

  function update (id: string, change: (conversation: Conversation) => Conversation): void {
    const conversation = conversations.get(id)
    if (conversation !== undefined) conversations.set(id, change(conversation))
  }

  const addMessage = (message: ChatEvents['message']) => update(message.conversationId, (conversation) => {
    if (message.seq <= (conversation.lastMessage?.seq ?? 0)) return conversation
    return {
      ...conversation,
      lastMessage: message,
      updatedAt: message.createdAt > conversation.updatedAt ? message.createdAt : conversation.updatedAt,
      unreadCount: conversation.unreadCount + (isMe(message.senderId) || message.deletedAt !== null ? 0 : 1)
    }
  })

  const changeMessage = (message: ChatEvents['message']) => update(message.conversationId, (conversation) => {
    const last = conversation.lastMessage
    return last?.id === message.id ? { ...conversation, lastMessage: laterMessage(last, message) } : conversation
  })

  /** A message deleted while unread isn't unread any more. Whether the count had it is for the server to say. */
  function uncount ({ conversationId, senderId, seq }: ChatEvents['messageDeleted']): void {
    const conversation = conversations.get(conversationId)
    const mine = conversation?.participants.find(({ userId }) => isMe(userId))
    if (conversation === undefined || conversation.unreadCount === 0 || isMe(senderId) || (mine !== undefined && seq <= mine.readSeq)) return
    const last = conversation.lastMessage
    const counted = last !== null && (seq < last.seq || last.deletedAt === null)
    if (counted) conversations.set(conversationId, { ...conversation, unreadCount: conversation.unreadCount - 1 })
    refresh(conversationId)
  }

  function moveMark ({ conversationId, messageId, status, userId }: ChatEvents['statusUpdate']): void {
    const conversation = conversations.get(conversationId)
    const last = conversation?.lastMessage ?? null
    if (conversation === undefined || last === null) return
    if (isMe(userId)) {
      if (status !== 'read') return
      if (last.id === messageId) update(conversationId, (conversation) => ({ ...conversation, unreadCount: 0 }))
      else if (!repeating) refresh(conversationId) // how many are left isn't known here
      return
    }
    if (last.id !== messageId || !isMe(last.senderId)) return
    // Of a large group not all participants are known here, nor thus the lowest of their marks.
    if (conversation.participants.length < conversation.participantCount) return
    // How far those who have left had come, the server knows.
    if (!conversation.participants.some((participant) => participant.userId === userId)) return
    update(conversationId, (conversation) => ({ ...conversation, lastMessage: laterMessage(last, { ...last, status: statusAt(conversation, last.seq, me()) }) }))
  }

  /** Doing it twice is as good as once. */
  function handle (event: StreamEvent): void {
    const [type, data] = event
    if (type === 'onlineStatus') {
      for (const [id, conversation] of conversations) conversations.set(id, reduce(conversation, event, () => undefined))
      return
    }
    if (!('conversationId' in data) || data.conversationId === null) return
    const id = data.conversationId
    const last = conversations.get(id)?.lastMessage
    update(id, (conversation) => reduce(conversation, event, (messageId) => messageId === last?.id ? last.seq : undefined))
    switch (type) {
      case 'message':
        noteActivity(id)
        addMessage(data)
        break
      case 'messageUpdated':
      case 'messageDeleted': changeMessage(data); break
      case 'statusUpdate': moveMark(data); break
      case 'conversationCreated':
      case 'participantJoined': noteActivity(id); break
      case 'participantLeft':
        if (isMe(data.userId)) forget(id)
        else if (conversations.has(id)) noteActivity(id)
    }
  }

  /** Who types in a conversation. Those in which nobody does are forgotten. */
  function typistsOf (id: string) {
    let known = typists.get(id)
    if (known === undefined) {
      known = createTypists(() => {
        if (typists.get(id)?.size === 0) typists.delete(id)
        store.changed()
      }, people)
      typists.set(id, known)
    }
    return known
  }

  function hear (...event: StreamEvent): void {
    const [type, data] = event
    switch (type) {
      case 'connected':
        typingLapseMs = data.typingLapseMs || TYPING_LAPSE_MS
        if (!data.resumed) anew = true
        void page.ask() // who is online isn't told again
        break
      case 'reset':
        heard.forget(data.conversationId)
        if (data.conversationId === null) void reload()
        else refresh(data.conversationId)
        break
      case 'typing':
        if (!isMe(data.userId) && (data.isTyping || typists.has(data.conversationId))) typistsOf(data.conversationId).hear(data, typingLapseMs)
        break
      case 'disconnect':
        break
      default:
        if (!idle()) heard.add(event)
        if (type === 'message') typists.get(data.conversationId)?.stop(data.senderId)
        if (type === 'messageDeleted') uncount(data)
        handle(event)
        if (type === 'conversationCreated' || type === 'participantJoined' || type === 'participantUpdated' ||
          (type === 'participantLeft' && !isMe(data.userId))) refresh(data.conversationId)
    }
    store.changed()
  }

  const stopListening = session.listen(hear)
  const stopFollowing = session.subscribe(followSession)
  const stopNaming = people.follow(store.changed)
  function clearTypists (): void {
    for (const known of [...typists.values()]) known.clear()
  }
  function followSession (): void {
    if (session.closed) return close()
    const { status: now } = session.getSnapshot()
    if (now !== 'waiting' && now !== 'closed') return
    clearTypists()
    if (status === 'loading' && !page.busy) void page.ask() // without a stream there is still a list to show
  }
  if (session.getSnapshot().status !== 'connecting') void page.ask()

  function close (): void {
    abort.abort()
    stopListening()
    stopFollowing()
    stopNaming()
    clearTypists()
    store.close()
  }

  return {
    subscribe: store.subscribe,
    getSnapshot: store.getSnapshot,
    reload,
    async loadMore () {
      const cursor = nextCursor
      if (cursor === null) return
      const sinceNames = people.mark()
      const page = await client.listConversations({ limit: PAGE_SIZE, cursor }, { signal })
      if (nextCursor !== cursor) return // begun anew in the meantime, or fetched twice
      nextCursor = page.nextCursor
      const more = page.conversations.filter(({ id }) => !conversations.has(id))
      order.page(more.map(({ id }) => id), true)
      for (const conversation of more) take(conversation, sinceNames)
      store.changed()
    },
    close
  }
}
