import { ChatError, isTransient } from '../base/errors.js'
import { createRecent } from '../base/recent.js'
import type { ChatEvents, Conversation, CustomTypes } from '../custom.js'
import type { StreamEvent } from '../options.js'
import { needsNothing, type Fleeting } from './events.js'
import type { ChatSession } from './session.js'
import { createFetch, createHeard } from './fetching.js'
import { fold, hasGap, isMentioned, isOfMessages, ownOf } from './fold.js'
import { laterMessage, reduce, statusAt } from './marks.js'
import { createOrder } from './order.js'
import { isMuted, readUpTo, type StateEvent } from './own-states.js'
import type { ConversationFilter, ConversationListSnapshot, ListedConversation, LiveConversationList } from './snapshots.js'
import { createStore } from './store.js'
import { createTypistsByConversation } from './typists.js'
import { MENTIONS_COUNTED } from './unread.js'

const PAGE_SIZE = 50
const TYPING_LAPSE_MS = 6000

/** The most conversations that are fetched one by one at the same time. If there are more, the list is fetched again. */
const MAX_REFRESHING = 20
/** The most conversations that are remembered as not found. */
const MAX_GONE = 1000

/** The title of a conversation. Without one, as in direct conversations, it is the names of the other participants. */
export const conversationTitle = ({ title, participants }: Pick<Conversation, 'title' | 'participants'>, userId: string | null): string =>
  title || participants.filter((participant) => participant.userId !== userId).map(({ displayName }) => displayName).join(', ')

