import { isoTime } from '../schemas/common.js'
import type { Message, MessageStatus } from '../schemas/messages.js'
import type { Profile } from '../schemas/users.js'
import type { MessageRow } from './rows.js'

/** Renders a message as clients get it. */
export function renderMessage (
  row: Omit<MessageRow, 'conversation' | 'senderSeq' | 'firstTextHash'>, conversationId: string, sender: Profile, status: MessageStatus
): Message {
  return {
    id: row.id,
    messageId: row.id,
    conversationId,
    seq: row.seq,
    clientId: row.clientId,
    senderId: row.senderId,
    text: row.text,
    type: row.type,
    status,
    createdAt: isoTime(row.createdAt),
    editedAt: isoTimeOrNull(row.editedAt),
    deletedAt: isoTimeOrNull(row.deletedAt),
    sender
  }
}

export const profileOf = ({ userId, displayName, avatar }: Profile): Profile => ({ userId, displayName, avatar })

export const isoTimeOrNull = (ms: number | null): string | null => ms === null ? null : isoTime(ms)
