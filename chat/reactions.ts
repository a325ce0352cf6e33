import { chatError } from '../errors.js'
import type { ReactionAnswer, ReactionCount } from '../schemas/messages.js'
import { readReactions, writeReactions } from '../store/rendering.js'
import { reactions } from '../store/tables.js'
import type { Command } from '../store/writer.js'
import { isService, type Actor } from './actor.js'
import { assertNotBlocked } from './blocks.js'
import { logEvent } from './events.js'
import { assertNotFrozen } from './settings.js'

/** Maximum number of different emoji on a message. */
export const REACTIONS_MAX = 20

/**
 * Sets the caller's reaction to a message, or takes it back, and tells all participants. What is so already changes nothing.
 * @param emoji in canonical form
 */
export function react (messageId: string, actor: Actor, emoji: string, reacted: boolean): Command<ReactionAnswer> {
  const { userId } = actor
  return {
    needs (keys) {
      keys.rowsOfMessage(messageId, userId, reactions, { userId })
    },
    apply (unit) {
      const message = unit.message(messageId)
      if (message === undefined) throw chatError('NOT_FOUND')
      const { conversation } = message
      const caller = unit.participant(conversation.id, userId)
      if (caller === undefined) throw chatError('NOT_FOUND')
      assertNotBlocked(unit, conversation)
      if (!isService(actor)) assertNotFrozen(conversation)
      if (message.deletedAt !== null && reacted) throw chatError('MESSAGE_DELETED')
      const isOwn = (of: string): boolean => unit.rowsOfMessage(message, reactions, { userId }).some(row => row.emoji === of)
      const changed = message.deletedAt === null && isOwn(emoji) !== reacted
      if (changed) {
        const counts = counted(readReactions(message.reactions), emoji, reacted ? 1 : -1)
        if (counts.length > REACTIONS_MAX) throw chatError('TOO_MANY_REACTIONS')
        const row = { conversation, messageSeq: message.seq, userId, emoji }
        if (reacted) unit.insertRow(reactions, { ...row, createdAt: unit.nowIn(conversation) })
        else unit.deleteRows(reactions, row)
        unit.changeMessage(message, { reactions: writeReactions(counts) })
        logEvent(unit, conversation, 'reaction', {
          userId,
          displayName: caller.displayName,
          message: { id: messageId, seq: message.seq, reactions: counts },
          detail: emoji,
          reacted
        })
      }
      const shown = message.deletedAt === null ? readReactions(message.reactions) : []
      return {
        messageId,
        conversationId: conversation.id,
        emoji,
        reacted: isOwn(emoji) && message.deletedAt === null,
        changed,
        reactions: shown,
        myReactions: shown.filter(reaction => isOwn(reaction.emoji)).map(reaction => reaction.emoji)
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
