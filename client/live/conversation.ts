import type { MentionInput, ReactionAnswer } from '../../schemas/messages.js'
import { createClientId } from '../base/client-id.js'
import { instant } from '../base/clock.js'
import { ChatError, isForeign, isTransient } from '../base/errors.js'
import type { ChatEvents, Conversation, CustomTypes, EditMessageBody, OwnMessage, SendMessageBody } from '../custom.js'
import type { StreamEvent } from '../options.js'
import { needsNothing, type Fleeting } from './events.js'
import { createFetch, createHeard } from './fetching.js'
import { reduce, statusAt } from './marks.js'
import { createOutbox } from './outbox.js'
import { createPages } from './pages.js'
import type { ChatSession } from './session.js'
import { createStore, type Store } from './store.js'
import { createTimeline, type ChatMessage } from './timeline.js'
import { createTypingSignal } from './typing-signal.js'
import { createTypists, type Typist } from './typists.js'
import { createUnread } from './unread.js'

export interface ConversationSnapshot<T extends CustomTypes = CustomTypes> {
  /** `loading` until there is something to show; `failed` with an `error` if it could not be loaded. */
  status: 'loading' | 'ready' | 'failed'
  error: Error | null
  /** Null until it is loaded. Its participants say who is online and how far each has read. */
  conversation: Conversation<T> | null
  /** The loaded messages in order, followed by the user's own unsent messages. */
  messages: readonly ChatMessage<T>[]
  /** Whether there are older messages; see `loadOlder`. */
  hasOlder: boolean
  loadingOlder: boolean
  /** Whether there are newer messages than those that are loaded, which is so after `loadAround` only; see `loadNewer`. */
  hasNewer: boolean
  loadingNewer: boolean
  /** Other users who are typing. */
  typing: readonly Typist[]
  unreadCount: number
  /** The unread messages that mention the user or everybody. 100 means 100 or more. */
  unreadMentionCount: number
  /** Whether the user has left or was removed. No new events arrive then. */
  removed: boolean
}

/** What a message carries besides its text. */
export interface SendOptions<T extends CustomTypes = CustomTypes> {
  /** Default: `text`. */
  type?: string
  metadata?: SendMessageBody<T>['metadata']
  /** The id of the message to reply to. If it is loaded, the quote is shown at once. */
  replyTo?: string | null
  /** Who is mentioned; see `mentionsOf`. */
  mentions?: readonly MentionInput[]
  mentionsAll?: boolean
}

/** The live state of one conversation. */
export interface LiveConversation<T extends CustomTypes = CustomTypes> extends Store<ConversationSnapshot<T>> {
  readonly conversationId: string
  /**
   * Sends a message. It is in the snapshot at once, as `sending`. While the service cannot be reached it waits, and it is
   * never sent twice. If the service refuses it, it stays in the snapshot as `failed`.
   *
   * @returns the `key` of the message
   */
  send (text: string, options?: SendOptions<T>): string
  /** Sends a failed message again. */
  retry (key: string): void
  /** Removes a failed message. */
  discard (key: string): void
  /** Changes the user's own message: its text, or what the change names. @throws ChatError */
  edit (messageId: string, change: string | EditMessageBody<T>): Promise<void>
  /**
   * Sets the user's reaction to a message, or takes it back. It is in the snapshot at once, and no longer if the service
   * refuses it. @throws ChatError
   */
  react (messageId: string, emoji: string, on: boolean): Promise<void>
  /** Deletes the user's own message or, as a group's owner or admin, somebody else's. @throws ChatError */
  remove (messageId: string): Promise<void>
  /** Fetches the page before the oldest loaded message. @throws ChatError */
  loadOlder (): Promise<void>
  /** Fetches the page after the newest loaded message. New messages appear again once all are loaded. @throws ChatError */
  loadNewer (): Promise<void>
  /**
   * Loads the messages around a `seq`, in place of those that are loaded, unless it is among them. `reload` goes back to the
   * newest page, and so does sending. @throws ChatError
   */
  loadAround (seq: number): Promise<void>
  /** Fetches the conversation and its newest page again. Never rejects: an error is in the snapshot. */
  reload (): Promise<void>
  /** Marks everything up to `seq` as read; by default, up to the newest message. Call it while the user looks at it. */
  markRead (seq?: number): void
  /** Call it with `true` on every key that is pressed in the field for a message, and with `false` when the field is left. */
  setTyping (isTyping: boolean): void
  /** Stops following the conversation. Unsent messages are dropped: check for messages whose `seq` is null first. */
  close (): void
}

