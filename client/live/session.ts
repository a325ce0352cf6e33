import type { ChatClient } from '../client.js'
import type { ChatEvents, CustomTypes, UserProfile } from '../custom.js'
import { elapsedMs } from '../base/clock.js'
import { createRecent } from '../base/recent.js'
import { ChatError } from '../base/errors.js'
import type { Reconnect, StreamEvent, StreamState, SubscribeOptions, Subscription } from '../options.js'
import { createBlocks } from './blocks.js'
import { createOwnStates, type OwnStates } from './own-states.js'
import { createPeople, type People } from './people.js'
import { createReceipts, type Receipts } from './receipts.js'
import { subscribeShared, type SharedSubscription } from '../tabs/shared-stream.js'
import { createStore, type Store } from './store.js'
import { subjectOf } from '../tabs/subject.js'
import { subscribeToSSE } from '../stream/subscribe.js'
import { tabPlatform, type TabPlatform } from '../tabs/tabs.js'
import { resolveToken } from '../base/token.js'
import type { Typist } from './typists.js'
import { onWake } from '../stream/wake.js'

export interface SessionOptions {
  /**
   * Whether all tabs of the user share one stream, if the browser has Web Locks and BroadcastChannel. With HTTP/1.1, all
   * tabs together have only six connections to a server. Default: true.
   */
  shareTabs?: boolean | TabPlatform | undefined
  /** The user of the session, so that tabs of different users share nothing. Default: the `sub` of the token. */
  userId?: string | undefined
  /** Whether to report messages as delivered when they arrive. Default: true. */
  markDelivered?: boolean | undefined
  /** Called with what a listener threw and with `BAD_EVENT`. The error that ends the session is in its snapshot. */
  onError?: ((error: Error) => void) | undefined
}

export interface SessionSnapshot<T extends CustomTypes = CustomTypes> {
  /** The state of the stream. It is `closed` with an `error` if the stream ended for good; see `reconnect`. */
  status: StreamState
  /** Whether calls are answered: the stream may be open, or seem so, while they are not. */
  reachable: boolean
  /** The user's id, or null until it is known. */
  userId: string | null
  /** The user, or null until they are known. */
  user: UserProfile<T> | null
  /** The ids of the users whom the user blocks; empty until they are known. Fold their messages in groups by it. */
  blocked: ReadonlySet<string>
  /** The next reconnect while the status is `waiting`, else null. */
  reconnect: Reconnect | null
  /** Why the stream ended for good. */
  error: Error | null
}

/** Write its parameters as `(...[type, data, id])`, so that the type of `data` follows from `type`. */
export type SessionListener<T extends CustomTypes = CustomTypes> = (...event: StreamEvent<T>) => void

/** A signed-in user: one stream of all their conversations, which feeds every live state. */
export interface ChatSession<T extends CustomTypes = CustomTypes> extends Store<SessionSnapshot<T>> {
  readonly client: ChatClient<T>
  readonly receipts: Receipts
  /** The user's changes of their own state of conversations. */
  readonly ownStates: OwnStates
  /** The newest names and avatars. */
  readonly people: People
  /** Calls back for every event of the stream, once and in order. @returns a function that ends it */
  listen (listener: SessionListener<T>): () => void
  /** The users who are typing in a conversation. */
  typing (conversationId: string): readonly Typist[]
  /** Reconnects without delay. If the stream ended with an error, opens it again and resumes it. */
  reconnect (): void
  /** Ends the stream and closes every live state. */
  close (): void
  readonly closed: boolean
}

/** The server reports when typing lapses. If that event is lost, typing ends here after this time. */
const TYPING_LIFE_MS = 60_000
/** The most typing users that are kept. */
const TYPISTS = 1000

