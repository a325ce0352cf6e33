import type {
  ChangesQuery, ConversationListQuery, CreateConversationBody, OwnStateAnswer, ReadAnswer, Role, UpdateOwnStateBody
} from '../schemas/conversations.js'
import type { AppendAnswer, AppendBody, StopAnswer } from '../schemas/growing.js'
import type {
  HistoryQuery, MentionListQuery, ReactionAnswer, ReactionListQuery, ReactionPage, ReceiptAnswer, ReceiptListQuery, ReceiptPage, RepliesQuery,
  TypingBody
} from '../schemas/messages.js'
import type { SearchQuery } from '../schemas/search.js'
import type { BlockAnswer, BlockList, DirectoryQuery, OnlineStatusAnswer, UserPage } from '../schemas/users.js'
import { queryOf, type Query } from './base/base-url.js'
import { bareEmoji } from './base/emoji.js'
import { createClientId } from './base/client-id.js'
import { elapsedMs } from './base/clock.js'
import { createLanes } from './base/lanes.js'
import type {
  ChangesPage, Conversation, ConversationPage, CustomTypes, EditMessageBody, FinishMessageBody, MentionPage, MessagePage, OwnMessage, OwnProfile,
  ProfileBody, SearchPage, SendMessageBody, UpdateConversationBody, UserProfile
} from './custom.js'
import { createFileCalls, type FileCalls } from './files.js'
import { growMessage, type GrowingMessage, type GrowOptions } from './grow.js'
import type { SubscribeOptions, Subscription } from './options.js'
import { createReach, type Reach } from './base/reach.js'
import { createRequest, type Call, type CallOptions, type RequestOptions } from './base/request.js'
import { createStops, type Stops } from './stops.js'
import { subscribeToSSE } from './stream/subscribe.js'

export interface ChatClientOptions extends RequestOptions, Pick<SubscribeOptions,
  'EventSource' | 'eventSourceHeaders' | 'appState' | 'maxAttempts' | 'backoffBaseMs' | 'backoffCapMs' | 'connectTimeoutMs'> {}

/** Typing that could not be sent within this time is obsolete: the server ends it after 6 s. */
const TYPING_MS = 5000
/** How long a receipt may delay a message. A receipt may arrive late, because watermarks never go back. */
const MARK_MS = 5000

/**
 * The calls of the service. Calls that change one conversation wait for each other, so that they arrive in order. A typing
 * signal that something newer has made obsolete is not sent, and neither is a receipt below the newest one.
 *
 * Each call rejects with a `ChatError`. A call that is safe to repeat is retried if there was no response or the server was
 * busy. Aborting a call's `signal` rejects it with the signal's reason.
 */
export interface ChatClient<T extends CustomTypes = CustomTypes> extends FileCalls {
  /** The options that the client was made with. */
  readonly options: ChatClientOptions
  /** Whether the calls of this client are answered. */
  readonly reach: Reach
  /** Brings `messageStop` events to the growing messages of this client. */
  readonly stops: Stops

  /** The caller, with what is unread in all their conversations. The service creates a new user from the claims of the token. */
  me (options?: CallOptions): Promise<OwnProfile<T>>
  /**
   * Changes the caller's metadata and, where the service has accounts, their name and picture. Elsewhere these two come from
   * the token. @throws ChatError `FORBIDDEN`, `METADATA_TOO_LARGE`
   */
  updateMe (change: ProfileBody<T>, options?: CallOptions): Promise<OwnProfile<T>>
  /** A user who shares a conversation with the caller, or the caller. @throws ChatError `NOT_FOUND` */
  getUser (userId: string, options?: CallOptions): Promise<UserProfile<T>>
  /**
   * Blocks a user: neither of the two can write in their direct conversation, their mentions no longer count, and they no longer see
   * whether the caller is online. @throws ChatError `SELF_CONVERSATION`, `UNKNOWN_USER`, `TOO_MANY_BLOCKS`
   */
  block (userId: string, options?: CallOptions): Promise<BlockAnswer>
  /** Unblocks a user. */
  unblock (userId: string, options?: CallOptions): Promise<BlockAnswer>
  /** The users whom the caller blocks, newest block first. */
  listBlocks (options?: CallOptions): Promise<BlockList>

