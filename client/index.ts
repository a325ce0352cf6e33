// Only exports: everything that this file names is public.

export { subscribeToSSE } from './stream/subscribe.js'
export type {
  DisconnectCause, Reconnect, ServiceOptions, StreamCallbacks, StreamEvent, StreamOptions, StreamState, SubscribeOptions, Subscription
} from './options.js'

export { createChatClient, type ChatClient, type ChatClientOptions } from './client.js'
export { createAccounts, type Accounts } from './accounts.js'
export type { CallOptions, RequestOptions } from './base/request.js'
export { createClientId } from './base/client-id.js'
export { mentionsOf, type PlacedMention } from './mentions.js'

export { createSession, type ChatSession, type SessionListener, type SessionOptions, type SessionSnapshot } from './live/session.js'
export { openConversation, type ConversationSnapshot, type LiveConversation, type SendOptions } from './live/conversation.js'
export {
  conversationTitle, openConversationList, type ConversationListSnapshot, type ListedConversation, type LiveConversationList
} from './live/conversation-list.js'
export type { ChatMessage } from './live/timeline.js'
export type { Typist } from './live/typists.js'
export type { People } from './live/people.js'
export type { Store } from './live/store.js'
export type { TabPlatform } from './tabs/tabs.js'

export { ChatError, type ClientErrorCode } from './base/errors.js'
export type { TokenSource } from './base/token.js'
export type {
  AppStateLike, EventSourceConstructor, EventSourceEvent, EventSourceInit, EventSourceLike, FetchInit, FetchLike, FetchResponse
} from './base/platform.js'

export type { ErrorCode } from '../schemas/errors.js'
export type {
  ChangesPage, ChatEvents, Conversation, ConversationChange, ConversationPage, CustomTypes, EditMessageBody, MentionPage, Message, MessagePage,
  OwnMessage, ProfileBody, SendMessageBody, UpdateConversationBody, UserProfile
} from './custom.js'
export type { DisconnectReason, EventType, ResetReason } from '../schemas/events.js'
export type {
  Attachment, Mention, MentionInput, MessageStatus, Quote, ReactionAnswer, ReactionCount, ReactionPage
} from '../schemas/messages.js'
export type { ConversationSettings, ConversationType, CreateConversationBody, Participant, Role } from '../schemas/conversations.js'
export type { Profile, Session, User } from '../schemas/users.js'
