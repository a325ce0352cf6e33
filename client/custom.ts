import type * as conversations from '../schemas/conversations.js'
import type { ChatEvents as Events, EventType } from '../schemas/events.js'
import type * as growing from '../schemas/growing.js'
import type * as messages from '../schemas/messages.js'
import type * as search from '../schemas/search.js'
import type * as users from '../schemas/users.js'

/**
 * The types of your own data, which the service keeps as `metadata`: of messages, conversations and users. What is left out
 * is `Record<string, unknown>`. The client does not check them: they say what your apps write.
 */
export interface CustomTypes {
  message?: object
  conversation?: object
  user?: object
}

type MetadataOf<T extends CustomTypes, K extends keyof CustomTypes> = T extends { [P in K]: infer M extends object } ? M : Record<string, unknown>
type With<Shape, Own> = Omit<Shape, keyof Own> & Own
type Carrying<Shape, T extends CustomTypes, K extends keyof CustomTypes> = With<Shape, { metadata: MetadataOf<T, K> | null }>
type Setting<Shape, T extends CustomTypes, K extends keyof CustomTypes> = With<Shape, { metadata?: MetadataOf<T, K> | null }>

/** A message as events carry it: the same for everybody. */
export type Message<T extends CustomTypes = CustomTypes> = Carrying<messages.Message, T, 'message'>
/** A message as the user sees it. */
export type OwnMessage<T extends CustomTypes = CustomTypes> = Carrying<messages.OwnMessage, T, 'message'>
export type SendMessageBody<T extends CustomTypes = CustomTypes> = Setting<messages.SendMessageBody, T, 'message'>
export type EditMessageBody<T extends CustomTypes = CustomTypes> = Setting<messages.EditMessageBody, T, 'message'>
export type FinishMessageBody<T extends CustomTypes = CustomTypes> = Setting<growing.FinishBody, T, 'message'>
export type MessagePage<T extends CustomTypes = CustomTypes> = With<messages.MessagePage, { messages: OwnMessage<T>[] }>
export type SearchPage<T extends CustomTypes = CustomTypes> =
  With<search.SearchPage, { results: With<search.SearchResult, { message: OwnMessage<T> }>[] }>
export type MentionPage<T extends CustomTypes = CustomTypes> = With<messages.MentionPage, { messages: OwnMessage<T>[] }>

export type Conversation<T extends CustomTypes = CustomTypes> = With<conversations.Conversation, {
  metadata: MetadataOf<T, 'conversation'> | null
  lastMessage: OwnMessage<T> | null
}>
export type ConversationPage<T extends CustomTypes = CustomTypes> = With<conversations.ConversationPage, { conversations: Conversation<T>[] }>

export type UpdateConversationBody<T extends CustomTypes = CustomTypes> = Setting<conversations.UpdateConversationBody, T, 'conversation'>

type ChangeType = 'conversationCreated' | 'conversationUpdated' | 'participantJoined' | 'participantLeft' | 'participantUpdated'
/** A change of a conversation: an event, and the `seq` of the newest message before it. */
export type ConversationChange<T extends CustomTypes = CustomTypes> = {
  [E in ChangeType]: { type: E, data: ChatEvents<T>[E], afterSeq: number }
}[ChangeType]
export type ChangesPage<T extends CustomTypes = CustomTypes> = With<conversations.ChangesPage, { changes: ConversationChange<T>[] }>

/** A user with their metadata. */
export type UserProfile<T extends CustomTypes = CustomTypes> = Carrying<users.UserProfile, T, 'user'>
/** The caller, with what is unread in all their conversations. */
export type OwnProfile<T extends CustomTypes = CustomTypes> = Carrying<users.OwnProfile, T, 'user'>
export type ProfileBody<T extends CustomTypes = CustomTypes> = Setting<users.ProfileBody, T, 'user'>

/** The data of each event, by the event's name. */
export type ChatEvents<T extends CustomTypes = CustomTypes> = {
  [E in EventType]: E extends 'message' | 'messageUpdated' | 'messageDeleted' ? Carrying<Events[E], T, 'message'>
    : E extends 'conversationUpdated' ? Carrying<Events[E], T, 'conversation'>
      : E extends 'userUpdated' ? Carrying<Events[E], T, 'user'> : Events[E]
}
