import { chatError } from '../errors.js'
import type { ReactionAnswer, ReactionCount } from '../schemas/messages.js'
import { readReactions, writeReactions } from '../store/rendering.js'
import type { Command } from '../store/writer.js'
import { logEvent } from './events.js'
import { assertNotFrozen } from './settings.js'

/** Maximum number of different emoji on a message. */
export const REACTIONS_MAX = 20

/**
 * Sets the caller's reaction to a message, or takes it back, and tells all participants. What is so already changes nothing.
 * @param emoji in canonical form
 */
export function react (messageId: string, userId: string, emoji: string, reacted: boolean): Command<ReactionAnswer> {
  return {
    needs (keys) {
      keys.messageWithOwnReactions(messageId, userId)
    },
    apply (unit) {
      const message = unit.message(messageId)
      if (message === undefined) throw chatError('NOT_FOUND')
      const { conversation } = message
      const caller = unit.participant(conversation.id, userId)
      if (caller === undefined) throw chatError('NOT_FOUND')
      assertNotFrozen(conversation)
      if (message.deletedAt !== null && reacted) throw chatError('MESSAGE_DELETED')
      const own = unit.ownReactions(messageId, userId)
      const changed = message.deletedAt === null && own.has(emoji) !== reacted
      if (changed) {
        const reactions = counted(readReactions(message.reactions), emoji, reacted ? 1 : -1)
        if (reactions.length > REACTIONS_MAX) throw chatError('TOO_MANY_REACTIONS')
        unit.setReaction(message, userId, emoji, reacted)
        unit.changeMessage(message, { reactions: writeReactions(reactions) })
        logEvent(unit, conversation, 'reaction', {
          userId,
          displayName: caller.displayName,
          message: { id: messageId, seq: message.seq, reactions },
          detail: emoji,
          reacted
        })
      }
      const reactions = message.deletedAt === null ? readReactions(message.reactions) : []
      return {
        messageId,
        conversationId: conversation.id,
        emoji,
        reacted: own.has(emoji) && message.deletedAt === null,
        changed,
        reactions,
        myReactions: reactions.filter(reaction => own.has(reaction.emoji)).map(reaction => reaction.emoji)
      }
    }
  }
}

/** An emoji that was gone comes back last. */
function counted (reactions: readonly ReactionCount[], emoji: string, more: number): ReactionCount[] {
  const before = reactions.find(reaction => reaction.emoji === emoji)
  if (before === undefined) return more > 0 ? [...reactions, { emoji, count: more }] : [...reactions]
  return reactions.map(reaction => reaction === before ? { emoji, count: before.count + more } : reaction).filter(({ count }) => count > 0)
}
