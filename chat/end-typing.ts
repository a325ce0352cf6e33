import { isoTime } from '../schemas/common.js'
import type { ParticipantRow, Unit } from '../store/unit.js'

/** Ends typing, if there is any, and announces it. */
export function endTyping (unit: Unit, typist: ParticipantRow): void {
  if (typist.typingUntil === null) return
  unit.changeParticipant(typist, { typingUntil: null })
  tellTyping(unit, typist, false)
}

/** Announces to all others that a user types, or has stopped. */
export function tellTyping (unit: Unit, { conversation, userId, displayName }: ParticipantRow, isTyping: boolean): void {
  unit.tell(conversation, 'typing',
    { userId, displayName, isTyping, conversationId: conversation.id, timestamp: isoTime(unit.nowIn(conversation)) }, userId)
}