  /**
   * Sends a message. Repeating the call with the same `clientId` does not send it again; if there is none, the client
   * makes one.
   *
   * @throws ChatError `CLIENT_ID_REUSED` if the id was used for other content, `UNKNOWN_MESSAGE` or `MESSAGE_DELETED` if
   * the message to reply to does not exist, `UNKNOWN_FILE` or `FILE_USED` if a file cannot be attached,
   * `POSTING_RESTRICTED` if the group's settings do not let the caller post, `SLOW_MODE` if
   * the caller has to wait longer than the client retries
   */
  sendMessage (message: SendMessageBody<T>, options?: CallOptions): Promise<OwnMessage<T>>
  /**
   * Changes the caller's own message: its text, or what the change names. A new text without `mentions` keeps who is
   * mentioned, but not where. @throws ChatError `FORBIDDEN`, `MESSAGE_DELETED`
   */
  editMessage (messageId: string, change: string | EditMessageBody<T>, options?: CallOptions): Promise<OwnMessage<T>>
  /**
   * Deletes the caller's own message; in a group, the owner and admins also delete those of others. Resolves to what remains: the
   * same `seq` without a text. @throws ChatError `FORBIDDEN`
   */
  deleteMessage (messageId: string, options?: CallOptions): Promise<OwnMessage<T>>
  /**
   * Sends a message that grows, such as the answer of a language model while it comes: `append` to it, `pipe` a source of text into it,
   * and `finish` it. It says when somebody wants to stop it: by a stream of this client that covers the conversation (of a session, or of
   * `subscribe`), else by one of its own.
   */
  grow (conversationId: string, message?: Omit<SendMessageBody<T>, 'conversationId' | 'growing'>, options?: CallOptions): GrowingMessage<T>
  /**
   * Appends to the caller's own message that grows, at most 20 times a second. Repeating the call changes nothing.
   * @throws ChatError `OFFSET_MISMATCH` with the `length` of the text, `NOT_GROWING`
   */
  appendToMessage (messageId: string, body: AppendBody, options?: CallOptions): Promise<AppendAnswer>
  /** Finishes the caller's own message that grows. @throws ChatError `STILL_GROWING` if it has no text, `NOT_GROWING` */
  finishMessage (messageId: string, body?: FinishMessageBody<T>, options?: CallOptions): Promise<OwnMessage<T>>
  /** Asks the sender of a message that grows to finish it. @throws ChatError `NOT_GROWING` */
  stopMessage (messageId: string, options?: CallOptions): Promise<StopAnswer>
  /** A message of the caller's conversations. @throws ChatError `NOT_FOUND` */
  getMessage (messageId: string, options?: CallOptions): Promise<OwnMessage<T>>
  /** A page of the direct replies to a message, in ascending order, those that were deleted included. */
  listReplies (messageId: string, query?: RepliesQuery, options?: CallOptions): Promise<MessagePage<T>>
  /** Marks a message, and all messages before it, as delivered to the caller or read by them. @throws ChatError `OWN_MESSAGE` */
  setMessageStatus (messageId: string, status: 'delivered' | 'read', options?: CallOptions): Promise<ReceiptAnswer>
  /**
   * A page of the history, in ascending order. Without `before`, `after` and `around`, it is the newest page. With `around`,
   * that `seq` is in the middle, and `hasMoreAfter` says whether there are newer messages.
   */
  listMessages (conversationId: string, query?: HistoryQuery, options?: CallOptions): Promise<MessagePage<T>>

  /**
   * Sets the caller's reaction to a message, or takes it back. Setting it again changes nothing. Calls for one message are
   * made in order; one that a newer call for the same emoji has made obsolete is not sent, and resolves to the newer one's
   * answer. @throws ChatError `UNKNOWN_EMOJI`, `MESSAGE_DELETED`, `TOO_MANY_REACTIONS`
   */
  react (messageId: string, emoji: string, on: boolean, options?: CallOptions): Promise<ReactionAnswer>
  /** A page of the reactions to a message, oldest first: who reacted with what. */
  listReactions (messageId: string, query?: ReactionListQuery, options?: CallOptions): Promise<ReactionPage>
  /**
   * Who of the others has read a message, who has only got it, and who has not, with the times of those marks (at most 5 s late; `at` is
   * null where the time is not known, or is kept no longer). A page holds up to `limit` users (1,000) of the three lists together; `counts` are
   * of all of them.
   */
  receipts (messageId: string, query?: ReceiptListQuery, options?: CallOptions): Promise<ReceiptPage>
  /** A page of the messages that mention the caller or everybody, in all their conversations, newest first. */
  listMentions (query?: MentionListQuery, options?: CallOptions): Promise<MentionPage<T>>

