import { isMuted, type ChatEvents, type Conversation } from '../../client/index.js'
import type { Chat } from './chat.js'

/** Whether a message may notify: not in muted conversations, nor of those whom the user blocks, and as the user has chosen for the conversation. */
export async function mayNotify ({ client, list, session, userId }: Chat, message: ChatEvents['message']): Promise<boolean> {
  const { conversationId, senderId, mentions, mentionsAll } = message
  if (session.getSnapshot().blocked.has(senderId)) return false
  // The list has neither archived conversations, nor those of further pages.
  const listed: Conversation | undefined = list.getSnapshot().conversations.find(({ id }) => id === conversationId)
  const { me } = listed ?? await client.getConversation(conversationId)
  return !isMuted(me) && me.notify !== 'none' && (me.notify === 'all' || mentionsAll || mentions.some((mention) => mention.userId === userId))
}
