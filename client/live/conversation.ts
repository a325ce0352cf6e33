import type { ReactionAnswer } from '../../schemas/messages.js'
import { ChatError, isForeign, isTransient } from '../base/errors.js'
import type { ChatEvents, Conversation, CustomTypes, OwnMessage } from '../custom.js'
import type { StreamEvent } from '../options.js'
import { withChanges } from './changes.js'
import { needsNothing, type Fleeting } from './events.js'
import { createFetch, createHeard } from './fetching.js'
import { hasGap, isOfMessages } from './fold.js'
import { reduce, statusAt } from './marks.js'
import { createOutbox } from './outbox.js'
import { createVersion, type StateEvent } from './own-states.js'
import { createPages } from './pages.js'
import type { ChatSession } from './session.js'
import type { ConversationLine, ConversationOptions, ConversationSnapshot, LiveConversation } from './snapshots.js'
import { createStore } from './store.js'
import { createTimeline, type ChatMessage } from './timeline.js'
import { createTypingSignal } from './typing-signal.js'
import { createTypists } from './typists.js'
import { createUnread } from './unread.js'

const PAGE_SIZE = 50
const TICKS_SIZE = 100
const TYPING_LAPSE_MS = 6000

/** Follows a conversation through the session's stream. Close it when it is no longer shown. */
export function openConversation<T extends CustomTypes> (
  session: ChatSession<T>, conversationId: string, options: ConversationOptions & { changes: true }
): LiveConversation<T, ConversationLine<T>>
export function openConversation<T extends CustomTypes> (
  session: ChatSession<T>, conversationId: string, options?: ConversationOptions & { changes?: false }
): LiveConversation<T>
export function openConversation (session: ChatSession, conversationId: string, { changes = false }: ConversationOptions = {}): unknown {
  const live = openMessages(session, conversationId)
  return changes ? withChanges(session, live) : live
}