const PAGE_SIZE = 50
const TICKS_SIZE = 100
const TYPING_LAPSE_MS = 6000

/** Follows a conversation through the session's stream. Close it when it is no longer shown. */
export function openConversation<T extends CustomTypes> (session: ChatSession<T>, conversationId: string): LiveConversation<T>
export function openConversation (session: ChatSession, conversationId: string): LiveConversation {
  const { client, receipts, people } = session
  const abort = new AbortController()
  const { signal } = abort
  const me = () => session.getSnapshot()
  const isMe = (userId: string) => userId === me().userId

  let status: ConversationSnapshot['status'] = 'loading'
  let error: Error | null = null
  let conversation: Conversation | null = null
  let removed = false
  let typingLapseMs = TYPING_LAPSE_MS

  const store = createStore<ConversationSnapshot>(() => ({
    status,
    error,
    conversation: conversation && people.nameAll(conversation),
    messages: timeline.view(),
    hasOlder: pages.hasOlder,
    loadingOlder: pages.loadingOlder,
    hasNewer: pages.hasNewer,
    loadingNewer: pages.loadingNewer,
    typing: typists.view(),
    unreadCount: unread.count(),
    unreadMentionCount: unread.mentionCount(),
    removed
  }))
  const timeline = createTimeline(conversationId, me, people)
  const pages = createPages({ client, conversationId, signal, timeline, people, changed: store.changed, lost })
  const unread = createUnread(timeline, () => me().userId, () => pages.hasNewer)
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
    changed: store.changed,
    connecting: () => me().status === 'connecting' || me().status === 'waiting'
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
    switch (type) {
      case 'message':
      case 'messageUpdated':
      case 'messageDeleted':
      case 'reaction':
        if (type === 'message') typists.stop(data.senderId)
        timeline[again ? 'repeat' : 'hear'](event, pages.from, pages.to)
        follow()
        break
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

  function hear (...event: StreamEvent): void {
    const [type, data] = event
    if (type === 'connected') {
      typingLapseMs = data.typingLapseMs || TYPING_LAPSE_MS
      if (!removed) void load(!data.resumed || status !== 'ready') // A resumed stream does not repeat who is online
      outbox.connected()
    } else if (type === 'disconnect') {
      typists.clear()
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
  let before = me().status
  function followSession (): void {
    if (session.closed) return close()
    const { status: now } = me()
    if (timeline.pending.size > 0) store.changed()
    if (now === before) return
    before = now
    // Without a stream, the history can be shown, but who is typing is no longer known.
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
    send (text, { type = 'text', metadata = null, replyTo: replyToId = null, mentions = [], mentionsAll = false } = {}) {
      const clientId = createClientId()
      typing.ended()
      if (pages.hasNewer) void load(true)
      const content = { text, type, metadata, replyToId, mentions, mentionsAll }
      outbox.send({ ...content, clientId, createdAt: instant(), status: 'sending', error: null })
      return clientId
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
    markRead (seq = timeline.newestSeq ?? 0) {
      if (unread.count() === 0 || seq <= unread.readSeq) return
      unread.read(seq)
      receipts.read(conversationId, seq)
      store.changed()
    },
    setTyping: (isTyping) => { if (!removed) typing.set(isTyping) },
    close
  }
}