/** Starts a session: opens the stream of all conversations. Close it when the user signs out. */
export function createSession<T extends CustomTypes> (client: ChatClient<T>, options?: SessionOptions): ChatSession<T>
export function createSession (client: ChatClient, options: SessionOptions = {}): ChatSession {
  const { shareTabs = true, markDelivered = true } = options
  const tabs = shareTabs === true ? tabPlatform() : shareTabs === false ? null : shareTabs
  const listeners = new Set<SessionListener>()
  const receipts = createReceipts(client)
  const ownStates = createOwnStates(client)
  const people = createPeople()
  if (!markDelivered) receipts.delivered = () => {}
  const abort = new AbortController()

  let subscription: Subscription | SharedSubscription | undefined
  let lastEventId: string | null = null
  let userId = options.userId ?? null
  let user: UserProfile | null = null
  let reconnect: Reconnect | null = null
  let error: Error | null = null
  let status: StreamState = 'connecting'
  /** The users who are typing, for live states that are opened later. */
  const typing = createRecent<{ data: ChatEvents['typing'], since: number }>(TYPISTS)
  const keyOf = (conversationId: string, userId: string) => JSON.stringify([conversationId, userId])
  /** Counts openings, so that a call that an earlier one left behind has no effect. */
  let opening = 0

  function report (thrown: unknown): void {
    try {
      options.onError?.(thrown as Error)
    } catch {} // An error of the error handler has nowhere to go
  }

  const store = createStore<SessionSnapshot>(() => ({
    status, reachable: client.reach.ok, userId, user: user && people.name(user), blocked: blocks.users, reconnect, error
  }))
  const blocks = createBlocks(client, abort.signal, store.changed)
  people.follow(store.changed)

  function setStatus (next: StreamState): void {
    status = next
    if (next !== 'waiting') reconnect = null
    store.changed()
  }

  function hear (...event: StreamEvent): void {
    const [type, data] = event
    people.hear(event)
    blocks.hear(event)
    if (type === 'messageStop') client.stops.hear(data)
    if (type === 'reset') receipts.forget(data.conversationId)
    if (type === 'userUpdated' && user?.userId === data.userId) {
      const { displayName, avatar, metadata } = data
      user = { ...user, displayName, avatar, metadata }
      store.changed()
    }
    if (type === 'typing' && data.isTyping) {
      typing.set(keyOf(data.conversationId, data.userId), { data, since: elapsedMs() })
    } else if (type === 'typing') {
      typing.delete(keyOf(data.conversationId, data.userId))
    } else if (type === 'message') {
      typing.delete(keyOf(data.conversationId, data.senderId))
    }
    if (type === 'connected') {
      userId = data.userId
      error = null
      setStatus('connected')
      receipts.retry()
      if (user?.userId !== userId) void introduce()
    } else if (type === 'message' && data.senderId !== userId && leads()) {
      receipts.delivered(data)
    }
    for (const listener of [...listeners]) {
      if (!listeners.has(listener)) continue // An earlier listener removed it
      try {
        listener(...event)
      } catch (thrown) {
        report(thrown)
      }
    }
  }

  /** Whether this tab reports deliveries: only one tab needs to. */
  const leads = () => subscription === undefined || !('leads' in subscription) || subscription.leads

  async function introduce (): Promise<void> {
    try {
      const since = people.mark()
      // The totals are not followed.
      const { userVersion, unreadCount, unreadConversations, unreadMentionCount, ...profile } = await client.me({ signal: abort.signal })
      user = profile
      userId = user.userId
      people.learn(user, since)
      store.changed()
    } catch {} // The next connection tries again
  }

  async function open (): Promise<void> {
    const current = ++opening
    setStatus('connecting')
    error = null
    const shared: SubscribeOptions = {
      ...client.options,
      echo: true,
      lastEventId,
      onEvent: (...event) => hear(...event as StreamEvent),
      onLastEventId: (id) => { lastEventId = id },
      onDisconnect () {
        typing.clear()
        setStatus('connecting')
      },
      onReconnecting (next) {
        reconnect = next
        setStatus('waiting')
        if (userId === null) void introduce()
      },
      onError (thrown) {
        if (subscription?.state !== 'closed') return report(thrown)
        error = thrown
        setStatus('closed')
      }
    }
    let sharer: string | null = null
    if (tabs !== null) sharer = userId ?? subjectOf(await resolveToken(client.options.token).catch(() => ''))
    if (current !== opening || abort.signal.aborted) return
    subscription = tabs === null || sharer === null ? subscribeToSSE(shared) : subscribeShared({ ...shared, userId: sharer, tabs })
  }

  function reopen (): void {
    if (status === 'closed' && !abort.signal.aborted) void open()
  }

  // A sleeping laptop soon uses up its attempts. A user who returns should find the page connecting, not given up.
  const stopFollowing = client.reach.follow(() => {
    if (client.reach.ok) receipts.retry()
    store.changed()
  })
  const stopWaking = onWake(() => { if (error instanceof ChatError && error.code === 'GAVE_UP') reopen() }, client.options.appState)
  client.stops.add({ conversationId: null, isOpen: () => status !== 'closed' })
  void open()

  return {
    client,
    receipts,
    ownStates,
    people,
    subscribe: store.subscribe,
    getSnapshot: store.getSnapshot,
    listen (listener) {
      const entry: SessionListener = (...event) => listener(...event)
      listeners.add(entry)
      return () => { listeners.delete(entry) }
    },
    typing: (conversationId) => [...typing.entries()].map(([, entry]) => entry)
      .filter(({ data, since }) => data.conversationId === conversationId && data.userId !== userId && elapsedMs() - since < TYPING_LIFE_MS)
      .map(({ data: { userId, displayName } }) => people.name({ userId, displayName })),
    reconnect () {
      subscription?.reconnect()
      reopen()
    },
    close () {
      abort.abort()
      opening++
      subscription?.unsubscribe()
      receipts.close()
      stopWaking()
      stopFollowing()
      listeners.clear()
      status = 'closed'
      typing.clear()
      store.changed()
      void Promise.resolve().then(store.close) // Later, so that the live states are notified first
    },
    get closed () { return abort.signal.aborted }
  }
}
