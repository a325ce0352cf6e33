import type { ReactionAnswer } from '../../schemas/messages.js'
import { bareEmoji } from '../base/emoji.js'
import type { OwnMessage } from '../custom.js'
import type { StreamEvent } from '../options.js'
import { within } from './fold.js'

/** A reaction that the user set or took back, until the stream has told it. */
interface Wish {
  emoji: string
  /** What the user asked for last. Undefined once that is answered. */
  wanted: boolean | undefined
  /** What the service answered. Undefined once the stream has told it. */
  answered: boolean | undefined
  answeredAt: number
  /** How many events the answers have announced that did not arrive yet. Negative if events came before their answers. */
  awaited: number
  /** The number of the last call, how many are open, and the answer that was seen last. */
  last: number
  open: number
  answer: ReactionAnswer | null
}

/**
 * The user's own reactions that the stream has not told yet, shown over what it told. A call that fails leaves no trace. The
 * order of an answer and of the events around it does not matter: an answer counts until the user's own event arrives.
 */
export function createWishes (isMe: (userId: string) => boolean) {
  const byMessage = new Map<string, Map<string, Wish>>()

  function dropIfDone (messageId: string, key: string, wish: Wish): void {
    const wishes = byMessage.get(messageId)
    if (wish.open > 0 || wish.answered !== undefined || wishes?.get(key) !== wish) return
    wishes.delete(key)
    if (wishes.size === 0) byMessage.delete(messageId)
  }

  return {
    /** Shows a reaction, or shows it no longer. @returns a function to call with the answer, or with null if the call failed */
    ask (messageId: string, emoji: string, on: boolean): (answer: ReactionAnswer | null, at: number) => void {
      const wishes = byMessage.get(messageId) ?? new Map<string, Wish>()
      byMessage.set(messageId, wishes)
      const key = bareEmoji(emoji)
      const wish = wishes.get(key) ?? { emoji, wanted: on, answered: undefined, answeredAt: 0, awaited: 0, last: 0, open: 0, answer: null }
      wishes.set(key, wish)
      const call = ++wish.last
      wish.wanted = on
      wish.open++
      return (answer, at) => {
        wish.open--
        if (call === wish.last) wish.wanted = undefined
        // Calls that a later one has overtaken share its answer.
        if (answer !== null && answer !== wish.answer) {
          wish.answer = answer
          wish.emoji = answer.emoji
          if (answer.changed) wish.awaited++
          wish.answered = wish.awaited > 0 ? answer.reacted : undefined
          wish.answeredAt = at
        }
        dropIfDone(messageId, key, wish)
      }
    },
    hear ([type, data]: StreamEvent): void {
      if (type === 'messageDeleted') byMessage.delete(data.id)
      if (type !== 'reaction' || !isMe(data.userId)) return
      const key = bareEmoji(data.emoji)
      const wish = byMessage.get(data.messageId)?.get(key)
      if (wish === undefined) return
      if (--wish.awaited <= 0) wish.answered = undefined
      dropIfDone(data.messageId, key, wish)
    },
    /** A message was fetched by a request that was made at `since`: it includes what was answered before. */
    fetched (messageId: string, since: number): void {
      for (const [key, wish] of byMessage.get(messageId) ?? []) {
        if (wish.answeredAt <= since) wish.answered = undefined
        dropIfDone(messageId, key, wish)
      }
    },
    /** The reactions to a message, with the user's own as they will be. The same object if there is nothing to add. */
    show<M extends OwnMessage> (message: M): M {
      const wishes = byMessage.get(message.id)
      if (wishes === undefined || message.deletedAt !== null) return message
      let { reactions } = message
      const own = new Set(message.myReactions)
      for (const { emoji: asked, wanted, answered } of wishes.values()) {
        const on = wanted ?? answered
        const known = reactions.find((reaction) => bareEmoji(reaction.emoji) === bareEmoji(asked))
        const emoji = known?.emoji ?? asked
        if (on === undefined || on === own.has(emoji)) continue
        const count = (known?.count ?? 0) + (on ? 1 : -1)
        reactions = known === undefined
          ? [...reactions, { emoji, count }]
          : reactions.map((reaction) => reaction === known ? { emoji, count } : reaction)
        if (on) own.add(emoji)
        else own.delete(emoji)
      }
      reactions = reactions.filter(({ count }) => count > 0)
      return { ...message, reactions, myReactions: within(own, reactions) }
    }
  }
}
