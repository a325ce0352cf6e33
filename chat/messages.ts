import { createHash } from 'node:crypto'
import { chatError } from '../errors.js'
import type { Message } from '../schemas/messages.js'
import { statusOf } from '../schemas/status.js'
import { profileOf, renderMessage } from '../store/rendering.js'
import type { MessageRow, ParticipantRow, Unit } from '../store/unit.js'
import type { Command } from '../store/writer.js'
import { logEvent } from './events.js'
import { timeOrderedId } from './ids.js'
import { endTyping } from './typing.js'

const hashOf = (text: string): string => createHash('sha256').update(text).digest('base64')

export interface NewMessage {
  conversationId: string
  userId: string
  text: string
  type: string
  clientId: string | null
}

/**
 * Saves a message and announces it to all participants except its sender. Ends the sender's typing.
 * @returns the message, or the id of the message that this `clientId` was used for before
 */
export function sendMessage ({ conversationId, userId, text, type, clientId }: NewMessage): Command<{ sent: Message } | { repeats: string }> {
  const id = timeOrderedId()
  return {
    needs (keys) {
      keys.participant(conversationId, userId)
      if (clientId !== null) keys.clientId(conversationId, userId, clientId)
    },
    apply (unit) {
      const sender = unit.participant(conversationId, userId)
      if (sender === undefined) throw chatError('NOT_FOUND')
      if (clientId !== null) {
        const earlier = unit.messageByClientId(conversationId, userId, clientId)
        if (earlier !== undefined) {
          const same = earlier.firstTextHash === null ? earlier.text === text : earlier.firstTextHash === hashOf(text)
          if (!same) throw chatError('CLIENT_ID_REUSED')
          return { repeats: earlier.id }
        }
      }
      endTyping(unit, sender)
      const row = unit.addMessage(sender, { id, clientId, text, type })
      const message = renderMessage(row, conversationId, profileOf(sender), 'sent')
      logEvent(unit, sender.conversation, 'message', { userId, message })
      return { sent: message }
    }
  }
}

/** Changes the text of a message and announces it to all participants. The same text again changes nothing. */
export function editMessage (messageId: string, userId: string, text: string): Command<Message> {
  return ofSender(messageId, userId, (unit, message, participants) => {
    if (message.deletedAt !== null) throw chatError('MESSAGE_DELETED')
    if (message.text === text) return
    const editedAt = changeInstant(unit, message)
    unit.changeMessage(message, { text, editedAt, firstTextHash: message.firstTextHash ?? hashOf(message.text) })
    tellChange(unit, 'messageUpdated', message, userId, participants, editedAt)
  })
}

/** Turns a message into a tombstone: it keeps its place and `seq`, but not its text. A second call changes nothing. */
export function deleteMessage (messageId: string, userId: string): Command<Message> {
  return ofSender(messageId, userId, (unit, message, participants) => {
    if (message.deletedAt !== null) return
    const deletedAt = changeInstant(unit, message)
    unit.changeMessage(message, { text: '', deletedAt, firstTextHash: message.firstTextHash ?? hashOf(message.text) })
    tellChange(unit, 'messageDeleted', message, userId, participants, deletedAt)
  })
}

function ofSender (messageId: string, userId: string,
  change: (unit: Unit, message: MessageRow, participants: ParticipantRow[]) => void): Command<Message> {
  return {
    needs (keys) {
      keys.messageWithCrowd(messageId, userId)
      keys.former(messageId)
    },
    apply (unit) {
      const message = unit.message(messageId)
      if (message === undefined) throw chatError('NOT_FOUND')
      const conversationId = message.conversation.id
      const caller = unit.participant(conversationId, userId)
      if (caller === undefined) throw chatError('NOT_FOUND')
      if (message.senderId !== userId) throw chatError('FORBIDDEN')
      const participants = unit.participants(conversationId)
      change(unit, message, participants)
      return renderMessage(message, conversationId, profileOf(caller), statusOf(message, participants, unit.former(message)))
    }
  }
}

/** Now, but not before the message was sent, and later than its previous change. */
function changeInstant (unit: Unit, { conversation, createdAt, editedAt }: MessageRow): number {
  return Math.max(unit.nowIn(conversation), createdAt, (editedAt ?? 0) + 1)
}

function tellChange (
  unit: Unit, type: 'messageUpdated' | 'messageDeleted', message: MessageRow, userId: string, participants: ParticipantRow[], at: number
): void {
  const sender = participants.find(participant => participant.userId === message.senderId)!
  const rendered = renderMessage(message, message.conversation.id, profileOf(sender), statusOf(message, participants, unit.former(message)))
  logEvent(unit, message.conversation, type, { userId, message: rendered }, at)
}
