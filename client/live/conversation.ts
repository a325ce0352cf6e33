import type { Conversation, Participant } from '../../schemas/conversations.js'
import type { ChatEvents } from '../../schemas/events.js'
import type { Message, MessageStatus } from '../../schemas/messages.js'
import { createClientId } from '../base/client-id.js'
import { instant } from '../base/clock.js'
import { ChatError, isTransient } from '../base/errors.js'
import type { StreamEvent } from '../options.js'
import type { ChatSession } from './session.js'
import { createStore, type Store } from './store.js'
import { createTimeline, lowerStatus, type ChatMessage, type Pending } from './timeline.js'
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
  const { client, receipts } = session
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
    conversation,
    messages: timeline.view(),
    hasOlder,
    loadingOlder: olderPage !== null,
    typing: typists.view(),
    unreadCount: unreadCount(),
    removed
  }))
  const timeline = createTimeline(conversationId, me)
  const typists = createTypists(store.changed)
  const typing = createTypingSignal((isTyping) => {
    client.setTyping(conversationId, isTyping).catch(() => {}) // the next key tells again
  }, () => typingLapseMs)

  function unreadCount (): number {
    const { oldestSeq } = timeline
    if (oldestSeq !== null && oldestSeq <= readSeq + 1) return timeline.countAfter(readSeq)
    return unreadThen + timeline.countAfter(countedSeq)
  }

  // what the server has

  const loading = { everything: false, anew: false, running: null as Promise<void> | null, again: false, heard: [] as StreamEvent[] }

  /**
   * Fetches the conversation, and with `everything` its newest messages; `anew` forgets what was loaded before. One fetch
   * at a time.
   */
  function load (everything: boolean, anew = everything): Promise<void> {
    loading.everything ||= everything
    loading.anew ||= anew
    if (loading.running !== null) {
      loading.again = true
      return loading.running
    }
    loading.running = run().finally(() => {
      loading.running = null
      store.changed()
    })
    return loading.running

    async function run (): Promise<void> {
      do {
        loading.again = false
        const { everything: all, anew: forget } = loading
        loading.everything = loading.anew = false
        loading.heard = []
        try {
          const [fetched, page] = await Promise.all([
            client.getConversation(conversationId, { signal }),
            all ? client.listMessages(conversationId, { limit: PAGE_SIZE }, { signal }) : null
          ])
          if (page !== null && !forget && (page.messages[0]?.seq ?? 0) <= (timeline.newestSeq ?? 0) + 1) {
            timeline.add(page.messages) // older ones that were loaded may be looked at
            await refreshTicks(page.messages[0]?.seq ?? 0)
          } else if (page !== null) {
            timeline.replace(page.messages)
            hasOlder = page.hasMore
          }
          take(fetched)
          status = 'ready'
          error = null
        } catch (thrown) {
          if (signal.aborted) return
          // What was to be fetched still is: the next connection tries again.
          if (all) loading.everything = true
          if (forget) loading.anew = true
          error = thrown as Error
          // Removed while nobody listened.
          if (conversation !== null && thrown instanceof ChatError && thrown.statusCode === 404) removed = true
          if (status === 'loading' || !(thrown instanceof ChatError) || !isTransient(thrown)) status = 'failed'
        }
        // What was heard meanwhile may be newer than what was fetched. Where it isn't, it changes nothing.
        for (const event of loading.heard.splice(0)) handle(event)
        store.changed()
      } while (loading.again && !signal.aborted)
    }
  }

  /** Fetches again what was loaded before a message, as far as others still have something of the user's to read. */
  async function refreshTicks (before: number): Promise<void> {
    const waits = ({ own, seq, status }: ChatMessage) => own && seq !== null && seq < before && status !== 'read'
    while (before > 1 && timeline.view().some(waits)) {
      const { messages } = await client.listMessages(conversationId, { before, limit: TICKS_SIZE }, { signal })
      timeline.add(messages, timeline.oldestSeq ?? 0)
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

  // what the stream tells

  function updateParticipant (userId: string, change: (participant: Participant) => Participant | null): void {
    if (conversation === null) return
    const participants = conversation.participants.flatMap((participant) =>
      participant.userId === userId ? change(participant) ?? [] : participant)
    conversation = { ...conversation, participants }
  }

  /** The lowest status of a message of the user's over the others. Who joined later has marks beyond it. */
  function statusAt (seq: number): MessageStatus {
    let lowest: MessageStatus = 'read'
    for (const { userId, deliveredSeq, readSeq } of conversation?.participants ?? []) {
      if (isMe(userId)) continue
      lowest = lowerStatus(lowest, readSeq >= seq ? 'read' : deliveredSeq >= seq ? 'delivered' : 'sent')
    }
    return lowest
  }

  function moveMark ({ messageId, status, userId }: ChatEvents['statusUpdate']): void {
    const seq = timeline.find(messageId)?.seq
    // Beyond what is loaded: it can only be older, and tells nothing about what is shown.
    if (seq === undefined) {
      if (isMe(userId) && status === 'read') void load(false)
      return
    }
    let from = seq
    updateParticipant(userId, (participant) => {
      const { deliveredSeq, readSeq } = participant
      from = Math.min(status === 'read' ? readSeq : deliveredSeq, seq)
      return {
        ...participant,
        deliveredSeq: Math.max(deliveredSeq, seq),
        readSeq: status === 'read' ? Math.max(readSeq, seq) : readSeq
      }
    })
    if (!isMe(userId)) timeline.raise(from, seq, statusAt)
    else if (status === 'read') readSeq = Math.max(readSeq, seq)
  }

  function join ({ userId, displayName, role }: ChatEvents['participantJoined']): void {
    if (isMe(userId)) removed = false
    if (conversation === null || conversation.participants.some((participant) => participant.userId === userId)) return
    const seq = timeline.newestSeq ?? 0
    const joined = { userId, displayName, role, avatar: null, isOnline: false, lastSeen: null, deliveredSeq: seq, readSeq: seq }
    const participants = [...conversation.participants, joined]
    conversation = { ...conversation, participants, participantCount: participants.length }
  }

  function addMessages (...messages: Message[]): void {
    const { oldestSeq } = timeline
    // One from before what is loaded would stand beside a hole; it comes with its page.
    timeline.add(messages, hasOlder && oldestSeq !== null ? oldestSeq : 0)
    const newest = messages.at(-1)
    if (conversation !== null && newest !== undefined && newest.seq >= (conversation.lastMessage?.seq ?? 0)) {
      conversation = { ...conversation, lastMessage: newest }
    }
  }

  /** Doing it twice is as good as once. */
  function handle ([type, data]: StreamEvent): void {
    switch (type) {
      case 'message':
        typists.stop(data.senderId)
        addMessages(data)
        break
      case 'messageUpdated':
      case 'messageDeleted':
        // One that isn't loaded would stand beside a hole.
        if (timeline.find(data.id) !== undefined) addMessages(data)
        break
      case 'statusUpdate': moveMark(data); break
      case 'onlineStatus': {
        const { userId, isOnline, lastSeen } = data
        updateParticipant(userId, (participant) => ({ ...participant, isOnline, lastSeen }))
        break
      }
      case 'participantJoined': join(data); break
      case 'participantUpdated': updateParticipant(data.userId, (participant) => ({ ...participant, role: data.role })); break
      case 'participantLeft':
        if (isMe(data.userId)) removed = true
        typists.stop(data.userId)
        updateParticipant(data.userId, () => null)
        if (conversation !== null) conversation = { ...conversation, participantCount: conversation.participants.length }
    }
  }

  function hear (...event: StreamEvent): void {
    const [type, data] = event
    if (type === 'connected') {
      connections++
      typingLapseMs = data.typingLapseMs || TYPING_LAPSE_MS
      if (!removed) void load(!data.resumed || status !== 'ready') // who is online isn't told again
      void sendPending()
    } else if (type === 'disconnect') {
      typists.clear()
    } else if (type === 'onlineStatus') {
      if (loading.running !== null) loading.heard.push(event)
      handle(event)
    } else if (!('conversationId' in data) || (data.conversationId !== conversationId && !(type === 'reset' && data.conversationId === null))) {
      return
    } else if (type === 'reset') {
      void load(true)
    } else if (type === 'typing') {
      if (!isMe(data.userId)) typists.hear(data, typingLapseMs)
    } else {
      if (loading.running !== null) loading.heard.push(event)
      handle(event)
      // Names and pictures of who came, and ticks that waited for who left, are asked for.
      if (type === 'participantJoined') void load(isMe(data.userId))
      if (type === 'participantLeft' && !isMe(data.userId)) void load(true, false)
    }
    store.changed()
  }

  // what the user sends

  let sending = false
  /** How often the stream has been connected: each time is a reason to try again. */
  let connections = 0

  function setPending (entry: Pending, change: Partial<Pending>): void {
    timeline.pending.set(entry.clientId, { ...entry, ...change })
    store.changed()
  }

  /** One at a time, so that they stand in the order they were written in. */
  async function sendPending (): Promise<void> {
    if (sending) return
    sending = true
    for (;;) {
      const entry = Array.from(timeline.pending.values()).find(({ status }) => status === 'sending')
      if (entry === undefined || signal.aborted) break
      const { clientId, text, type } = entry
      const then = connections
      try {
        const message = await client.sendMessage({ conversationId, text, type, clientId }, { signal })
        timeline.pending.delete(clientId)
        addMessages(message)
        store.changed()
      } catch (thrown) {
        if (signal.aborted) break
        if (!timeline.pending.has(clientId)) continue // it has arrived, as the stream told
        if (thrown instanceof ChatError && isTransient(thrown)) {
          if (connections !== then) continue
          // Without a connection it waits for the next one, which calls again.
          if (me().status === 'connecting' || me().status === 'waiting') break
        }
        setPending(entry, { status: 'failed', error: thrown as Error })
      }
    }
    sending = false
  }

  const stopListening = session.listen(hear)
  const stopFollowing = session.subscribe(followSession)
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
    if (now === 'closed') void sendPending()
  }
  if (before !== 'connecting') void load(true)
  for (const typist of session.typing(conversationId)) typists.hear({ ...typist, isTyping: true }, typingLapseMs)

  function close (): void {
    typing.set(false)
    abort.abort()
    stopListening()
    stopFollowing()
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
      setPending({ clientId, text, type, createdAt: instant(), status: 'sending', error: null }, {})
      void sendPending()
      return clientId
    },
    retry (key) {
      const entry = timeline.pending.get(key)
      if (entry?.status !== 'failed') return
      setPending(entry, { status: 'sending', error: null })
      void sendPending()
    },
    discard (key) {
      const entry = timeline.pending.get(key)
      if (entry?.status === 'failed') timeline.pending.delete(entry.clientId)
      store.changed()
    },
    async edit (messageId, text) {
      addMessages(await client.editMessage(messageId, text, { signal, conversationId }))
      store.changed()
    },
    async remove (messageId) {
      addMessages(await client.deleteMessage(messageId, { signal, conversationId }))
      store.changed()
    },
    loadOlder () {
      const before = timeline.oldestSeq
      if (olderPage !== null) return olderPage
      if (before === null || !hasOlder) return Promise.resolve()
      olderPage = client.listMessages(conversationId, { before, limit: PAGE_SIZE }, { signal }).then((page) => {
        // A reset in the meantime began anew.
        if (timeline.oldestSeq !== before) return
        timeline.add(page.messages)
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
