import type { Conversation } from '../../schemas/conversations.js'
import type { ChatEvents } from '../../schemas/events.js'
import type { Message } from '../../schemas/messages.js'
import { createClientId } from '../base/client-id.js'
import { instant } from '../base/clock.js'
import { ChatError, isForeign, isTransient } from '../base/errors.js'
import type { StreamEvent } from '../options.js'
import { createFetch, createHeard } from './fetching.js'
import { reduce, statusAt } from './marks.js'
import { createOutbox } from './outbox.js'
import type { ChatSession } from './session.js'
import { createStore, type Store } from './store.js'
import { createTimeline, type ChatMessage } from './timeline.js'
import { createTypingSignal } from './typing-signal.js'
import { createTypists, type Typist } from './typists.js'

export interface ConversationSnapshot {
  /** `loading` until there is something to show; `failed` with an `error` where that can't be had. */
  status: 'loading' | 'ready' | 'failed'
  error: Error | null
  /** Null until loaded. Its participants carry who is online and how far they have read. */
  conversation: Conversation | null
  /** In order; one's own unsent ones last. */
  messages: readonly ChatMessage[]
  /** There are older messages; see `loadOlder`. */
  hasOlder: boolean
  loadingOlder: boolean
  /** Others who are typing. */
  typing: readonly Typist[]
  unreadCount: number
  /** The user has left, or was removed; nothing new comes. */
  removed: boolean
}

/** The live state of one conversation. */
export interface LiveConversation extends Store<ConversationSnapshot> {
  readonly conversationId: string
  /**
   * Sends a message. It stands in the snapshot at once, `sending`; while the service can't be reached it waits for that,
   * and is never sent double. Where it is refused, it is kept as `failed`.
   *
   * @returns its `key`
   */
  send (text: string, options?: { type?: string }): string
  /** Sends a failed message again. */
  retry (key: string): void
  /** Forgets a failed message. */
  discard (key: string): void
  /** @throws ChatError */
  edit (messageId: string, text: string): Promise<void>
  /** @throws ChatError */
  remove (messageId: string): Promise<void>
  /** Fetches the page before the oldest message. @throws ChatError */
  loadOlder (): Promise<void>
  /** Fetches everything again, from the newest page on. */
  reload (): Promise<void>
  /** The user has seen everything up to `seq`, or up to the newest message: to be called while they look at it. */
  markRead (seq?: number): void
  /** To be called on every key pressed in the message's field, and with `false` when it is left. */
  setTyping (isTyping: boolean): void
  /** What still waits to be sent is forgotten: look for messages without `seq` before closing. */
  close (): void
}

const PAGE_SIZE = 50
const TICKS_SIZE = 100
const TYPING_LAPSE_MS = 6000