  /** Creates a conversation. A direct conversation that already exists is returned unchanged. */
  createConversation (body: CreateConversationBody, options?: CallOptions): Promise<Conversation<T>>
  /**
   * A page of the caller's conversations, latest activity first. Archived ones are left out unless asked for. A cursor is valid for
   * the same filters only.
   */
  listConversations (query?: ConversationListQuery, options?: CallOptions): Promise<ConversationPage<T>>
  /** A conversation of the caller's. @throws ChatError `NOT_FOUND`, also if the caller is not a participant */
  getConversation (conversationId: string, options?: CallOptions): Promise<Conversation<T>>
  /**
   * Changes how a conversation is shown and who may do what. What the body does not name stays, inside `settings` too. A group's
   * owner and admins may; in a direct conversation both may, but only its metadata.
   * @throws ChatError `FORBIDDEN`, `NOT_A_GROUP`, `METADATA_TOO_LARGE`
   */
  updateConversation (conversationId: string, body: UpdateConversationBody<T>, options?: CallOptions): Promise<Conversation<T>>
  /** Deletes a group with all that belongs to it. Only its owner may. */
  deleteConversation (conversationId: string, options?: CallOptions): Promise<void>
  /**
   * Changes the caller's own state of a conversation, which nobody else sees: muted until an instant or `forever`, archived,
   * favourite, what notifies, marked as unread. What the change does not name stays.
   */
  updateOwnState (conversationId: string, change: UpdateOwnStateBody, options?: CallOptions): Promise<OwnStateAnswer>
  /**
   * A page of what happened to the conversation itself, in ascending order: who joined, who changed the title and the like. Each
   * says after which message it happened. Ignore a `type` that you do not know.
   */
  listChanges (conversationId: string, query?: ChangesQuery, options?: CallOptions): Promise<ChangesPage<T>>
  /** Marks everything up to `seq` as read by the caller. */
  markRead (conversationId: string, seq: number, options?: CallOptions): Promise<ReadAnswer>
  /** Adds participants to a group. Resolves to the group with all of them. */
  addParticipants (conversationId: string, participantIds: string[], options?: CallOptions): Promise<Conversation<T>>
  /** Sets a participant's role in a group. @throws ChatError `FORBIDDEN` */
  setRole (conversationId: string, userId: string, role: Exclude<Role, 'owner'>, options?: CallOptions): Promise<unknown>
  /** Removes a participant from a group. With the caller's own id, the caller leaves it. */
  removeParticipant (conversationId: string, userId: string, options?: CallOptions): Promise<void>

  /**
   * A page of users by the beginning of a word of their name, or of their id: `cafe` finds "Zoë Café". By default they are those who
   * share a conversation with the caller. @throws ChatError `FEATURE_OFF`, `TOO_MANY_REQUESTS`
   */
  findUsers (query: string, page?: Omit<DirectoryQuery, 'query'>, options?: CallOptions): Promise<UserPage>
  /**
   * A page of messages by what they say, newest first, in all conversations of the caller or one. Open a hit with `listMessages` and `around`.
   * @throws ChatError `FEATURE_OFF`
   */
  search (q: string, filter?: Omit<SearchQuery, 'q'>, options?: CallOptions): Promise<SearchPage<T>>
  /** Starts or ends typing. It lapses after 6 s: repeat the call while the user types. */
  setTyping (conversationId: string, isTyping: boolean, options?: CallOptions): Promise<TypingBody>
  /** With `false`, the caller is shown as offline until it is set to `true`. */
  setOnline (isOnline: boolean, options?: CallOptions): Promise<OnlineStatusAnswer>

