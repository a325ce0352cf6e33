import type { ChangesQuery, ConversationListQuery, CreateConversationBody, ReadAnswer, Role } from '../schemas/conversations.js'
import type {
  HistoryQuery, MentionListQuery, ReactionAnswer, ReactionListQuery, ReactionPage, ReceiptAnswer, RepliesQuery, TypingBody
} from '../schemas/messages.js'
import type { OnlineStatusAnswer } from '../schemas/users.js'
import { queryOf } from './base/base-url.js'
import { bareEmoji } from './base/emoji.js'
import { createClientId } from './base/client-id.js'
import { elapsedMs } from './base/clock.js'
import { createLanes } from './base/lanes.js'
import type {
  ChangesPage, Conversation, ConversationPage, CustomTypes, EditMessageBody, MentionPage, MessagePage, OwnMessage, ProfileBody, SendMessageBody,
  UpdateConversationBody, UserProfile
} from './custom.js'
import type { SubscribeOptions, Subscription } from './options.js'
import { createRequest, type Call, type CallOptions, type RequestOptions } from './base/request.js'
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
export interface ChatClient<T extends CustomTypes = CustomTypes> {
  /** The options that the client was made with. */
  readonly options: ChatClientOptions

  /** The caller. The service creates a new user from the claims of the token. */
  me (options?: CallOptions): Promise<UserProfile<T>>
  /**
   * Changes the caller's metadata and, where the service has accounts, their name and picture. Elsewhere these two come from
   * the token. @throws ChatError `FORBIDDEN`, `METADATA_TOO_LARGE`
   */
  updateMe (change: ProfileBody<T>, options?: CallOptions): Promise<UserProfile<T>>
  /** A user who shares a conversation with the caller, or the caller. @throws ChatError `NOT_FOUND` */
  getUser (userId: string, options?: CallOptions): Promise<UserProfile<T>>

  /**
   * Sends a message. Repeating the call with the same `clientId` does not send it again; if there is none, the client
   * makes one.
   *
   * @throws ChatError `CLIENT_ID_REUSED` if the id was used for other content, `UNKNOWN_MESSAGE` or `MESSAGE_DELETED` if
   * the message to reply to does not exist, `POSTING_RESTRICTED` if the group's settings do not let the caller post, `SLOW_MODE` if
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
  /** A page of the messages that mention the caller or everybody, in all their conversations, newest first. */
  listMentions (query?: MentionListQuery, options?: CallOptions): Promise<MentionPage<T>>