/** Follows the list through the session's stream. By default, it has no archived conversations. Close it when it is no longer shown. */
export function openConversationList<T extends CustomTypes> (session: ChatSession<T>, filter?: ConversationFilter): LiveConversationList<T>
export function openConversationList (session: ChatSession, filter: ConversationFilter = {}): LiveConversationList {
  const { client, receipts, people, ownStates } = session
  const abort = new AbortController()
  const { signal } = abort
  const viewer = session.getSnapshot
  const me = () => viewer().userId
  const isMe = (userId: string) => userId === me()

  const conversations = new Map<string, Conversation>()
  const order = createOrder()
  const shown = new WeakMap<Conversation, ListedConversation>()
  let status: ConversationListSnapshot['status'] = 'loading'
  let error: Error | null = null
  let nextCursor: string | null = null
  let typingLapseMs = TYPING_LAPSE_MS
  let userVersion = -1 // Number of changes of the user's private state that the list knows of

  const store = createStore<ConversationListSnapshot>(() => {
    const sorted = order.sort(conversations.values()).map(ownStates.show).filter(fits)
    const sum = (count: (conversation: Conversation) => number) => sorted.reduce((total, conversation) => total + count(conversation), 0)
    return {
      status,
      error,
      conversations: sorted.map((conversation) => {
        const typing = typists.view(conversation.id)
        const named = people.nameAll(conversation)
        let view = shown.get(named)
        if (view?.typing !== typing) {
          view = { ...named, typing }
          shown.set(named, view)
        }
        return view
      }),
      hasMore: nextCursor !== null,
      unreadCount: sum(({ me, unreadCount }) => isMuted(me) ? 0 : unreadCount),
      unreadMentionCount: sum(({ me, unreadMentionCount }) => me.notify === 'none' && isMuted(me) ? 0 : unreadMentionCount)
    }
  })

  const typists = createTypistsByConversation(store.changed, people)

  /** Whether a conversation is in this list. Others may be loaded, too: they come back when they change. */
  function fits ({ me, unreadCount }: Pick<Conversation, 'me' | 'unreadCount'>): boolean {
    const { archived = 'false', favourite, unread } = filter
    return (archived === 'all' || String(me.archived) === archived) && (favourite !== true || me.favourite) &&
      (unread !== true || unreadCount > 0 || me.unreadFrom !== null)
  }

  // Fetching from the server

  /** Whether what is loaded may be wrong: the next fetch replaces the list instead of refreshing its first page. */
  let anew = true
  const page = createFetch(fetchPage, settle)
  /** The conversations that are being fetched one by one. */
  const refreshing = new Map<string, ReturnType<typeof createFetch>>()
  /** Conversations that the server did not find for this user. */
  const gone = createRecent<true>(MAX_GONE)
  const heard = createHeard()
  /** Whether the events of a fetch are being applied again. */
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

  /** Applies the events that arrived during a fetch again: they may be newer than its response. */
  function settle (): void {
    repeating = true
    for (const event of heard.events()) handle(event)
    repeating = false
    store.changed()
    if (!idle()) return
    // Fetch the conversations that are still missing once all fetches are done.
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
      const page = await client.listConversations({ ...filter, limit: PAGE_SIZE }, { signal })
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
      } // Otherwise the next event, or the next connection, tries again
    }
  }

  // Applying the events of the stream

  /** Moves a conversation to the top, and fetches it if it is not loaded. */
  function noteActivity (id: string): void {
    if (gone.get(id) === true) return
    order.first(id)
    // A page that is being fetched may contain it.
    if (!conversations.has(id) && !repeating && !page.busy) refresh(id)
  }

  function update (id: string, change: (conversation: Conversation) => Conversation): void {
    const conversation = conversations.get(id)
    if (conversation !== undefined) conversations.set(id, change(conversation))
  }

  const addMessage = (message: ChatEvents['message']) => update(message.conversationId, (conversation) => {
    if (message.seq <= (conversation.lastMessage?.seq ?? 0)) return conversation
    const counts = !isMe(message.senderId) && message.deletedAt === null
    return {
      ...conversation,
      lastMessage: ownOf(message),
      updatedAt: message.createdAt > conversation.updatedAt ? message.createdAt : conversation.updatedAt,
      unreadCount: conversation.unreadCount + (counts ? 1 : 0),
      unreadMentionCount: Math.min(conversation.unreadMentionCount + (counts && isMentioned(message, viewer()) ? 1 : 0), MENTIONS_COUNTED)
    }
  })

  /** Applies an event to the last message: of itself, of the message that it quotes, of a reply, or of a reaction. */
  const changeLast = (event: StreamEvent, id: string) => update(id, (conversation) => {
    const last = conversation.lastMessage
    const lastMessage = last && fold(last, event, me())
    return lastMessage === last ? conversation : { ...conversation, lastMessage }
  })

  /** Whether a message may be one that the user has not read. */
  function mayBeUnread ({ unreadCount, participants, me: { unreadFrom } }: Conversation, { senderId, seq }: ChatEvents['message']): boolean {
    const mine = participants.find(({ userId }) => isMe(userId))
    return unreadCount > 0 && !isMe(senderId) && (mine === undefined || seq > readUpTo(mine.readSeq, unreadFrom))
  }

  /** A message that is deleted while unread no longer counts as unread. The server knows whether the count included it. */
  function uncount (message: ChatEvents['messageDeleted']): void {
    const { conversationId, seq } = message
    const conversation = conversations.get(conversationId)
    if (conversation === undefined || !mayBeUnread(conversation, message)) return
    const last = conversation.lastMessage
    const counted = last !== null && (seq < last.seq || last.deletedAt === null)
    if (counted) conversations.set(conversationId, { ...conversation, unreadCount: conversation.unreadCount - 1 })
    refresh(conversationId)
  }

  /** An unread message that is edited may begin or cease to mention the user. */
  function recountMentions (message: ChatEvents['messageUpdated']): void {
    const { conversationId, id } = message
    const conversation = conversations.get(conversationId)
    if (conversation === undefined || !mayBeUnread(conversation, message)) return
    const last = conversation.lastMessage
    const mentioned = isMentioned(message, viewer())
    if (last?.id === id ? isMentioned(last, viewer()) !== mentioned : mentioned || conversation.unreadMentionCount > 0) refresh(conversationId)
  }

  function moveMark ({ conversationId, messageId, status, userId }: ChatEvents['statusUpdate']): void {
    const conversation = conversations.get(conversationId)
    const last = conversation?.lastMessage ?? null
    if (conversation === undefined || last === null) return
    if (isMe(userId)) {
      if (status !== 'read') return
      if (last.id === messageId) update(conversationId, (conversation) => ({ ...conversation, unreadCount: 0, unreadMentionCount: 0 }))
      else if (!repeating) refresh(conversationId) // Only the server knows how many are left
      return
    }
    if (last.id !== messageId || !isMe(last.senderId)) return
    // A large group is loaded without all of its participants, so their lowest watermark is not known here.
    if (conversation.participants.length < conversation.participantCount) return
    // Only the server knows the watermarks of participants who have left.
    if (!conversation.participants.some((participant) => participant.userId === userId)) return
    update(conversationId, (conversation) => ({
      ...conversation,
      lastMessage: laterMessage(last, { ...last, status: statusAt(conversation, last.seq, me()) })
    }))
  }

  /** Takes the user's own state. One that is older than what is known came late, from another node. */
  function takeState (event: StateEvent): void {
    if (event[1].userVersion < userVersion) return
    if (!idle()) heard.add(event)
    handle(event)
  }

  /** A conversation that is not loaded may belong to the list now. Of others, the service knows what is unread. */
  function noteState (data: ChatEvents['conversationState']): void {
    if (repeating) return
    const conversation = conversations.get(data.conversationId)
    if (conversation === undefined) {
      if (fits({ me: data, unreadCount: data.unreadCount })) void reload()
    } else if (conversation.unreadCount !== data.unreadCount || conversation.unreadMentionCount !== data.unreadMentionCount) {
      refresh(data.conversationId)
    }
  }

  /** Applies an event. Applying it again has no effect. */
  function handle (event: StreamEvent): void {
    const [type, data] = event
    if (type === 'onlineStatus' || type === 'userUpdated') {
      for (const [id, conversation] of conversations) conversations.set(id, reduce(conversation, event, () => undefined))
      return
    }
    if (!('conversationId' in data) || data.conversationId === null) return
    const id = data.conversationId
    const last = conversations.get(id)?.lastMessage
    update(id, (conversation) => reduce(conversation, event, (messageId) => messageId === last?.id ? last.seq : undefined))
    if (isOfMessages(type)) {
      if (type === 'message') noteActivity(id)
      changeLast(event, id)
      if (type === 'message') addMessage(data)
      return
    }
    switch (type) {
      case 'statusUpdate': moveMark(data); break
      case 'conversationCreated':
      case 'participantJoined': noteActivity(id); break
      case 'participantLeft':
        if (isMe(data.userId)) forget(id)
        else if (conversations.has(id)) noteActivity(id)
        break
      case 'conversationDeleted': forget(id); break
      case 'conversationState': noteState(data); break
      default: needsNothing<'participantUpdated' | 'conversationUpdated' | Fleeting>(type)
    }
  }

  function hear (...event: StreamEvent): void {
    const [type, data] = event
    // A change was missed, such as one of another conversation
    if ((type === 'conversationState' || type === 'blocked') && userVersion >= 0 && data.userVersion > userVersion + 1) void reload()
    switch (type) {
      case 'connected':
        typingLapseMs = data.typingLapseMs || TYPING_LAPSE_MS
        // A conversation that was deleted meanwhile is not told again, but its deletion is counted
        if (!data.resumed || userVersion !== data.userVersion) anew = true
        userVersion = data.userVersion
        void page.ask() // A resumed stream does not repeat who is online
        break
      case 'reset':
        heard.forget(data.conversationId)
        if (data.conversationId === null) void reload()
        else refresh(data.conversationId)
        break
      case 'typing':
        if (!isMe(data.userId)) typists.hear(data, typingLapseMs)
        break
      case 'blocked': // Mentions by this user count again, or no longer do: only the service knows how many there are
        userVersion = Math.max(userVersion, data.userVersion)
        for (const { id, unreadCount } of conversations.values()) if (unreadCount > 0) refresh(id)
        break
      case 'conversationState':
        takeState(event)
        userVersion = Math.max(userVersion, data.userVersion)
        break
      default:
        if (type === 'conversationDeleted') userVersion++
        if (!idle()) heard.add(event)
        if (type === 'message') typists.stop(data.conversationId, data.senderId)
        if (type === 'messageDeleted') uncount(data)
        if (type === 'messageUpdated') recountMentions(data)
        if (type === 'messageAppended' && hasGap(conversations.get(data.conversationId)?.lastMessage, data)) refresh(data.conversationId)
        handle(event)
        if (type === 'conversationCreated' || type === 'participantJoined' || type === 'participantUpdated' ||
          (type === 'participantLeft' && !isMe(data.userId))) refresh(data.conversationId)
    }
    store.changed()
  }

  const stopListening = session.listen(hear)
  const stopFollowing = session.subscribe(followSession)
  const stopNaming = people.follow(store.changed)
  const stopFollowingStates = ownStates.follow((event) => {
    if (event !== null) takeState(event)
    store.changed()
  })
  function followSession (): void {
    if (session.closed) return close()
    const { status: now } = session.getSnapshot()
    if (now !== 'waiting' && now !== 'closed') return
    typists.clear()
    if (status === 'loading' && !page.busy) void page.ask() // The list can be shown without a stream
  }
  if (session.getSnapshot().status !== 'connecting') void page.ask()

  function close (): void {
    abort.abort()
    stopListening()
    stopFollowing()
    stopNaming()
    stopFollowingStates()
    typists.clear()
    store.close()
  }

  return {
    subscribe: store.subscribe,
    getSnapshot: store.getSnapshot,
    reload,
    updateOwnState: (id, change) => ownStates.update(id, change, signal),
    async loadMore () {
      const cursor = nextCursor
      if (cursor === null) return
      const sinceNames = people.mark()
      const page = await client.listConversations({ ...filter, limit: PAGE_SIZE, cursor }, { signal })
      if (nextCursor !== cursor) return // The list was reloaded in the meantime, or this page was fetched twice
      nextCursor = page.nextCursor
      const more = page.conversations.filter(({ id }) => !conversations.has(id))
      order.page(more.map(({ id }) => id), true)
      for (const conversation of more) take(conversation, sinceNames)
      store.changed()
    },
    close
  }
}