/** Follows a conversation through the session's stream. To be closed when it isn't shown any more. */
export function openConversation (session: ChatSession, conversationId: string): LiveConversation {
  const { client, receipts, people } = session
  const abort = new AbortController()
  const { signal } = abort
  const me = () => session.getSnapshot()
  const isMe = (userId: string) => userId === me().userId

  let status: ConversationSnapshot['status'] = 'loading'
  let error: Error | null = null
  let conversation: Conversation | null = null
  let hasOlder = false
  let olderPage: Promise<void> | null = null
  let removed = false
  let typingLapseMs = TYPING_LAPSE_MS
  /** How far the user has read, if the server doesn't know yet. */
  let readSeq = 0
  /** As told with the conversation, and the newest message it counted. */
  let unreadThen = 0
  let countedSeq = 0

  const store = createStore<ConversationSnapshot>(() => ({
    status,
    error,
    conversation: conversation && people.nameAll(conversation),
    messages: timeline.view(),
    hasOlder,
    loadingOlder: olderPage !== null,
    typing: typists.view(),
    unreadCount: unreadCount(),
    removed
  }))
  const timeline = createTimeline(conversationId, me, people)
  const typists = createTypists(store.changed, people)
  const typing = createTypingSignal((isTyping) => {
    client.setTyping(conversationId, isTyping).catch(() => {}) // the next key tells again
  }, () => typingLapseMs)
  const outbox = createOutbox({
    client,
    conversationId,
    signal,
    pending: timeline.pending,
    sending: answered,
    changed: store.changed,
    connecting: () => me().status === 'connecting' || me().status === 'waiting'
  })

  /** Whether every message that may be unread is loaded. */
  const allUnreadLoaded = () => timeline.oldestSeq !== null && timeline.oldestSeq <= readSeq + 1

  const unreadCount = () => allUnreadLoaded() ? timeline.countAfter(readSeq) : unreadThen + timeline.countAfter(countedSeq)

  // what the server has

  /** What the next fetch is to bring: the newest messages, too, and whether those loaded before are forgotten. */
  const wanted = { messages: false, anew: false }
  const heard = createHeard()
  const fetching = createFetch(fetch, store.changed)

  function load (messages: boolean, anew = messages): Promise<void> {
    wanted.messages ||= messages
    wanted.anew ||= anew
    return fetching.ask()
  }

  async function fetch (): Promise<void> {
    if (signal.aborted) return
    const { messages, anew } = wanted
    wanted.messages = wanted.anew = false
    heard.clear()
    const since = timeline.mark()
    const sinceNames = people.mark()
    try {
      const [fetched, page] = await Promise.all([
        client.getConversation(conversationId, { signal }),
        messages ? client.listMessages(conversationId, { limit: PAGE_SIZE }, { signal }) : null
      ])
      for (const { sender } of page?.messages ?? []) people.learn(sender, sinceNames)
      people.learnFrom(fetched, sinceNames)
      if (page !== null && !anew && (page.messages[0]?.seq ?? 0) <= (timeline.newestSeq ?? 0) + 1) {
        timeline.take(page.messages, since) // older ones that were loaded may be looked at
        await refreshTicks(page.messages[0]?.seq ?? 0)
      } else if (page !== null) {
        timeline.replace(page.messages, since)
        hasOlder = page.hasMore
      }
      take(fetched)
      follow()
      status = 'ready'
      error = null
    } catch (thrown) {
      if (signal.aborted) return
      // What was to be fetched still is: the next connection tries again.
      wanted.messages ||= messages
      wanted.anew ||= anew
      error = thrown as Error
      const refused = thrown instanceof ChatError && !isTransient(thrown)
      // Removed while nobody listened.
      if (conversation !== null && refused && thrown.statusCode === 404 && !isForeign(thrown)) removed = true
      if (status === 'loading' || !(thrown instanceof ChatError) || refused) status = 'failed'
    }
    for (const event of heard.events()) handle(event)
    if (heard.clear()) void load(true)
    store.changed()
  }

  /** Fetches again what was loaded before a message, as far as others still have something of the user's to read. */
  async function refreshTicks (before: number): Promise<void> {
    const waits = ({ own, seq, status }: ChatMessage) => own && seq !== null && seq < before && status !== 'read'
    while (before > 1 && timeline.view().some(waits)) {
      const since = timeline.mark()
      const { messages } = await client.listMessages(conversationId, { before, limit: TICKS_SIZE }, { signal })
      timeline.take(messages, since, timeline.oldestSeq ?? 0)
      before = messages[0]?.seq ?? 0
    }
  }

  function take (fetched: Conversation): void {
    conversation = fetched
    unreadThen = fetched.unreadCount
    countedSeq = fetched.lastMessage?.seq ?? 0
    const mine = fetched.participants.find(({ userId }) => isMe(userId))
    if (mine === undefined) return
    readSeq = Math.max(readSeq, mine.readSeq)
    const newest = timeline.newestOfOthers()
    if (newest !== undefined && newest.seq > mine.deliveredSeq) receipts.delivered(newest)
  }

  /** To be called when a call is made; what it returns takes the answer. */
  function answered (): (message: Message) => void {
    const since = timeline.mark()
    return (message) => {
      timeline.take([message], since, firstSeq())
      follow()
      store.changed()
    }
  }

  // what the stream tells

  /** One from before what is loaded would stand beside a hole; it comes with its page. */
  const firstSeq = () => hasOlder ? timeline.oldestSeq ?? 0 : 0

  /** The conversation's last message is the newest that is known. */
  function follow (): void {
    const newest = timeline.newest
    if (conversation === null || newest === undefined || newest.seq < (conversation.lastMessage?.seq ?? 0)) return
    if (newest !== conversation.lastMessage) conversation = { ...conversation, lastMessage: newest }
  }

  function moveMark ({ messageId, status, userId }: ChatEvents['statusUpdate'], before: Conversation | null): void {
    const seq = timeline.find(messageId)?.seq
    // Beyond what is loaded: it can only be older, and tells nothing about what is shown.
    if (seq === undefined) {
      if (isMe(userId) && status === 'read') void load(false)
      return
    }
    if (isMe(userId)) {
      if (status === 'read') readSeq = Math.max(readSeq, seq)
      return
    }
    const marks = before?.participants.find((participant) => participant.userId === userId)
    const after = conversation
    if (marks === undefined || after === null) return
    timeline.raise(Math.min(status === 'read' ? marks.readSeq : marks.deliveredSeq, seq), seq, (at) => statusAt(after, at, me().userId))
  }

  /** A deleted message isn't unread. How many are left can only be told where all of them are loaded. */
  function uncount ({ senderId, seq, id }: ChatEvents['messageDeleted']): void {
    if (isMe(senderId) || seq <= readSeq || seq > countedSeq || unreadThen === 0 || allUnreadLoaded()) return
    if (timeline.find(id)?.deletedAt === null) unreadThen--
    void load(false)
  }

  /** Doing it twice is as good as once. */
  function handle (event: StreamEvent): void {
    const [type, data] = event
    const before = conversation
    if (conversation !== null) conversation = reduce(conversation, event, (id) => timeline.find(id)?.seq)
    switch (type) {
      case 'message':
        typists.stop(data.senderId)
        timeline.hear(type, data, firstSeq())
        follow()
        break
      case 'messageUpdated':
      case 'messageDeleted':
        if (timeline.find(data.id) !== undefined) timeline.hear(type, data)
        follow()
        break
      case 'statusUpdate': moveMark(data, before); break
      case 'participantJoined':
        if (isMe(data.userId)) removed = false
        break
      case 'participantLeft':
        if (isMe(data.userId)) removed = true
        typists.stop(data.userId)
    }
  }

  function hear (...event: StreamEvent): void {
    const [type, data] = event
    if (type === 'connected') {
      typingLapseMs = data.typingLapseMs || TYPING_LAPSE_MS
      if (!removed) void load(!data.resumed || status !== 'ready') // who is online isn't told again
      outbox.connected()
    } else if (type === 'disconnect') {
      typists.clear()
    } else if (type === 'onlineStatus') {
      if (fetching.busy) heard.add(event)
      handle(event)
    } else if (!('conversationId' in data) || (data.conversationId !== conversationId && !(type === 'reset' && data.conversationId === null))) {
      return
    } else if (type === 'reset') {
      // Where another log begins, its numbers may be lower.
      heard.forget(null)
      readSeq = 0
      void load(true)
    } else if (type === 'typing') {
      if (!isMe(data.userId)) typists.hear(data, typingLapseMs)
    } else {
      if (fetching.busy) heard.add(event)
      if (type === 'messageDeleted') uncount(data)
      handle(event)
      // Names and pictures of who came, and ticks that waited for who left, are asked for.
      if (type === 'participantJoined') void load(isMe(data.userId))
      if (type === 'participantLeft' && !isMe(data.userId)) void load(true, false)
    }
    store.changed()
  }

  const stopListening = session.listen(hear)
  const stopFollowing = session.subscribe(followSession)
  const stopNaming = people.follow(store.changed)
  let before = me().status
  function followSession (): void {
    if (session.closed) return close()
    const { status: now } = me()
    if (timeline.pending.size > 0) store.changed()
    if (now === before) return
    before = now
    // Without a stream there is still the history to show; who types isn't known any more.
    if (now === 'waiting' || now === 'closed') {
      typists.clear()
      if (status === 'loading') void load(true)
    }
    if (now === 'closed') void outbox.flush()
  }
  if (before !== 'connecting') void load(true)
  for (const typist of session.typing(conversationId)) typists.hear({ ...typist, isTyping: true }, typingLapseMs)

  function close (): void {
    typing.set(false)
    abort.abort()
    stopListening()
    stopFollowing()
    stopNaming()
    typists.clear()
    typing.ended()
    store.close()
  }

  return {
    conversationId,
    subscribe: store.subscribe,
    getSnapshot: store.getSnapshot,
    send (text, { type = 'text' } = {}) {
      const clientId = createClientId()
      typing.ended()
      outbox.send({ clientId, text, type, createdAt: instant(), status: 'sending', error: null })
      return clientId
    },
    retry: outbox.retry,
    discard: outbox.discard,
    async edit (messageId, text) {
      const take = answered()
      take(await client.editMessage(messageId, text, { signal, conversationId }))
    },
    async remove (messageId) {
      const take = answered()
      take(await client.deleteMessage(messageId, { signal, conversationId }))
    },
    loadOlder () {
      const before = timeline.oldestSeq
      if (olderPage !== null) return olderPage
      if (before === null || !hasOlder) return Promise.resolve()
      const since = timeline.mark()
      const sinceNames = people.mark()
      olderPage = client.listMessages(conversationId, { before, limit: PAGE_SIZE }, { signal }).then((page) => {
        // A reset in the meantime began anew.
        if (timeline.oldestSeq !== before) return
        for (const { sender } of page.messages) people.learn(sender, sinceNames)
        timeline.take(page.messages, since)
        hasOlder = page.hasMore
      }).finally(() => {
        olderPage = null
        store.changed()
      })
      store.changed()
      return olderPage
    },
    reload: () => load(true),
    markRead (seq = timeline.newestSeq ?? 0) {
      if (unreadCount() === 0 || seq <= readSeq) return
      readSeq = seq
      receipts.read(conversationId, seq)
      store.changed()
    },
    setTyping: (isTyping) => { if (!removed) typing.set(isTyping) },
    close
  }
}
