import type { ChatEvents, Message, OwnMessage } from '../custom.js'
import type { Quote, ReactionCount } from '../../schemas/messages.js'
import type { StreamEvent } from '../options.js'
import { laterMessage } from './marks.js'

/** The most code points of a quoted text. */
const QUOTE_MAX = 200

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b)

/** The user's own reactions, in the order of the message's. */
export const within = (own: Iterable<string>, reactions: readonly ReactionCount[]): string[] => {
  const emoji = new Set(own)
  return reactions.filter((reaction) => emoji.has(reaction.emoji)).map((reaction) => reaction.emoji)
}

/** The message of an event. Events are the same for all, so which reactions are the user's follows from `reaction` events. */
export const ownOf = ({ eventSeq, ...message }: ChatEvents['message']): OwnMessage => ({ ...message, myReactions: [] })

export const isMentioned = ({ mentions, mentionsAll }: Message, userId: string | null): boolean =>
  mentionsAll || mentions.some((mention) => mention.userId === userId)

/** A message as its replies quote it. */
export function quoteOf ({ id, seq, senderId, sender, text, type, attachments, replyCount, deletedAt }: Message): Quote {
  // A code point takes at most two units.
  const characters = Array.from(text.slice(0, 2 * QUOTE_MAX + 2))
  return {
    id,
    seq,
    senderId,
    sender,
    text: characters.slice(0, QUOTE_MAX).join(''),
    truncated: characters.length > QUOTE_MAX,
    type,
    attachmentCount: attachments.length,
    replyCount,
    deletedAt
  }
}

/** A message with the quoted message as it is now. A deletion is final. */
function requote (message: OwnMessage, quote: Quote | null): OwnMessage {
  const { replyTo } = message
  if (replyTo === null || quote === null || (replyTo.deletedAt !== null && quote.deletedAt === null) || same(quote, replyTo)) return message
  return { ...message, replyTo: quote }
}

/** What a `reaction` event says of a message. */
function react (message: OwnMessage, { userId, emoji, reacted, reactions }: ChatEvents['reaction'], me: string | null): OwnMessage {
  if (message.deletedAt !== null) return message
  const own = new Set(message.myReactions)
  if (userId === me && reacted) own.add(emoji)
  else if (userId === me) own.delete(emoji)
  const myReactions = within(own, reactions)
  return same([reactions, myReactions], [message.reactions, message.myReactions]) ? message : { ...message, reactions, myReactions }
}

/**
 * Applies an event to a message that is known: an event of the message itself, of the message that it quotes, of a reply to
 * either, or of a reaction. Events carry values as they are, so applying one again has no effect. Returns the same object if
 * nothing changes.
 *
 * @param me the user's id
 */
export function fold (message: OwnMessage, [type, data]: StreamEvent, me: string | null): OwnMessage {
  if (type === 'reaction') return data.messageId === message.id ? react(message, data, me) : message
  if (type !== 'message' && type !== 'messageUpdated' && type !== 'messageDeleted') return message
  const { replyTo } = message
  if (data.id === message.id) {
    const heard = { ...ownOf(data), myReactions: within(message.myReactions, data.reactions) }
    if (type !== 'message') return laterMessage(message, heard)
    // It tells nothing new about a message that is known, except what events before it have told of the quoted message.
    return requote(laterMessage(heard, message), data.replyTo)
  }
  if (data.id === replyTo?.id) return type === 'message' ? message : requote(message, quoteOf(data))
  if (data.replyTo === null) return message
  const { id, replyCount } = data.replyTo
  if (id === message.id && replyCount !== message.replyCount) return { ...message, replyCount }
  if (id === replyTo?.id && replyCount !== replyTo.replyCount) return { ...message, replyTo: { ...replyTo, replyCount } }
  return message
}
