import { chatError } from '../errors.js'
import type { ReadAnswer } from '../schemas/conversations.js'
import type { ReceiptAnswer, ReceiptStatus } from '../schemas/messages.js'
import type { MessageRow, ParticipantRow, Unit } from '../store/unit.js'
import type { Command } from '../store/writer.js'
import { logEvent } from './events.js'
import { clearUnreadMark } from './own-state.js'

/** Moves the caller's watermark up to a message, and so past all messages before it. Announces one `statusUpdate` if it moved. */
export function markMessage (messageId: string, userId: string, status: ReceiptStatus): Command<ReceiptAnswer> {
  return {
    needs (keys) {
      keys.messageWithReader(messageId, userId)
    },
    apply (unit) {
      const message = unit.message(messageId)
      if (message === undefined) throw chatError('NOT_FOUND')
      const conversationId = message.conversation.id
      const reader = unit.participant(conversationId, userId)
      if (reader === undefined) throw chatError('NOT_FOUND')
      if (message.senderId === userId) throw chatError('OWN_MESSAGE')
      const changed = moveMark(unit, reader, status, message.seq)
      if (changed) tellReceipt(unit, reader, status, message)
      if (status === 'read') clearUnreadMark(unit, conversationId, userId)
      return { messageId, conversationId, status: reader.readSeq >= message.seq ? 'read' : 'delivered', changed }
    }
  }
}

/** Marks everything up to a `seq` as read. A `seq` past the end means the end. */
export function markRead (conversationId: string, userId: string, seq: number): Command<ReadAnswer> {
  return {
    needs (keys) {
      keys.reader(conversationId, userId)
      keys.lastOfOthersUpTo(conversationId, userId, seq)
    },
    apply (unit) {
      const reader = unit.participant(conversationId, userId)
      if (reader === undefined) throw chatError('NOT_FOUND')
      const before = reader.readSeq
      const changed = moveMark(unit, reader, 'read', Math.min(seq, reader.conversation.messageSeq))
      const last = changed ? unit.lastOfOthersUpTo(conversationId, userId, seq) : undefined
      // Past the reader's own messages the watermark moves silently: no status changes.
      if (last !== undefined && last.seq > before) tellReceipt(unit, reader, 'read', last)
      clearUnreadMark(unit, conversationId, userId)
      return { conversationId, seq: reader.readSeq, changed }
    }
  }
}

function moveMark (unit: Unit, reader: ParticipantRow, status: ReceiptStatus, seq: number): boolean {
  if (seq <= (status === 'read' ? reader.readSeq : reader.deliveredSeq)) return false
  unit.moveMark(reader, status, seq)
  return true
}

function tellReceipt (unit: Unit, reader: ParticipantRow, status: ReceiptStatus, message: MessageRow): void {
  const { conversation, userId } = reader
  logEvent(unit, conversation, 'statusUpdate', { userId, message, detail: status })
}