  /** `subscribeToSSE` with the base URL, token and options of this client. */
  subscribe (options: Omit<SubscribeOptions<T>, 'token'>): Subscription
}

/**
 * Makes a client of the service for one user. It opens no connection until it is used. The type parameter says what your
 * apps write into `metadata`.
 */
export function createChatClient<T extends CustomTypes = CustomTypes> (options: ChatClientOptions): ChatClient<T>
export function createChatClient (options: ChatClientOptions): ChatClient {
  const stops = createStops()
  const reach = createReach()
  const request = createRequest(options, reach)
  const inLane = createLanes()
  const conversation = (id: string) => `/api/chat/conversations/${encodeURIComponent(id)}`
  const participant = (id: string, userId: string) => `${conversation(id)}/participants/${encodeURIComponent(userId)}`
  const message = (id: string) => `/api/chat/messages/${encodeURIComponent(id)}`
  const reaction = (id: string, emoji: string) => `${message(id)}/reactions/${encodeURIComponent(emoji)}`
  const blockOf = (userId: string) => `/api/chat/blocks/${encodeURIComponent(userId)}`
  const laneOf = (conversationId: string) => `conversation ${conversationId}`
  const laneOfMessage = (id: string, call?: CallOptions) =>
    call?.conversationId === undefined ? `message ${id}` : laneOf(call.conversationId)

  const get = <A>(path: string, call: CallOptions | undefined, query: object = {}) =>
    request<A>({ ...call, method: 'GET', path: path + queryOf(query as Query) })
  /** A change waits for its turn in a lane. */
  const change = <A>(lane: string, method: Call['method'], path: string, call: CallOptions | undefined, more: Partial<Call> = {}): Promise<A> =>
    inLane(lane, { signal: call?.signal, run: () => request<A>({ ...call, ...more, method, path }) })

  const client: ChatClient = {
    options,
    ...createFileCalls(options, request),
    reach,
    stops,

    me: (call) => get('/api/chat/me', call),
    updateMe: (body, call) => change('me', 'PATCH', '/api/chat/me', call, { body, idempotent: true }),
    findUsers: (query, { limit, cursor } = {}, call) => get('/api/chat/users', call, { query, limit, cursor }),
    getUser: (id, call) => get(`/api/chat/users/${encodeURIComponent(id)}`, call),

    block: (id, call) => change('blocks', 'PUT', blockOf(id), call),
    unblock: (id, call) => change('blocks', 'DELETE', blockOf(id), call),
    listBlocks: (call) => get('/api/chat/blocks', call),

    sendMessage (message, call) {
      const body = { ...message, clientId: message.clientId ?? createClientId() }
      return inLane(laneOf(body.conversationId), {
        signal: call?.signal,
        overtakes: 'typing', // A message ends the sender's typing
        run: () => request({ ...call, method: 'POST', path: '/api/chat/messages', body, idempotent: true })
      })
    },
    editMessage: (id, edit, call) =>
      change(laneOfMessage(id, call), 'PATCH', message(id), call, { body: typeof edit === 'string' ? { text: edit } : edit }),
    grow: (conversationId, message, call) =>
      growMessage({ text: '', ...message, conversationId }, { client, watch: watchStops(conversationId), call }),
    appendToMessage: (id, body, call) => change(laneOfMessage(id, call), 'POST', `${message(id)}/append`, call, { body, idempotent: true }),
    finishMessage: (id, body = {}, call) => change(laneOfMessage(id, call), 'POST', `${message(id)}/finish`, call, { body, idempotent: true }),
    stopMessage: (id, call) => request({ ...call, method: 'POST', path: `${message(id)}/stop`, idempotent: true }),
    deleteMessage: (id, call) => change(laneOfMessage(id, call), 'DELETE', message(id), call),
    setMessageStatus: (id, status, call) => inLane(laneOfMessage(id, call), {
      signal: call?.signal,
      holdMs: MARK_MS,
      run: () => request({ ...call, method: 'PUT', path: `${message(id)}/status`, body: { status } })
    }),
    getMessage: (id, call) => get(message(id), call),
    listReplies: (id, query, call) => get(`${message(id)}/replies`, call, query),
    listMessages: (id, query, call) => get(`${conversation(id)}/messages`, call, query),

    async react (id, emoji, on, call) {
      const path = reaction(id, emoji)
      const kind = bareEmoji(emoji)
      return await inLane(`reactions ${id}`, {
        signal: call?.signal,
        kind,
        overtakes: kind,
        run: () => request({ ...call, method: on ? 'PUT' : 'DELETE', path })
      })
    },
    listReactions: (id, query, call) => get(`${message(id)}/reactions`, call, query),
    receipts: (id, query, call) => get(`${message(id)}/receipts`, call, query),
    listMentions: (query, call) => get('/api/chat/mentions', call, query),
    search: (q, { conversationId, senderId, after, before, has, limit, cursor } = {}, call) =>
      get('/api/chat/search', call, { q, conversationId, senderId, after, before, has, limit, cursor }),

    createConversation: (body, call) =>
      request({ ...call, method: 'POST', path: '/api/chat/conversations', body, idempotent: body.type === 'direct' }),
    listConversations: (query, call) => get('/api/chat/conversations', call, query),
    getConversation: (id, call) => get(conversation(id), call),
    deleteConversation: (id, call) => change(laneOf(id), 'DELETE', conversation(id), call),
    updateConversation: (id, body, call) => change(laneOf(id), 'PATCH', conversation(id), call, { body, idempotent: true }),
    updateOwnState: (id, body, call) => change(laneOf(id), 'PATCH', `${conversation(id)}/me`, call, { body, idempotent: true }),
    listChanges: (id, query, call) => get(`${conversation(id)}/changes`, call, query),
    markRead: (id, seq, call) => inLane(laneOf(id), {
      signal: call?.signal,
      kind: 'read',
      overtakes: 'read',
      seq,
      holdMs: MARK_MS,
      run: () => request({ ...call, method: 'PUT', path: `${conversation(id)}/read`, body: { seq } })
    }),
    addParticipants: (id, participantIds, call) =>
      change(laneOf(id), 'POST', `${conversation(id)}/participants`, call, { body: { participantIds } }),
    setRole: (id, userId, role, call) => change(laneOf(id), 'PUT', participant(id, userId), call, { body: { role } }),
    removeParticipant: (id, userId, call) => change(laneOf(id), 'DELETE', participant(id, userId), call, { removes: true }),

    setTyping (conversationId, isTyping, call) {
      const asked = elapsedMs()
      const body: TypingBody = { conversationId, isTyping }
      return inLane(laneOf(conversationId), {
        signal: call?.signal,
        kind: 'typing',
        overtakes: 'typing',
        overtaken: body,
        async run () {
          const timeoutMs = TYPING_MS - (elapsedMs() - asked)
          if (timeoutMs <= 0) return body
          // A late typing signal would be wrong, so it is not retried.
          return await request({ ...call, method: 'POST', path: '/api/chat/typing', body, maxRetries: 0, timeoutMs })
        }
      })
    },
    setOnline: (isOnline, call) => inLane('online', {
      signal: call?.signal,
      kind: 'online',
      overtakes: 'online',
      run: () => request({ ...call, method: 'PUT', path: '/api/chat/status/online', body: { isOnline } })
    }),

    subscribe (subscription) {
      const { conversationId = null, onMessageStop } = subscription
      const subscribed = subscribeToSSE({
        ...options,
        ...subscription,
        onMessageStop (event) {
          stops.hear(event)
          return onMessageStop?.call(subscription, event)
        }
      })
      stops.add({ conversationId, isOpen: () => subscribed.state !== 'closed' })
      return subscribed
    }
  }

  /** Where no stream tells of stops in the conversation, opens one for as long as the message grows. */
  const watchStops = (conversationId: string): GrowOptions['watch'] => (message, stop) => {
    const own = stops.covers(conversationId) ? undefined : client.subscribe({ conversationId })
    let unfollow = () => {}
    let ended = false
    message.then(({ id }) => { if (!ended) unfollow = stops.follow(id, stop) }, () => {})
    return () => {
      ended = true
      unfollow()
      own?.unsubscribe()
    }
  }
  return client
}
