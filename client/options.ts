import type { DisconnectReason, EventType } from '../schemas/events.js'
import type { MessageStatus } from '../schemas/messages.js'
import type { AppStateLike, EventSourceConstructor, FetchLike } from './base/platform.js'
import type { TokenSource } from './base/token.js'
import type { ChatEvents, CustomTypes } from './custom.js'

/** How to reach the service, and on whose behalf. */
export interface ServiceOptions {
  /** The user's JWT, or a function that returns one. */
  token: TokenSource
  /**
   * The URL of the service. It may contain a path. Default: `EXPO_PUBLIC_API_URL` if a bundler sets it, else the page's own
   * origin in a browser, else `http://localhost:3000`.
   */
  baseUrl?: string | undefined
  /** The `fetch` for all requests. Default: the global one. */
  fetch?: FetchLike | undefined
}

export interface StreamOptions extends ServiceOptions {
  /** The conversation to follow. Default: all conversations of the user, including new ones. */
  conversationId?: string | undefined
  /** Whether to receive the user's own messages and typing, which another device may send. Default: false. */
  echo?: boolean | undefined
  /** Reads the stream instead of `fetch`, on platforms whose `fetch` cannot stream. */
  EventSource?: EventSourceConstructor | undefined
  /**
   * Whether the `EventSource` accepts `{ headers }`, as react-native-sse does. The token is then sent in a header, instead
   * of a ticket in the URL. Default: false.
   */
  eventSourceHeaders?: boolean | undefined
  /** The number of reconnects in a row, without a `connected` event in between, after which the stream gives up. Default: 10. */
  maxAttempts?: number | undefined
  /** The delay before the n-th reconnect is random, up to base · 2ⁿ⁻¹ and at most the cap. Default: 1,000 ms. */
  backoffBaseMs?: number | undefined
  /** The longest delay before a reconnect. Default: 30,000 ms. */
  backoffCapMs?: number | undefined
  /** How long the token may take, and then the connection until its `connected` event. Default: 30,000 ms. */
  connectTimeoutMs?: number | undefined
  /** React Native's `AppState`. The stream reconnects without delay when the app comes to the foreground. */
  appState?: AppStateLike | undefined
}

/**
 * Why a stream was lost: the reason that the server gave, or `ended` (the server closed it without a reason), `network`
 * (the connection broke) or `silent` (nothing arrived for 2.5 heartbeats).
 */
export type DisconnectCause = DisconnectReason | 'ended' | 'network' | 'silent'

export interface Reconnect {
  /** 1 for the first attempt since the last `connected` event. */
  attempt: number
  /** The delay before this attempt, in milliseconds. */
  delayMs: number
  /** Why the stream was lost. */
  error: Error
}

/** [type, data, id]: one event of a stream as it arrived. The id is null if the event has none. */
export type StreamEvent<T extends CustomTypes = CustomTypes> = { [E in EventType]: [type: E, data: ChatEvents<T>[E], id: string | null] }[EventType]

/** The callback of each event: that of `message` is `onMessage`. Every event of the catalogue has one. */
type EventCallbacks<T extends CustomTypes> = {
  [E in Exclude<EventType, 'statusUpdate' | 'connected' | 'disconnect'> as `on${Capitalize<E>}`]?: (event: ChatEvents<T>[E]) => void
}

/**
 * Called in the order of the stream, once for each event. The subscription is already in its new state, so a callback may
 * call any of its methods. A callback that throws, or whose promise rejects, is reported to `onError`, with no other effect.
 */
export interface StreamCallbacks<T extends CustomTypes = CustomTypes> extends EventCallbacks<T> {
  onMessage? (message: ChatEvents<T>['message']): void
  onStatusUpdate? (messageId: string, status: MessageStatus, event: ChatEvents<T>['statusUpdate']): void
  onTyping? (event: ChatEvents<T>['typing']): void
  onOnlineStatus? (event: ChatEvents<T>['onlineStatus']): void
  /** Called with the edited message. */
  onMessageUpdated? (message: ChatEvents<T>['messageUpdated']): void
  /** Called with what remains of the message: `text` is empty and `deletedAt` is set. */
  onMessageDeleted? (message: ChatEvents<T>['messageDeleted']): void
  /** A growing message has grown. Cut off what you have of `text`, which begins at `offset`; beyond what you have, fetch the message. */
  onMessageAppended? (event: ChatEvents<T>['messageAppended']): void
  /** Somebody asks the user to finish a growing message of theirs. */
  onMessageStop? (event: ChatEvents<T>['messageStop']): void
  /** Somebody reacted to a message or took that back. `reactions` is the whole list as it is now. */
  onReaction? (event: ChatEvents<T>['reaction']): void
  onConversationCreated? (event: ChatEvents<T>['conversationCreated']): void
  /** The conversation has another title, picture, description, metadata or other settings: all of them, and which have `changed`. */
  onConversationUpdated? (event: ChatEvents<T>['conversationUpdated']): void
  onParticipantJoined? (event: ChatEvents<T>['participantJoined']): void
  onParticipantLeft? (event: ChatEvents<T>['participantLeft']): void
  onParticipantUpdated? (event: ChatEvents<T>['participantUpdated']): void
  /** Somebody has another name, picture or metadata. */
  onUserUpdated? (event: ChatEvents<T>['userUpdated']): void
  /** The user blocked somebody, or no longer does, on any device. */
  onBlocked? (event: ChatEvents<T>['blocked']): void
  /** The stream could not resume exactly where it was: fetch the history again. New events follow. */
  onReset? (event: ChatEvents<T>['reset']): void
  /** The stream is open. */
  onConnect? (event: ChatEvents<T>['connected']): void
  /** The stream was lost. It reconnects, unless `onError` follows. */
  onDisconnect? (reason: DisconnectCause): void
  /** The stream waits before the next reconnect. */
  onReconnecting? (reconnect: Reconnect): void
  /**
   * Called with the `ChatError` that ended the subscription, whose state is `closed` then; with a `BAD_EVENT`, after which
   * it continues; or with what a callback threw.
   */
  onError? (error: Error): void
  /** Called for every event before its own callback, including events that only a newer server knows. */
  onEvent? (type: EventType, data: ChatEvents<T>[EventType], id: string | null): void
  /** Called with each new event id. Pass the last one as `lastEventId` to resume there, even after a restart. */
  onLastEventId? (id: string): void
}

export interface SubscribeOptions<T extends CustomTypes = CustomTypes> extends StreamOptions, StreamCallbacks<T> {
  /** The event id to resume after; see `onLastEventId`. Default: only events from now on. */
  lastEventId?: string | null | undefined
  /** Aborting this signal unsubscribes. */
  signal?: AbortSignal | undefined
}

/** `connecting`, `connected`, `waiting` for the next reconnect, or `closed` for good. */
export type StreamState = 'connecting' | 'connected' | 'waiting' | 'closed'

export interface Subscription {
  /** Ends the subscription at once. No callback is called afterwards, and no timer, listener or socket remains. */
  unsubscribe (): void
  /**
   * Reconnects without further delay, unless the server asked for it. This happens by itself when the network returns or
   * the page becomes visible. Has no effect on a stream that is open or closed.
   */
  reconnect (): void
  readonly state: StreamState
  /** The id of the last event that was passed to the callbacks. */
  readonly lastEventId: string | null
}
