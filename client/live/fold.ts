import type { ChatEvents, Message, OwnMessage } from '../custom.js'
import type { EventType } from '../../schemas/events.js'
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

/** What a message shows of itself as long as it is not sent. */
export const unsent = {
  editedAt: null,
  deletedAt: null,
  deletedBy: null,
  replyCount: 0,
  attachments: [],
  reactions: [],
  growing: false,
  myReactions: []
} satisfies Partial<OwnMessage>

/** Who looks at messages. */
export interface Viewer { userId: string | null, blocked: ReadonlySet<string> }

/** Whether a message mentions the user, and counts as a mention: not if the user blocks its sender. */
export const isMentioned = ({ senderId, mentions, mentionsAll }: Message, { userId, blocked }: Viewer): boolean =>
  (mentionsAll || mentions.some((mention) => mention.userId === userId)) && !blocked.has(senderId)

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
function react (message: OwnMessage, { messageId, userId, emoji, reacted, reactions }: ChatEvents['reaction'], me: string | null): OwnMessage {
  if (messageId !== message.id || message.deletedAt !== null) return message
  const own = new Set(message.myReactions)
  if (userId === me && reacted) own.add(emoji)
  else if (userId === me) own.delete(emoji)
  const myReactions = within(own, reactions)
  return same([reactions, myReactions], [message.reactions, message.myReactions]) ? message : { ...message, reactions, myReactions }
}

/** What the event of another message says of one: it is quoted there, or is a reply to the same message. */
function hearOther (message: OwnMessage, other: ChatEvents['message'], isNew: boolean): OwnMessage {
  const { replyTo } = message
  if (other.id === replyTo?.id) return isNew ? message : requote(message, quoteOf(other))
  if (other.replyTo === null) return message
  const { id, replyCount } = other.replyTo
  if (id === message.id && replyCount !== message.replyCount) return { ...message, replyCount }
  if (id === replyTo?.id && replyCount !== replyTo.replyCount) return { ...message, replyTo: { ...replyTo, replyCount } }
  return message
}

const heardOf = (message: OwnMessage, data: ChatEvents['message']): OwnMessage =>
  ({ ...ownOf(data), myReactions: within(message.myReactions, data.reactions) })

/** What an edit or a deletion says of a message. */
const change = (message: OwnMessage, data: ChatEvents['message']): OwnMessage =>
  data.id === message.id ? laterMessage(message, heardOf(message, data)) : hearOther(message, data, false)

/** Whether something is missing between what is known of a growing message and what is appended: fetch it then. */
export const hasGap = (message: OwnMessage | null | undefined, { messageId, offset }: ChatEvents['messageAppended']): boolean =>
  message?.id === messageId && message.growing && offset > message.text.length

/** What is appended to a growing message, as far as it is not there yet. */
function grow (message: OwnMessage, event: ChatEvents['messageAppended']): OwnMessage {
  const { messageId, offset, text } = event
  const { length } = message.text
  if (messageId !== message.id || !message.growing || hasGap(message, event) || offset + text.length <= length) return message
  return { ...message, text: message.text + text.slice(length - offset) }
}

type Fold<E extends EventType> = (message: OwnMessage, data: ChatEvents[E], me: string | null) => OwnMessage

/** The events that change messages, and what each says of one. The live states know by this list which events to pass on. */
const folds = {
  message: (message, data) => data.id === message.id
    // It tells nothing new about a message that is known, except what events before it have told of the quoted message.
    ? requote(laterMessage(heardOf(message, data), message), data.replyTo)
    : hearOther(message, data, true),
  messageUpdated: change,
  messageDeleted: change,
  messageAppended: grow,
  reaction: react
} satisfies { [E in EventType]?: Fold<E> }

export type MessageEventType = keyof typeof folds

export const isOfMessages = (type: EventType): type is MessageEventType => Object.hasOwn(folds, type)

/**
 * Applies an event to a message that is known: an event of the message itself, of the message that it quotes, of a reply to
 * either, or of a reaction. Events carry values as they are, so applying one again has no effect. Returns the same object if
 * nothing changes.
 *
 * @param me the user's id
 */
export function fold (message: OwnMessage, [type, data]: StreamEvent, me: string | null): OwnMessage {
  return isOfMessages(type) ? (folds[type] as Fold<EventType>)(message, data, me) : message
}
