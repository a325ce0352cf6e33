// Public exports only.

export { subscribeToSSE } from './subscribe.js'
export type {
  DisconnectCause, Reconnect, ServiceOptions, StreamCallbacks, StreamEvent, StreamOptions, StreamState, SubscribeOptions, Subscription
} from './options.js'

export { createChatClient, type ChatClient, type ChatClientOptions } from './client.js'
export { createAccounts, type Accounts } from './accounts.js'
export type { CallOptions, RequestOptions } from './request.js'
export { createClientId } from './client-id.js'

export { createSession, type ChatSession, type SessionListener, type SessionOptions, type SessionSnapshot } from './session.js'
export { openConversation, type ConversationSnapshot, type LiveConversation } from './conversation.js'
export {
  conversationTitle, openConversationList, type ConversationListSnapshot, type ListedConversation, type LiveConversationList
} from './conversation-list.js'
export type { ChatMessage } from './timeline.js'
export type { Typist } from './typists.js'
export type { Store } from './store.js'
export type { TabPlatform } from './tabs.js'

export { ChatError, type ClientErrorCode } from './errors.js'
export type { TokenSource } from './token.js'
export type {
  AppStateLike, EventSourceConstructor, EventSourceEvent, EventSourceInit, EventSourceLike, FetchInit, FetchLike, FetchResponse
} from './platform.js'

export type { ErrorCode } from '../schemas/errors.js'
export type { ChatEvents, DisconnectReason, EventType, ResetReason } from '../schemas/events.js'
export type { Message, MessagePage, MessageStatus, SendMessageBody } from '../schemas/messages.js'
export type {
  Conversation, ConversationPage, ConversationType, CreateConversationBody, Participant, Role
} from '../schemas/conversations.js'
export type { Profile, Session, User } from '../schemas/users.js'
