// Only exports: everything that this file names is public.

export { subscribeToSSE } from './stream/subscribe.js'
export type {
  DisconnectCause, Reconnect, ServiceOptions, StreamCallbacks, StreamEvent, StreamOptions, StreamState, SubscribeOptions, Subscription
} from './options.js'

export { createChatClient, type ChatClient, type ChatClientOptions } from './client.js'
export type { GrowingMessage } from './grow.js'
export type { Stops, StopSource } from './stops.js'
export { createAccounts, type Accounts } from './accounts.js'
export type { FileCalls, FileSource, UploadOptions } from './files.js'
export type { CallOptions, RequestOptions } from './base/request.js'
export { createClientId } from './base/client-id.js'
export { mentionsOf, type PlacedMention } from './mentions.js'

export { createSession, type ChatSession, type SessionListener, type SessionOptions, type SessionSnapshot } from './live/session.js'
export { openConversation } from './live/conversation.js'
export { followChanges, isChange } from './live/changes.js'
export { conversationTitle, openConversationList } from './live/conversation-list.js'
export type {
  ChangeLine, ConversationFilter, ConversationLine, ConversationListSnapshot, ConversationOptions, ConversationSnapshot, ListedConversation,
  LiveConversation, LiveConversationList
} from './live/snapshots.js'
export { isMuted, type OwnStates } from './live/own-states.js'
export type { Draft, SendOptions } from './live/draft.js'
export type { PendingUpload } from './live/timeline.js'
export type { ChatMessage } from './live/timeline.js'
export type { Typist } from './live/typists.js'
export type { People } from './live/people.js'
export type { Store } from './live/store.js'
export type { TabPlatform } from './tabs/tabs.js'

export { ChatError, type ClientErrorCode } from './base/errors.js'
export type { Reach } from './base/reach.js'
export type { TokenSource } from './base/token.js'
export type {
  AppStateLike, EventSourceConstructor, EventSourceEvent, EventSourceInit, EventSourceLike, FetchInit, FetchLike, FetchResponse
} from './base/platform.js'

export type { ErrorCode } from '../schemas/errors.js'
export type {
  ChangesPage, ChatEvents, Conversation, ConversationChange, ConversationPage, CustomTypes, EditMessageBody, FinishMessageBody, MentionPage,
  Message, MessagePage, OwnMessage, OwnProfile, ProfileBody, SearchPage, SendMessageBody, UpdateConversationBody, UserProfile
} from './custom.js'
export type { DisconnectReason, EventType, ResetReason } from '../schemas/events.js'
export type { AppendAnswer, AppendBody, StopAnswer } from '../schemas/growing.js'
export type { Attachment, FileUrl, UploadedFile } from '../schemas/files.js'
export type {
  Mention, MentionInput, MessageStatus, Quote, ReactionAnswer, ReactionCount, ReactionPage, ReceiptPage
} from '../schemas/messages.js'
export type {
  ConversationListQuery, ConversationSettings, ConversationType, CreateConversationBody, OwnState, OwnStateAnswer, Participant, Role,
  UpdateOwnStateBody
} from '../schemas/conversations.js'
export type { SearchQuery } from '../schemas/search.js'
export type { BlockAnswer, BlockList, DirectoryQuery, LoginAnswer, Profile, User, UserPage } from '../schemas/users.js'
