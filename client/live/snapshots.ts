import type { ConversationListQuery, UpdateOwnStateBody } from '../../schemas/conversations.js'
import type { Conversation, ConversationChange, CustomTypes, EditMessageBody } from '../custom.js'
import type { Draft, SendOptions } from './draft.js'
import type { Store } from './store.js'
import type { ChatMessage } from './timeline.js'
import type { Typist } from './typists.js'

/** What live states show, and what can be done with them. */

/** A line that says what happened to a conversation itself: who came and went, and what was changed by whom. */
export interface ChangeLine<T extends CustomTypes = CustomTypes> {
  /** A stable key for lists. */
  key: string
  change: ConversationChange<T>
  seq: null
}

/** What `messages` hold with `changes: true`; see `isChange`. */
export type ConversationLine<T extends CustomTypes = CustomTypes> = ChatMessage<T> | ChangeLine<T>

export interface ConversationOptions {
  /**
   * Whether `messages` also hold lines about the conversation itself, each behind the message after which it happened. They count as
   * unread for nobody. Default: false.
   */
  changes?: boolean
}

export interface ConversationSnapshot<T extends CustomTypes = CustomTypes, Line = ChatMessage<T>> {
  /** `loading` until there is something to show; `failed` with an `error` if it could not be loaded. */
  status: 'loading' | 'ready' | 'failed'
  error: Error | null
  /** Null until it is loaded. Its participants say who is online and how far each has read. */
  conversation: Conversation<T> | null
  /** The loaded messages in order, followed by the user's own unsent messages. */
  messages: readonly Line[]
  /** Whether there are older messages; see `loadOlder`. */
  hasOlder: boolean
  loadingOlder: boolean
  /** Whether there are newer messages than those that are loaded, which is so after `loadAround` only; see `loadNewer`. */
  hasNewer: boolean
  loadingNewer: boolean
  /** Other users who are typing. */
  typing: readonly Typist[]
  /** Of others behind the read mark, or from `conversation.me.unreadFrom` on. */
  unreadCount: number
  /** Everything up to this `seq` has been read by the user, as far as this device knows. Null until it is loaded. */
  readSeq: number | null
  /** The unread messages that mention the user or everybody. 100 means 100 or more. */
  unreadMentionCount: number
  /** Whether the user has left or was removed. No new events arrive then. */
  removed: boolean
}

/** The live state of one conversation. */
export interface LiveConversation<T extends CustomTypes = CustomTypes, Line = ChatMessage<T>> extends Store<ConversationSnapshot<T, Line>> {
  readonly conversationId: string
  /**
   * Sends a message. It is in the snapshot at once, as `sending`. While the service cannot be reached it waits, and it is
   * never sent twice. Only if the service refuses it or one of its files, it stays in the snapshot as `failed`.
   *
   * @returns the `key` of the message
   */
  send (text: string | Draft<T>, options?: SendOptions<T>): string
  /** Sends a failed message again. */
  retry (key: string): void
  /** Removes a failed message, or one whose files are being uploaded. */
  discard (key: string): void
  /** Changes the user's own message: its text, or what the change names. @throws ChatError */
  edit (messageId: string, change: string | EditMessageBody<T>): Promise<void>
  /**
   * Sets the user's reaction to a message, or takes it back. It is in the snapshot at once, and no longer if the service
   * refuses it. @throws ChatError
   */
  react (messageId: string, emoji: string, on: boolean): Promise<void>
  /** Deletes the user's own message or, as a group's owner or admin, somebody else's. @throws ChatError */
  remove (messageId: string): Promise<void>
  /** Fetches the page before the oldest loaded message. @throws ChatError */
  loadOlder (): Promise<void>
  /** Fetches the page after the newest loaded message. New messages appear again once all are loaded. @throws ChatError */
  loadNewer (): Promise<void>
  /**
   * Loads the messages around a `seq`, in place of those that are loaded, unless it is among them. `reload` goes back to the
   * newest page, and so does sending. @throws ChatError
   */
  loadAround (seq: number): Promise<void>
  /** Fetches the conversation and its newest page again. Never rejects: an error is in the snapshot. */
  reload (): Promise<void>
  /**
   * Changes the user's own state of the conversation: muted, archived, favourite, what notifies, marked as unread. It is in the
   * snapshot at once, and no longer if the service refuses it. @throws ChatError
   */
  updateOwnState (change: UpdateOwnStateBody): Promise<void>
  /**
   * Marks everything up to `seq` as read; by default, up to the newest message. Call it while the user looks at it. Messages that
   * were marked as unread no longer are.
   */
  markRead (seq?: number): void
  /** Call it with `true` on every key that is pressed in the field for a message, and with `false` when the field is left. */
  setTyping (isTyping: boolean): void
  /** Stops following the conversation. Unsent messages are dropped: check for messages whose `seq` is null first. */
  close (): void
}

/** A conversation, with the users who are typing in it. */
export type ListedConversation<T extends CustomTypes = CustomTypes> = Conversation<T> & { typing: readonly Typist[] }

/** Which conversations a list has. Default: all but archived ones. */
export type ConversationFilter = Omit<ConversationListQuery, 'limit' | 'cursor'>

export interface ConversationListSnapshot<T extends CustomTypes = CustomTypes> {
  status: 'loading' | 'ready' | 'failed'
  error: Error | null
  /** The loaded conversations that fit the filter, latest activity first, each with its last message and unread count. */
  conversations: readonly ListedConversation<T>[]
  /** Whether there are more; see `loadMore`. */
  hasMore: boolean
  /** The unread messages of these conversations, except muted ones. */
  unreadCount: number
  /**
   * Those that mention the user or everybody, muted conversations included unless they never notify. Of one conversation, 100 means
   * 100 or more.
   */
  unreadMentionCount: number
}

/** The live list of the user's conversations. */
export interface LiveConversationList<T extends CustomTypes = CustomTypes> extends Store<ConversationListSnapshot<T>> {
  /**
   * Changes the user's own state of a conversation: muted, archived, favourite, what notifies, marked as unread. It is in the
   * snapshot at once, and no longer if the service refuses it. @throws ChatError
   */
  updateOwnState (conversationId: string, change: UpdateOwnStateBody): Promise<void>
  /** Fetches the next page. @throws ChatError */
  loadMore (): Promise<void>
  /** Fetches the list again, beginning with the first page. Never rejects: an error is in the snapshot. */
  reload (): Promise<void>
  /** Stops following the list. */
  close (): void
}
