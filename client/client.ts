import type {
  Conversation, ConversationListQuery, ConversationPage, CreateConversationBody, ReadAnswer, Role
} from '../schemas/conversations.js'
import type {
  HistoryQuery, Message, MessagePage, ReceiptAnswer, SendMessageBody, TypingBody
} from '../schemas/messages.js'
import type { OnlineStatusAnswer, User } from '../schemas/users.js'
import { queryOf } from './base/base-url.js'
import { createClientId } from './base/client-id.js'
import { elapsedMs } from './base/clock.js'
import { createLanes } from './base/lanes.js'
import type { SubscribeOptions, Subscription } from './options.js'
import { createRequest, type Call, type CallOptions, type RequestOptions } from './base/request.js'
import { subscribeToSSE } from './stream/subscribe.js'

export interface ChatClientOptions extends RequestOptions, Pick<SubscribeOptions,
  'EventSource' | 'eventSourceHeaders' | 'appState' | 'maxAttempts' | 'backoffBaseMs' | 'backoffCapMs' | 'connectTimeoutMs'> {}

/** Typing that wasn't told within this long is outdated: it lapses after 6 s. */
const TYPING_MS = 5000
/** A mark may keep a message waiting for this long. It may be late, since marks never go back. */
const MARK_MS = 5000

/**
 * The service's calls. What is changed in one conversation arrives in the order of the calls, which wait for each other:
 * typing that something newer has outdated isn't sent, nor a mark behind the newest. Each rejects with a `ChatError`; those that may safely be repeated are, when no answer came or the
 * server was busy. Aborting a call's `signal` rejects it with the signal's reason.
 */
export interface ChatClient {
  /** What the client was made with. */
  readonly options: ChatClientOptions

  /** The caller; made from the token's claims where new. */
  me (options?: CallOptions): Promise<User>

  /**
   * Sends a message; repeating it with the same `clientId` sends nothing more. Without one, it gets one of its own.
   *
   * @throws `CLIENT_ID_REUSED` when the id was used for another text
   */
  sendMessage (message: SendMessageBody, options?: CallOptions): Promise<Message>
  /** @throws `FORBIDDEN` for somebody else's, `MESSAGE_DELETED` */
  editMessage (messageId: string, text: string, options?: CallOptions): Promise<Message>
  /** Resolves to what is left: same place and `seq`, no text. */
  deleteMessage (messageId: string, options?: CallOptions): Promise<Message>
  /** Marks a message, and all before it, as delivered to or read by the caller. @throws `OWN_MESSAGE` */
  setMessageStatus (messageId: string, status: 'delivered' | 'read', options?: CallOptions): Promise<ReceiptAnswer>
  /** A page of the history, ascending; the newest one when neither `before` nor `after` is given. */
  listMessages (conversationId: string, query?: HistoryQuery, options?: CallOptions): Promise<MessagePage>

  /** A direct conversation that exists already is answered as it is. */
  createConversation (body: CreateConversationBody, options?: CallOptions): Promise<Conversation>
  /** The caller's, latest activity first. */
  listConversations (query?: ConversationListQuery, options?: CallOptions): Promise<ConversationPage>
  getConversation (conversationId: string, options?: CallOptions): Promise<Conversation>
  /** Everything up to `seq` is read by the caller. */
  markRead (conversationId: string, seq: number, options?: CallOptions): Promise<ReadAnswer>
  addParticipants (conversationId: string, participantIds: string[], options?: CallOptions): Promise<Conversation>
  setRole (conversationId: string, userId: string, role: Exclude<Role, 'owner'>, options?: CallOptions): Promise<unknown>
  /** Removes a participant, or with the caller's own id leaves. */
  removeParticipant (conversationId: string, userId: string, options?: CallOptions): Promise<void>

  /** Lapses after 6 s: repeat it while typing goes on. */
  setTyping (conversationId: string, isTyping: boolean, options?: CallOptions): Promise<TypingBody>
  /** `false` hides the caller until `true`. */
  setOnline (isOnline: boolean, options?: CallOptions): Promise<OnlineStatusAnswer>

  /** `subscribeToSSE` with this client's service and token. */
  subscribe (options: Omit<SubscribeOptions, 'token'>): Subscription
}

export function createChatClient (options: ChatClientOptions): ChatClient {
  const request = createRequest(options)
  const inLane = createLanes()
  const conversation = (id: string) => `/api/chat/conversations/${encodeURIComponent(id)}`
  const participant = (id: string, userId: string) => `${conversation(id)}/participants/${encodeURIComponent(userId)}`
  const message = (id: string) => `/api/chat/messages/${encodeURIComponent(id)}`
  const laneOf = (conversationId: string) => `conversation ${conversationId}`
  const laneOfMessage = (id: string, call?: CallOptions) =>
    call?.conversationId === undefined ? `message ${id}` : laneOf(call.conversationId)

  const change = <T>(lane: string, call: Call): Promise<T> => inLane(lane, { signal: call.signal, run: () => request<T>(call) })

  return {
    options,

    me: (call) => request({ ...call, method: 'GET', path: '/api/chat/me' }),

    sendMessage (message, call) {
      const body = { ...message, clientId: message.clientId ?? createClientId() }
      return inLane(laneOf(body.conversationId), {
        signal: call?.signal,
        overtakes: 'typing', // which the message ends
        run: () => request({ ...call, method: 'POST', path: '/api/chat/messages', body, idempotent: true })
      })
    },
    editMessage: (id, text, call) => change(laneOfMessage(id, call), { ...call, method: 'PATCH', path: message(id), body: { text } }),
    deleteMessage: (id, call) => change(laneOfMessage(id, call), { ...call, method: 'DELETE', path: message(id) }),
    setMessageStatus: (id, status, call) => inLane(laneOfMessage(id, call), {
      signal: call?.signal,
      holdMs: MARK_MS,
      run: () => request({ ...call, method: 'PUT', path: `${message(id)}/status`, body: { status } })
    }),
    listMessages: (id, { before, after, limit } = {}, call = {}) =>
      request({ ...call, method: 'GET', path: `${conversation(id)}/messages${queryOf({ before, after, limit })}` }),

    createConversation: (body, call) =>
      request({ ...call, method: 'POST', path: '/api/chat/conversations', body, idempotent: body.type === 'direct' }),
    listConversations: ({ limit, cursor } = {}, call = {}) =>
      request({ ...call, method: 'GET', path: `/api/chat/conversations${queryOf({ limit, cursor })}` }),
    getConversation: (id, call) => request({ ...call, method: 'GET', path: conversation(id) }),
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
      change(laneOf(id), { ...call, method: 'DELETE', path: participant(id, userId) }),

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
          // Late, it would be wrong.
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
