import type { Conversation, Participant } from '../../schemas/conversations.js'
import type { Message, MessageStatus } from '../../schemas/messages.js'
import type { StreamEvent } from '../options.js'

const rank = { sent: 0, delivered: 1, read: 2 } as const satisfies Record<MessageStatus, number>

export const higherStatus = (a: MessageStatus, b: MessageStatus): MessageStatus => rank[a] >= rank[b] ? a : b
const lowerStatus = (a: MessageStatus, b: MessageStatus): MessageStatus => rank[a] <= rank[b] ? a : b

/** A message that was heard of, over what is known of it. Deleting is final, and a status never goes back. */
export function laterMessage (known: Message, heard: Message): Message {
  const later = known.deletedAt !== null && heard.deletedAt === null ? known : heard
  const status = higherStatus(known.status, heard.status)
  return later.status === status ? later : { ...later, status }
}

/** The lowest status of a message of the user's over the others. Who joined later has marks beyond it. */
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
 * What an event changes about who takes part, who is online and how far they have got; the same object where nothing.
 * Doing it twice is as good as once. `seqOf` knows the messages that are loaded.
 */
export function reduce (
  conversation: Conversation,
  [type, data]: StreamEvent,
  seqOf: (messageId: string) => number | undefined
): Conversation {
  switch (type) {
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
    case 'participantUpdated':
      return change(conversation, data.userId, (participant) => ({ ...participant, role: data.role }))
    case 'participantLeft':
      return change(conversation, data.userId, () => null)
    case 'participantJoined': {
      const { userId, displayName, role } = data
      const { participants, participantCount, lastMessage } = conversation
      if (participants.some((participant) => participant.userId === userId)) return conversation
      const seq = lastMessage?.seq ?? 0
      const joined = { userId, displayName, role, avatar: null, isOnline: false, lastSeen: null, deliveredSeq: seq, readSeq: seq }
      return { ...conversation, participants: [...participants, joined], participantCount: participantCount + 1 }
    }
  }
  return conversation
}
