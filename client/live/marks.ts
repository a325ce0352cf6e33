import type { Participant } from '../../schemas/conversations.js'
import type { MessageStatus } from '../../schemas/messages.js'
import type { Conversation, OwnMessage } from '../custom.js'
import type { StreamEvent } from '../options.js'
import { isMuted } from './own-states.js'

const rank = { sent: 0, delivered: 1, read: 2 } as const satisfies Record<MessageStatus, number>

export const higherStatus = (a: MessageStatus, b: MessageStatus): MessageStatus => rank[a] >= rank[b] ? a : b
const lowerStatus = (a: MessageStatus, b: MessageStatus): MessageStatus => rank[a] <= rank[b] ? a : b

/** Merges a message that arrived into the one that is known. A deletion is final, and a status never goes back. */
export function laterMessage (known: OwnMessage, heard: OwnMessage): OwnMessage {
  const later = known.deletedAt !== null && heard.deletedAt === null ? known : heard
  const status = higherStatus(known.status, heard.status)
  return later.status === status ? later : { ...later, status }
}

/**
 * The status of one of the user's own messages: the lowest over all other participants. The watermarks of a participant who
 * joined later are beyond it.
 */
export function statusAt ({ participants }: Conversation, seq: number, userId: string | null): MessageStatus {
  let lowest: MessageStatus = 'read'
  for (const { userId: other, deliveredSeq, readSeq } of participants) {
    if (other === userId) continue
    lowest = lowerStatus(lowest, readSeq >= seq ? 'read' : deliveredSeq >= seq ? 'delivered' : 'sent')
  }
  return lowest
}

function change (conversation: Conversation, userId: string, change: (participant: Participant) => Participant | null): Conversation {
  if (!conversation.participants.some((participant) => participant.userId === userId)) return conversation
  const participants = conversation.participants.flatMap((participant) => participant.userId === userId ? change(participant) ?? [] : participant)
  const participantCount = conversation.participantCount + participants.length - conversation.participants.length
  return { ...conversation, participants, participantCount }
}

/**
 * Applies an event to a conversation: how it is shown, its settings, the user's own state, its participants, who is online, and their
 * watermarks. Returns
 * the same object if nothing changes. Applying an event again has no effect. `seqOf` finds the loaded messages.
 */
export function reduce (
  conversation: Conversation,
  [type, data]: StreamEvent,
  seqOf: (messageId: string) => number | undefined
): Conversation {
  switch (type) {
    case 'conversationUpdated': {
      const { title, avatar, description, metadata, settings } = data
      return { ...conversation, title, avatar, description, metadata, settings }
    }
    case 'message':
      // A new message brings an unmuted conversation back out of the archive. The service tells no event for that.
      if (!conversation.me.archived || isMuted(conversation.me) || data.seq <= (conversation.lastMessage?.seq ?? 0)) return conversation
      return { ...conversation, me: { ...conversation.me, archived: false } }
    case 'conversationState': {
      const { conversationId, unreadCount, unreadMentionCount, userVersion, timestamp, ...me } = data
      return { ...conversation, me }
    }
    case 'statusUpdate': {
      const seq = seqOf(data.messageId)
      if (seq === undefined) return conversation
      return change(conversation, data.userId, (participant) => ({
        ...participant,
        deliveredSeq: Math.max(participant.deliveredSeq, seq),
        readSeq: data.status === 'read' ? Math.max(participant.readSeq, seq) : participant.readSeq
      }))
    }
    case 'onlineStatus':
      return change(conversation, data.userId, (participant) => ({ ...participant, isOnline: data.isOnline, lastSeen: data.lastSeen }))
    case 'userUpdated':
      return change(conversation, data.userId, (participant) => ({ ...participant, displayName: data.displayName, avatar: data.avatar }))
    case 'participantUpdated':
      return change(conversation, data.userId, (participant) => ({ ...participant, role: data.role }))
    case 'participantLeft':
      return change(conversation, data.userId, () => null)
    case 'participantJoined': {
      const { userId, displayName, role } = data
      const { participants, participantCount, lastMessage } = conversation
      if (participants.some((participant) => participant.userId === userId)) return conversation
      const seq = lastMessage?.seq ?? 0
      const joined = { userId, displayName, role, avatar: null, isBot: false, isOnline: false, lastSeen: null, deliveredSeq: seq, readSeq: seq }
      return { ...conversation, participants: [...participants, joined], participantCount: participantCount + 1 }
    }
  }
  return conversation
}
