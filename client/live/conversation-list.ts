import type { Conversation } from '../../schemas/conversations.js'
import type { ChatEvents } from '../../schemas/events.js'
import { ChatError, isTransient } from '../base/errors.js'
import type { StreamEvent } from '../options.js'
import type { ChatSession } from './session.js'
import { createStore, type Store } from './store.js'
import { lowerStatus, newerMessage } from './timeline.js'
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

const byActivity = (a: Conversation, b: Conversation) =>
  a.updatedAt === b.updatedAt ? (a.id < b.id ? -1 : 1) : a.updatedAt > b.updatedAt ? -1 : 1

/** What a direct conversation, or a group without a title, is called: its other participants' names. */
export const conversationTitle = ({ title, participants }: Conversation, userId: string | null): string =>
  title || participants.filter((participant) => participant.userId !== userId).map(({ displayName }) => displayName).join(', ')

/** Follows the list through the session's stream. To be closed when it isn't shown any more. */
export function openConversationList (session: ChatSession): LiveConversationList {
  const { client, receipts } = session
  const abort = new AbortController()
  const { signal } = abort
  const isMe = (userId: string) => userId === session.getSnapshot().userId

  const conversations = new Map<string, Conversation>()
  const typists = new Map<string, ReturnType<typeof createTypists>>()
  const shown = new WeakMap<Conversation, ListedConversation>()
  let status: ConversationListSnapshot['status'] = 'loading'
  let error: Error | null = null
  let nextCursor: string | null = null
  let typingLapseMs = TYPING_LAPSE_MS

  const nobody: readonly Typist[] = []
  const store = createStore<ConversationListSnapshot>(() => {
    const sorted = [...conversations.values()].sort(byActivity)
    return {
      status,
      error,
      conversations: sorted.map((conversation) => {
        const typing = typists.get(conversation.id)?.view() ?? nobody
        let view = shown.get(conversation)
        if (view?.typing !== typing) {
          view = { ...conversation, typing }
          shown.set(conversation, view)
        }
        return view
      }),
      hasMore: nextCursor !== null,
      unreadCount: sorted.reduce((sum, { unreadCount }) => sum + unreadCount, 0)
    }
  })

  // what the server has

  let loading: Promise<void> | null = null
  let again = false
  /** What is loaded may be wrong: the next fetch begins anew instead of refreshing the first page. */
  let anew = true
  /** Conversations being fetched one by one, and whether once more. */
  const refreshing = new Map<string, boolean>()
  /** Conversations that aren't there for the user. */
  const gone = new Set<string>()
  /** What came while something was being fetched. */
  let heard: StreamEvent[] = []
  let repeating: 'no' | 'again' | 'last' = 'no'
  const idle = () => loading === null && refreshing.size === 0

  function take (fetched: Conversation): void {
    conversations.set(fetched.id, fetched)
    const last = fetched.lastMessage
    const mine = fetched.participants.find(({ userId }) => isMe(userId))
    if (last !== null && mine !== undefined && !isMe(last.senderId) && mine.deliveredSeq < last.seq) receipts.delivered(last)
  }

  /** What was heard during a fetch may be newer than what it brought. Where it isn't, it changes nothing. */
  function settle (): void {
    const events = heard
    const last = idle()
    if (last) heard = []
    repeating = last ? 'last' : 'again'
    for (const event of events) handle(event)
    repeating = 'no'
    store.changed()
  }

  function load (): Promise<void> {
    if (loading !== null) {
      again = true
      return loading
    }
    loading = run().finally(() => {
      loading = null
      settle()
    })
    return loading

    async function run (): Promise<void> {
      do {
        again = false
        const all = anew
        anew = false
        try {
          const page = await client.listConversations({ limit: PAGE_SIZE }, { signal })
          if (all) {
            conversations.clear()
            nextCursor = page.nextCursor
          }
          for (const conversation of page.conversations) take(conversation)
          status = 'ready'
          error = null
        } catch (thrown) {
          if (signal.aborted) return
          if (all) anew = true
          error = thrown as Error
          if (status === 'loading') status = 'failed'
        }
        settle()
      } while (again)
    }
  }

  function reload (): Promise<void> {
    anew = true
    return load()
  }

  async function refresh (id: string): Promise<void> {
    if (refreshing.has(id)) {
      refreshing.set(id, true)
      return
    }
    do {
      refreshing.set(id, false)
      try {
        gone.delete(id)
        take(await client.getConversation(id, { signal }))
      } catch (thrown) {
        if (thrown instanceof ChatError && !isTransient(thrown)) {
          conversations.delete(id)
          gone.add(id)
        } // else the next event, or the next connection, tries again
      }
    } while (refreshing.get(id) === true && !signal.aborted)
    refreshing.delete(id)
    settle()
  }

  // what the stream tells

  function update (id: string, change: (conversation: Conversation) => Conversation): void {
    const conversation = conversations.get(id)
    if (conversation !== undefined) conversations.set(id, change(conversation))
    // What is being fetched may bring it; once all is, what is still missing is asked for.
    else if (!gone.has(id) && (repeating === 'last' || (repeating === 'no' && loading === null))) void refresh(id)
  }

  const addMessage = (message: ChatEvents['message']) => update(message.conversationId, (conversation) => {
    if (message.seq <= (conversation.lastMessage?.seq ?? 0)) return conversation
    return {
      ...conversation,
      lastMessage: message,
      updatedAt: message.createdAt > conversation.updatedAt ? message.createdAt : conversation.updatedAt,
      unreadCount: conversation.unreadCount + (isMe(message.senderId) ? 0 : 1)
    }
  })

  const changeMessage = (message: ChatEvents['message']) => update(message.conversationId, (conversation) =>
    conversation.lastMessage?.id === message.id
      ? { ...conversation, lastMessage: newerMessage(conversation.lastMessage, message) }
      : conversation)

  function moveMark ({ conversationId, messageId, status, userId }: ChatEvents['statusUpdate']): void {
    const last = conversations.get(conversationId)?.lastMessage ?? null
    if (last === null) return
    if (isMe(userId)) {
      if (status !== 'read') return
      if (last.id === messageId) update(conversationId, (conversation) => ({ ...conversation, unreadCount: 0 }))
      else if (repeating === 'no') void refresh(conversationId) // how many are left isn't known here
      return
    }
    if (last.id !== messageId) return
    update(conversationId, (conversation) => {
      const participants = conversation.participants.map((participant) => participant.userId !== userId
        ? participant
        : { ...participant, deliveredSeq: last.seq, readSeq: status === 'read' ? last.seq : participant.readSeq })
      const changed = { ...conversation, participants }
      // Of a large group not all participants are known here, nor thus the lowest of their marks.
      if (!isMe(last.senderId) || participants.length < conversation.participantCount) return changed
      // Of those who have left, the server knows how far they had come.
      if (!participants.some((participant) => participant.userId === userId)) return changed
      const lowest = participants.filter(({ userId }) => !isMe(userId)).reduce<typeof last.status>((lowest, { deliveredSeq, readSeq }) =>
        lowerStatus(lowest, readSeq >= last.seq ? 'read' : deliveredSeq >= last.seq ? 'delivered' : 'sent'), 'read')
      return { ...changed, lastMessage: newerMessage(last, { ...last, status: lowest }) }
    })
  }

  /** Doing it twice, is as good as once. */
  function handle ([type, data]: StreamEvent): void {
    switch (type) {
      case 'message': addMessage(data); break
      case 'messageUpdated':
      case 'messageDeleted': changeMessage(data); break
      case 'statusUpdate': moveMark(data); break
      case 'participantLeft':
        if (isMe(data.userId)) conversations.delete(data.conversationId)
        break
      case 'onlineStatus':
        for (const [id, conversation] of conversations) {
          if (!conversation.participants.some(({ userId }) => userId === data.userId)) continue
          const participants = conversation.participants.map((participant) => participant.userId !== data.userId
            ? participant
            : { ...participant, isOnline: data.isOnline, lastSeen: data.lastSeen })
          conversations.set(id, { ...conversation, participants })
        }
    }
  }

  function typistsOf (id: string) {
    let known = typists.get(id)
    if (known === undefined) {
      known = createTypists(store.changed)
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
        void load() // who is online isn't told again
        break
      case 'reset':
        if (data.conversationId === null) void reload()
        else void refresh(data.conversationId)
        break
      case 'typing':
        if (!isMe(data.userId)) typistsOf(data.conversationId).hear(data, typingLapseMs)
        break
      case 'disconnect':
        break
      default:
        if (!idle()) heard.push(event)
        if (type === 'message') typists.get(data.conversationId)?.stop(data.senderId)
        handle(event)
        if (type === 'conversationCreated' || type === 'participantJoined' || type === 'participantUpdated' ||
          (type === 'participantLeft' && !isMe(data.userId))) void refresh(data.conversationId)
    }
    store.changed()
  }

  const stopListening = session.listen(hear)
  const stopFollowing = session.subscribe(followSession)
  function followSession (): void {
    if (session.closed) return close()
    const { status: now } = session.getSnapshot()
    if (now !== 'waiting' && now !== 'closed') return
    for (const known of typists.values()) known.clear()
    if (status === 'loading' && loading === null) void load() // without a stream there is still a list to show
  }
  if (session.getSnapshot().status !== 'connecting') void load()

  function close (): void {
    abort.abort()
    stopListening()
    stopFollowing()
    for (const known of typists.values()) known.clear()
    store.close()
  }

  return {
    subscribe: store.subscribe,
    getSnapshot: store.getSnapshot,
    reload,
    async loadMore () {
      const cursor = nextCursor
      if (cursor === null) return
      const page = await client.listConversations({ limit: PAGE_SIZE, cursor }, { signal })
      if (nextCursor !== cursor) return // begun anew in the meantime, or fetched twice
      nextCursor = page.nextCursor
      for (const conversation of page.conversations) if (!conversations.has(conversation.id)) take(conversation)
      store.changed()
    },
    close
  }
}
