import type { Conversation } from '../../schemas/conversations.js'
import type { Message } from '../../schemas/messages.js'
import { chatError } from '../../errors.js'
import type { Queries } from '../../store/queries.js'

/** A conversation without what differs by caller. */
export interface SharedConversation extends Omit<Conversation, 'me' | 'unreadCount' | 'unreadMentionCount' | 'lastMessage'> {
  lastMessage: Message | null
}

/** @throws NOT_FOUND */
export async function conversationOf (queries: Queries, conversationId: string, userId: string): Promise<SharedConversation> {
  const conversation = await queries.conversation(conversationId, userId)
  if (conversation === undefined) throw chatError('NOT_FOUND')
  const { me, unreadCount, unreadMentionCount, lastMessage, ...shared } = conversation
  if (lastMessage === null) return { ...shared, lastMessage }
  const { myReactions, ...message } = lastMessage
  return { ...shared, lastMessage: message }
}
