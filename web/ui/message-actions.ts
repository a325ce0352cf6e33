import type { Attachment, ChatMessage, Conversation } from '../../client/index.js'

/** What a user can do with messages. */
export interface MessageActions {
  reply (message: ChatMessage): void
  edit (message: ChatMessage): void
  remove (message: ChatMessage): void
  react (message: ChatMessage, emoji: string, on: boolean): void
  info (message: ChatMessage): void
  discard (message: ChatMessage): void
  /** Asks the sender of a growing message to finish it. */
  stop (message: ChatMessage): void
  /** Shows a picture in full size. */
  show (file: Attachment): void
  /** Shows the message with a `seq`. */
  jump (seq: number): void
}

/** Whether the user may write in a conversation: its settings may say that only admins do, or nobody. */
export function mayPost ({ settings: { posting }, participants }: Pick<Conversation, 'settings' | 'participants'>, userId: string): boolean {
  const role = participants.find((participant) => participant.userId === userId)?.role
  return posting === 'everyone' || (posting === 'admins' && (role === 'owner' || role === 'admin'))
}

/** Whether the user may delete a message: their own, and as a moderator of a group others', but an admin not the owner's. */
export function mayDelete ({ own, senderId }: ChatMessage, { type, participants }: Conversation, userId: string): boolean {
  const roleOf = (id: string) => participants.find((participant) => participant.userId === id)?.role
  const role = roleOf(userId)
  return own || (type === 'group' && (role === 'owner' || (role === 'admin' && roleOf(senderId) !== 'owner')))
}