function openMessages (session: ChatSession, conversationId: string): LiveConversation {
  const { client, receipts, people, ownStates } = session
  const abort = new AbortController()
  const { signal } = abort
  const me = () => session.getSnapshot()
  const isMe = (userId: string) => userId === me().userId

  let status: ConversationSnapshot['status'] = 'loading'
  let error: Error | null = null
  let conversation: Conversation | null = null
  let removed = false
  let typingLapseMs = TYPING_LAPSE_MS
  const passedOver = createVersion()
  let userVersion = 0 // Of the newest own state that was told

  const store = createStore<ConversationSnapshot>(() => ({
    status,
    error,
    conversation: conversation && people.nameAll(ownStates.show(conversation)),
    messages: timeline.view(),
    hasOlder: pages.hasOlder,
    loadingOlder: pages.loadingOlder,
    hasNewer: pages.hasNewer,
    loadingNewer: pages.loadingNewer,
    typing: typists.view(),
    readSeq: conversation && unread.readSeq,
    unreadCount: unread.count(),
    unreadMentionCount: unread.mentionCount(),
    removed
  }))
  const timeline = createTimeline(conversationId, me, people)
  const pages = createPages({ client, conversationId, signal, timeline, people, changed: store.changed, lost })
  const unreadFrom = () => conversation && ownStates.show(conversation).me.unreadFrom
  const unread = createUnread(timeline, me, () => pages.hasNewer, unreadFrom)
  const typists = createTypists(store.changed, people)
  const typing = createTypingSignal((isTyping) => {
    client.setTyping(conversationId, isTyping).catch(() => {}) // The next key sends it again
  }, () => typingLapseMs)
  const outbox = createOutbox({
    client,
    conversationId,
    signal,
    pending: timeline.pending,
    sending: answered,
    changed: store.changed
  })

  // Fetching from the server

  /** What the next fetch is for: whether it includes the newest messages, and whether they replace those loaded before. */
  const wanted = { messages: false, anew: false }
  const heard = createHeard()
  const fetching = createFetch(fetch, store.changed)

  function load (messages: boolean, anew = messages): Promise<void> {
    wanted.messages ||= messages
    wanted.anew ||= anew
    return fetching.ask()
  }

  function lost (): void {
    void load(true)
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
        messages && (anew || !pages.hasNewer) ? client.listMessages(conversationId, { limit: PAGE_SIZE }, { signal }) : null
      ])
      if (page !== null) pages.learn(page, sinceNames)
      people.learnFrom(fetched, sinceNames)
      if (page === null || (!anew && pages.hasNewer)) {
        // The user looks at another part of the history
      } else if (!anew && (page.messages[0]?.seq ?? 0) <= (timeline.newestSeq ?? 0) + 1) {
        timeline.take(page.messages, since) // Keeps the older messages, which the user may be looking at
        await refreshTicks(page.messages[0]?.seq ?? 0)
      } else {
        timeline.replace(page.messages, since)
        pages.replaced(page)
      }
      take(fetched)
      follow()
      status = 'ready'
      error = null
    } catch (thrown) {
      if (signal.aborted) return
      // The next connection tries again.
      wanted.messages ||= messages
      wanted.anew ||= anew
      error = thrown as Error
      const refused = thrown instanceof ChatError && !isTransient(thrown)
      // The user was removed while the stream was closed.
      if (conversation !== null && refused && thrown.statusCode === 404 && !isForeign(thrown)) removed = true
      if (status === 'loading' || !(thrown instanceof ChatError) || refused) status = 'failed'
    }
    for (const event of heard.events()) handle(event, true)
    if (heard.clear()) void load(true)
    store.changed()
  }

  /** Fetches the loaded messages before a message again, as long as one of the user's own among them is not read by all. */
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
    unread.take(fetched)
    const mine = fetched.participants.find(({ userId }) => isMe(userId))
    if (mine === undefined) return
    unread.read(mine.readSeq)
    const newest = timeline.newestOfOthers()
    if (newest !== undefined && newest.seq > mine.deliveredSeq) receipts.delivered(newest)
  }

  /** Call it before a request. @returns a function that takes the message in the response */
  function answered (): (message: OwnMessage) => void {
    const since = timeline.mark()
    return (message) => {
      timeline.take([message], since, pages.from, pages.to)
      follow()
      store.changed()
    }
  }

  /** Growing messages that are fetched, because something of them was not told. */
  const missed = new Set<string>()

  async function fetchMessage (id: string): Promise<void> {
    if (missed.has(id)) return
    missed.add(id)
    try {
      const take = answered()
      take(await client.getMessage(id, { signal }))
    } catch {} // What is appended next, or the end, tells it again
    missed.delete(id)
  }

  // Applying the events of the stream

  /** Makes the newest known message the conversation's last message. */
  function follow (): void {
    const newest = timeline.newest
    if (conversation === null || newest === undefined || newest.seq < (conversation.lastMessage?.seq ?? 0)) return
    if (newest !== conversation.lastMessage) conversation = { ...conversation, lastMessage: newest }
  }

  function moveMark ({ messageId, status, userId }: ChatEvents['statusUpdate'], before: Conversation | null): void {
    const seq = timeline.find(messageId)?.seq
    // A message that is not loaded can only be older, and says nothing about those that are shown.
    if (seq === undefined) {
      if (isMe(userId) && status === 'read') void load(false)
      return
    }
    if (isMe(userId)) {
      if (status === 'read') unread.read(seq)
      if (pages.hasNewer) void load(false)
      return
    }
    const marks = before?.participants.find((participant) => participant.userId === userId)
    const after = conversation
    if (marks === undefined || after === null) return
    timeline.raise(Math.min(status === 'read' ? marks.readSeq : marks.deliveredSeq, seq), seq, (at) => statusAt(after, at, me().userId))
  }

  /** Applies an event. Applying it again has no effect. */
  function handle (event: StreamEvent, again = false): void {
    const [type, data] = event
    const before = conversation
    if (conversation !== null) conversation = reduce(conversation, event, (id) => timeline.find(id)?.seq)
    if (isOfMessages(type)) {
      if (type === 'message') typists.stop(data.senderId)
      if (type === 'messageAppended' && hasGap(timeline.find(data.messageId), data)) void fetchMessage(data.messageId)
      timeline[again ? 'repeat' : 'hear'](event, pages.from, pages.to)
      follow()
      return
    }
    switch (type) {
      case 'statusUpdate': moveMark(data, before); break
      case 'participantJoined': removed &&= !isMe(data.userId); break
      case 'participantLeft':
        if (isMe(data.userId)) removed = true
        typists.stop(data.userId)
        break
      case 'conversationDeleted': removed = true; typists.clear(); break
      default: needsNothing<'conversationCreated' | 'conversationUpdated' | 'participantUpdated' | Fleeting>(type)
    }
  }

  /** Takes the user's own state. One that is older than what is known came late, from another node. */
  function takeState (event: StateEvent): void {
    const [, data] = event
    if (data.userVersion < userVersion) return
    userVersion = data.userVersion
    if (fetching.busy) heard.add(event)
    handle(event)
    if (data.unreadCount !== unread.count() || data.unreadMentionCount !== unread.mentionCount()) void load(false)
  }

  function hear (...event: StreamEvent): void {
    const [type, data] = event
    if (passedOver(event) > 0 && type !== 'connected') void load(false) // It may have been one of this conversation
    if (type === 'connected') {
      typingLapseMs = data.typingLapseMs || TYPING_LAPSE_MS
      userVersion = data.userVersion
      if (!removed) void load(!data.resumed || status !== 'ready') // A resumed stream does not repeat who is online
      void outbox.flush()
    } else if (type === 'disconnect') {
      typists.clear()
    } else if (type === 'blocked') {
      void load(false) // Mentions by this user count again, or no longer do
    } else if (type === 'onlineStatus' || type === 'userUpdated') {
      if (fetching.busy) heard.add(event)
      handle(event)
    } else if (!('conversationId' in data) || (data.conversationId !== conversationId && !(type === 'reset' && data.conversationId === null))) {
      return
    } else if (type === 'reset') {
      // The numbers of another log may be lower.
      heard.forget(null)
      timeline.forget()
      unread.reset()
      void load(true)
    } else if (type === 'conversationState') {
      takeState(event)
    } else if (type === 'typing') {
      if (!isMe(data.userId)) typists.hear(data, typingLapseMs)
    } else {
      if (fetching.busy) heard.add(event)
      if ((type === 'messageUpdated' || type === 'messageDeleted') && unread.hear(type, data)) void load(false)
      handle(event)
      if (type === 'message' && pages.hasNewer) void load(false) // It is not loaded: the service counts it
      // Fetch the profile of whoever joined, and the statuses that waited for whoever left.
      if (type === 'participantJoined') void load(isMe(data.userId))
      if (type === 'participantLeft' && !isMe(data.userId)) void load(true, false)
    }
    store.changed()
  }

  const stopListening = session.listen(hear)
  const stopFollowing = session.subscribe(followSession)
  const stopNaming = people.follow(store.changed)
  const stopFollowingStates = ownStates.follow((event) => {
    if (event?.[1].conversationId === conversationId) takeState(event)
    store.changed()
  })
  let before = me()
  function followSession (): void {
    if (session.closed) return close()
    const { status: now, reachable, blocked } = me()
    const was = before
    before = me()
    if (timeline.pending.size > 0 || blocked !== was.blocked) store.changed()
    if (reachable && !was.reachable) void outbox.flush()
    if (now === was.status) return
    // Without a stream, the history can be shown, but who is typing is no longer known.
    if (now === 'waiting' || now === 'closed') {
      typists.clear()
      if (status === 'loading') void load(true)
    }
  }
  if (before.status !== 'connecting') void load(true)
  for (const typist of session.typing(conversationId)) typists.hear({ ...typist, isTyping: true }, typingLapseMs)

  function close (): void {
    typing.set(false)
    abort.abort()
    stopListening()
    stopFollowing()
    stopNaming()
    stopFollowingStates()
    typists.clear()
    typing.ended()
    outbox.close()
    store.close()
  }

  return {
    conversationId,
    subscribe: store.subscribe,
    getSnapshot: store.getSnapshot,
    send (text, options) {
      typing.ended()
      if (pages.hasNewer) void load(true)
      return outbox.send(typeof text === 'string' ? { ...options, text } : text)
    },
    retry: outbox.retry,
    discard: outbox.discard,
    async edit (messageId, change) {
      const take = answered()
      take(await client.editMessage(messageId, change, { signal, conversationId }))
    },
    async react (messageId, emoji, on) {
      const settle = timeline.react(messageId, emoji, on)
      store.changed()
      let answer: ReactionAnswer | null = null
      try {
        answer = await client.react(messageId, emoji, on, { signal })
      } finally {
        settle(answer)
        store.changed()
      }
    },
    async remove (messageId) {
      const take = answered()
      take(await client.deleteMessage(messageId, { signal, conversationId }))
    },
    loadOlder: pages.loadOlder,
    loadNewer: pages.loadNewer,
    loadAround: (seq) => pages.loadAround(seq),
    reload: () => load(true),
    updateOwnState: (change) => ownStates.update(conversationId, change, signal),
    markRead (seq = timeline.newestSeq ?? 0) {
      if (unreadFrom() !== null) ownStates.update(conversationId, { unreadFrom: null }, signal).catch(() => {}) // Reading tries again
      if (unread.count() === 0 || seq <= unread.readSeq) return
      unread.read(seq)
      receipts.read(conversationId, seq)
      store.changed()
    },
    setTyping: (isTyping) => { if (!removed) typing.set(isTyping) },
    close
  }
}
