import { chatError } from '../errors.js'
import { isoTime } from '../schemas/common.js'
import type { TypingBody } from '../schemas/messages.js'
import type { ParticipantRow, Unit } from '../store/unit.js'
import type { Command } from '../store/writer.js'

/** Typing lapses this long after the last `isTyping: true`, in milliseconds. */
export const TYPING_LAPSE_MS = 6000

/** Saves that the user types, or no longer does. Repeats prolong it and tell nothing. */
export function setTyping (conversationId: string, userId: string, isTyping: boolean): Command<TypingBody> {
  return {
    needs (keys) {
      keys.participant(conversationId, userId)
    },
    apply (unit) {
      const typist = unit.participant(conversationId, userId)
      if (typist === undefined) throw chatError('NOT_FOUND')
      if (isTyping) {
        if (typist.typingUntil === null) tellTyping(unit, typist, true)
        unit.changeParticipant(typist, { typingUntil: unit.ticks + TYPING_LAPSE_MS })
      } else {
        endTyping(unit, typist)
      }
      return { conversationId, isTyping }
    }
  }
}

/** Ends typing whose time is over. */
export function lapseTyping (conversationId: string, userId: string): Command<void> {
  return {
    needs (keys) {
      keys.participant(conversationId, userId)
    },
    apply (unit) {
      const typist = unit.participant(conversationId, userId)
      if (typist?.typingUntil != null && typist.typingUntil <= unit.ticks) endTyping(unit, typist)
    }
  }
}

/** Ends typing when no open stream of the typist covers the conversation any more. */
export function stopUncoveredTyping (conversationId: string, userId: string): Command<void> {
  return {
    needs (keys) {
      keys.participant(conversationId, userId)
      keys.presence(userId)
    },
    apply (unit) {
      const typist = unit.participant(conversationId, userId)
      const covered = unit.streamsOf(userId).some(stream => stream.conversationId === null || stream.conversationId === conversationId)
      if (typist !== undefined && !covered) endTyping(unit, typist)
    }
  }
}

/** Ends typing and tells it, if there was any. */
export function endTyping (unit: Unit, typist: ParticipantRow): void {
  if (typist.typingUntil === null) return
  unit.changeParticipant(typist, { typingUntil: null })
  tellTyping(unit, typist, false)
}

function tellTyping (unit: Unit, { conversation, userId, displayName }: ParticipantRow, isTyping: boolean): void {
  unit.tell(conversation, 'typing',
    { userId, displayName, isTyping, conversationId: conversation.id, timestamp: isoTime(unit.nowIn(conversation)) }, userId)
}
