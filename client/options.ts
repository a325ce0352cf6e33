import type { ChatEvents, DisconnectReason, EventType } from '../schemas/events.js'
import type { MessageStatus } from '../schemas/messages.js'
import type { AppStateLike, EventSourceConstructor, FetchLike } from './base/platform.js'
import type { TokenSource } from './base/token.js'

/** How to reach the service, and as whom. */
export interface ServiceOptions {
  token: TokenSource
  /**
   * Default: `EXPO_PUBLIC_API_URL` where a bundler sets it, else the page's own origin in a browser, else
   * `http://localhost:3000`. May hold a path.
   */
  baseUrl?: string | undefined
  /** Default: the global one. */
  fetch?: FetchLike | undefined
}

export interface StreamOptions extends ServiceOptions {
  /** Default: all of the user's conversations, new ones included. */
  conversationId?: string | undefined
  /** The user's own messages and typing too, as another device of theirs sends them. Default: false. */
  echo?: boolean | undefined
  /** Read the stream through this instead of `fetch`, where fetch can't stream. */
  EventSource?: EventSourceConstructor | undefined
  /**
   * The `EventSource` takes `{ headers }`, as react-native-sse does: the token goes into a header then, instead of a
   * ticket into the URL. Default: false.
   */
  eventSourceHeaders?: boolean | undefined
  /** Reconnects in a row without a `connected` between before it gives up. Default: 10. */
  maxAttempts?: number | undefined
  /** The wait before the n-th reconnect is random up to base · 2ⁿ⁻¹, but not above the cap. Default: 1,000 ms. */
  backoffBaseMs?: number | undefined
  /** Default: 30,000 ms. */
  backoffCapMs?: number | undefined
  /** A token that hasn't come after this long, and a connection without `connected`, has failed. Default: 30,000 ms. */
  connectTimeoutMs?: number | undefined
  /** React Native's `AppState`: the app coming to the front ends a wait for the next reconnect. */
  appState?: AppStateLike | undefined
}

/** Why a stream was lost: what the server said, or `ended` (closed without a word), `network` (broken), `silent` (2.5 heartbeats without a sign). */
export type DisconnectCause = DisconnectReason | 'ended' | 'network' | 'silent'

export interface Reconnect {
  /** 1 for the first since the last `connected`. */
  attempt: number
  /** When it will be tried, in milliseconds from now. */
  delayMs: number
  /** What went wrong. */
  error: Error
}

/** [type, data, id]: one event of a stream as it came. */
export type StreamEvent = { [T in EventType]: [type: T, data: ChatEvents[T], id: string | null] }[EventType]

/** Each event's callback: `message` has `onMessage`. A new event of the catalogue has one, too. */
type EventCallbacks = {
  [T in Exclude<EventType, 'statusUpdate' | 'connected' | 'disconnect'> as `on${Capitalize<T>}`]?: (event: ChatEvents[T]) => void
}

/**
 * Called in the order of the stream, each event once, when the subscription is in its new state already: each may call any
 * of its methods. One that throws, or whose promise rejects, is reported to `onError` and has no other effect.
 */
export interface StreamCallbacks extends EventCallbacks {
  onMessage? (message: ChatEvents['message']): void
  onStatusUpdate? (messageId: string, status: MessageStatus, event: ChatEvents['statusUpdate']): void
  onTyping? (event: ChatEvents['typing']): void
  onOnlineStatus? (event: ChatEvents['onlineStatus']): void
  /** The message as it is now. */
  onMessageUpdated? (message: ChatEvents['messageUpdated']): void
  /** What is left of the message: `text` is empty, `deletedAt` set. */
  onMessageDeleted? (message: ChatEvents['messageDeleted']): void
  onConversationCreated? (event: ChatEvents['conversationCreated']): void
  onParticipantJoined? (event: ChatEvents['participantJoined']): void
  onParticipantLeft? (event: ChatEvents['participantLeft']): void
  onParticipantUpdated? (event: ChatEvents['participantUpdated']): void
  /** Events between the position asked for and now are not kept any more: fetch the history again, then go on. */
  onReset? (event: ChatEvents['reset']): void
  /** The stream is open. */
  onConnect? (event: ChatEvents['connected']): void
  /** The stream was lost; unless `onError` follows, it comes back by itself. */
  onDisconnect? (reason: DisconnectCause): void
  /** It waits before the next reconnect. */
  onReconnecting? (reconnect: Reconnect): void
  /**
   * A `ChatError` when the subscription ended for good (its state is `closed` then), or `BAD_EVENT`; else what a callback
   * threw.
   */
  onError? (error: Error): void
  /** Every event as it came, before its own callback; events that a newer server may add, too. */
  onEvent? (type: EventType, data: ChatEvents[EventType], id: string | null): void
  /** The stream's position has moved: hand the last one in as `lastEventId` to go on from there, after a restart too. */
  onLastEventId? (id: string): void
}

export interface SubscribeOptions extends StreamOptions, StreamCallbacks {
  /** The position to go on from; see `onLastEventId`. Default: from now on. */
  lastEventId?: string | null | undefined
  /** Aborting is unsubscribing. */
  signal?: AbortSignal | undefined
}

/** `connecting`, `connected`, `waiting` for the next reconnect, or `closed` for good. */
export type StreamState = 'connecting' | 'connected' | 'waiting' | 'closed'

export interface Subscription {
  /** Ends it at once; no callback is called any more, no timer, listener or socket is left. */
  unsubscribe (): void
  /**
   * Doesn't wait any longer for the next reconnect, unless the server asked for that; as it happens by itself when the
   * network is back or somebody looks. Does nothing to a stream that is open, or closed.
   */
  reconnect (): void
  readonly state: StreamState
  /** The position: the id of the last event handed on. */
  readonly lastEventId: string | null
}
