import type { SearchPage, SearchQuery } from '../schemas/search.js'
import type { Acting } from './actor.js'
import type { Files } from './files.js'
import type { MessageOperations } from './operations/messages.js'

type Operation = Exclude<keyof MessageOperations, 'ensureUser' | 'assertUser'> | 'search'
type FileOperation = 'upload' | 'delete' | 'open' | 'read' | 'links'

/** These methods, without their first parameter. */
type Bound<T, Names extends keyof T> = {
  [Name in Names]: T[Name] extends (acting: never, ...rest: infer Rest) => infer Result ? (...rest: Rest) => Result : never
}

/** What of `app.chat` can be bound. */
type BindableChat = MessageOperations & { readonly files: Files, search (userId: string, query: SearchQuery): Promise<SearchPage> }

/** The operations of `app.chat` as one user calls them. */
export type BoundChat = Bound<BindableChat, Operation> & { readonly files: Bound<Files, FileOperation> }

const operations: Record<Operation, true> = {
  me: true,
  user: true,
  changeProfile: true,
  searchUsers: true,
  setOnline: true,
  block: true,
  blocks: true,
  createConversation: true,
  conversation: true,
  conversations: true,
  updateOwnState: true,
  updateConversation: true,
  deleteConversation: true,
  changes: true,
  addParticipants: true,
  changeRole: true,
  removeParticipant: true,
  sendMessage: true,
  editMessage: true,
  appendToMessage: true,
  finishMessage: true,
  stopMessage: true,
  deleteMessage: true,
  message: true,
  messages: true,
  replies: true,
  react: true,
  reactions: true,
  mentions: true,
  markMessage: true,
  receipts: true,
  markRead: true,
  setTyping: true,
  search: true
}
const fileOperations: Record<FileOperation, true> = { upload: true, delete: true, open: true, read: true, links: true }

type Method = (acting: Acting, ...rest: unknown[]) => unknown

function bound<T extends object, Names extends keyof T> (of: T, names: Record<Names, true>, userId: string): Bound<T, Names> {
  return Object.fromEntries(Object.keys(names).map(name =>
    [name, (...rest: unknown[]) => (of[name as Names] as Method).call(of, userId, ...rest)])) as Bound<T, Names>
}

export function boundChat (chat: BindableChat, userId: string): BoundChat {
  const all = bound<BindableChat, Operation>(chat, operations, userId)
  return Object.defineProperty(all, 'files', { get: () => bound(chat.files, fileOperations, userId), enumerable: true }) as BoundChat
}