  /** Creates a conversation. A direct conversation that already exists is returned unchanged. */
  createConversation (body: CreateConversationBody, options?: CallOptions): Promise<Conversation<T>>
  /** A page of the caller's conversations, latest activity first. */
  listConversations (query?: ConversationListQuery, options?: CallOptions): Promise<ConversationPage<T>>
  /** A conversation of the caller's. @throws ChatError `NOT_FOUND`, also if the caller is not a participant */
  getConversation (conversationId: string, options?: CallOptions): Promise<Conversation<T>>
  /**
   * Changes how a conversation is shown and who may do what. What the body does not name stays, inside `settings` too. A group's
   * owner and admins may; in a direct conversation both may, but only its metadata.
   * @throws ChatError `FORBIDDEN`, `NOT_A_GROUP`, `METADATA_TOO_LARGE`
   */
  /** Deletes a group with all that belongs to it. Only its owner may. */
  deleteConversation (conversationId: string, options?: CallOptions): Promise<void>
  updateConversation (conversationId: string, body: UpdateConversationBody<T>, options?: CallOptions): Promise<Conversation<T>>
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
export function createChatClient<T extends CustomTypes = CustomTypes> (options: ChatClientOptions): ChatClient<T> {
  const request = createRequest(options)
  const inLane = createLanes()
  const conversation = (id: string) => `/api/chat/conversations/${encodeURIComponent(id)}`
  const participant = (id: string, userId: string) => `${conversation(id)}/participants/${encodeURIComponent(userId)}`
  const message = (id: string) => `/api/chat/messages/${encodeURIComponent(id)}`
  const reaction = (id: string, emoji: string) => `${message(id)}/reactions/${encodeURIComponent(emoji)}`
  const laneOf = (conversationId: string) => `conversation ${conversationId}`
  const laneOfMessage = (id: string, call?: CallOptions) =>
    call?.conversationId === undefined ? `message ${id}` : laneOf(call.conversationId)

  const change = <A>(lane: string, call: Call): Promise<A> => inLane(lane, { signal: call.signal, run: () => request<A>(call) })

  return {
    options,

    me: (call) => request({ ...call, method: 'GET', path: '/api/chat/me' }),
    updateMe: (body, call) => change('me', { ...call, method: 'PATCH', path: '/api/chat/me', body, idempotent: true }),
    getUser: (id, call) => request({ ...call, method: 'GET', path: `/api/chat/users/${encodeURIComponent(id)}` }),

    sendMessage (message, call) {
      const body = { ...message, clientId: message.clientId ?? createClientId() }
      return inLane(laneOf(body.conversationId), {
        signal: call?.signal,
        overtakes: 'typing', // A message ends the sender's typing
        run: () => request({ ...call, method: 'POST', path: '/api/chat/messages', body, idempotent: true })
      })
    },
    editMessage: (id, edit, call) => change(laneOfMessage(id, call),
      { ...call, method: 'PATCH', path: message(id), body: typeof edit === 'string' ? { text: edit } : edit }),
    deleteMessage: (id, call) => change(laneOfMessage(id, call), { ...call, method: 'DELETE', path: message(id) }),
    setMessageStatus: (id, status, call) => inLane(laneOfMessage(id, call), {
      signal: call?.signal,
      holdMs: MARK_MS,
      run: () => request({ ...call, method: 'PUT', path: `${message(id)}/status`, body: { status } })
    }),
    getMessage: (id, call) => request({ ...call, method: 'GET', path: message(id) }),
    listReplies: (id, { before, after, limit } = {}, call = {}) =>
      request({ ...call, method: 'GET', path: `${message(id)}/replies${queryOf({ before, after, limit })}` }),
    listMessages: (id, { before, after, around, limit } = {}, call = {}) =>
      request({ ...call, method: 'GET', path: `${conversation(id)}/messages${queryOf({ before, after, around, limit })}` }),

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
    listReactions: (id, { emoji, limit, cursor } = {}, call = {}) =>
      request({ ...call, method: 'GET', path: `${message(id)}/reactions${queryOf({ emoji, limit, cursor })}` }),
    listMentions: ({ limit, cursor } = {}, call = {}) =>
      request({ ...call, method: 'GET', path: `/api/chat/mentions${queryOf({ limit, cursor })}` }),

    createConversation: (body, call) =>
      request({ ...call, method: 'POST', path: '/api/chat/conversations', body, idempotent: body.type === 'direct' }),
    listConversations: ({ limit, cursor } = {}, call = {}) =>
      request({ ...call, method: 'GET', path: `/api/chat/conversations${queryOf({ limit, cursor })}` }),
    getConversation: (id, call) => request({ ...call, method: 'GET', path: conversation(id) }),
    deleteConversation: (id, call) => change(laneOf(id), { ...call, method: 'DELETE', path: conversation(id) }),
    updateConversation: (id, body, call) => change(laneOf(id), { ...call, method: 'PATCH', path: conversation(id), body, idempotent: true }),
    listChanges: (id, { from, to, limit, after } = {}, call = {}) =>
      request({ ...call, method: 'GET', path: `${conversation(id)}/changes${queryOf({ from, to, limit, after })}` }),
    markRead: (id, seq, call) => inLane(laneOf(id), {
      signal: call?.signal,
      kind: 'read',
      overtakes: 'read',
      seq,
      holdMs: MARK_MS,
      run: () => request({ ...call, method: 'PUT', path: `${conversation(id)}/read`, body: { seq } })
    }),
    addParticipants: (id, participantIds, call) =>
      change(laneOf(id), { ...call, method: 'POST', path: `${conversation(id)}/participants`, body: { participantIds } }),
    setRole: (id, userId, role, call) =>
      change(laneOf(id), { ...call, method: 'PUT', path: participant(id, userId), body: { role } }),
    removeParticipant: (id, userId, call) =>
      change(laneOf(id), { ...call, method: 'DELETE', path: participant(id, userId), removes: true }),

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

    subscribe: (subscription) => subscribeToSSE({ ...options, ...subscription })
  }
}
