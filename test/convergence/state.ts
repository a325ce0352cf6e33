import { isDeepStrictEqual } from 'node:util'
import type { Conversation } from '../../schemas/conversations.js'
import type { ChatEvents } from '../../schemas/events.js'
import type { Message, MessageStatus, OwnMessage, Quote } from '../../schemas/messages.js'
import type { StreamEvent } from '../event-reader.js'

/** Who takes part, and how far they are. */
interface Member { role: string, deliveredSeq: number, readSeq: number }

/** A conversation as somebody's client holds it: fetched once, and kept up by events. */
export interface State {
  me: string
  messages: Map<number, OwnMessage>
  members: Map<string, Member>
  shown: Shown
}

/** How the conversation is shown, and its settings. */
type Shown = Pick<Conversation, 'title' | 'avatar' | 'description' | 'metadata' | 'settings'>
const shownOf = ({ title, avatar, description, metadata, settings }: Shown): Shown => ({ title, avatar, description, metadata, settings })

export function stateOf (me: string, messages: OwnMessage[], conversation: Conversation): State {
  const { participants } = conversation
  return {
    me,
    shown: shownOf(conversation),
    messages: new Map(messages.map(message => [message.seq, message])),
    members: new Map(participants.map(({ userId, role, deliveredSeq, readSeq }) => [userId, { role, deliveredSeq, readSeq }]))
  }
}

/**
 * The state after these events: the plainest way that the documents allow, without a look at `eventSeq`. Events say how things are
 * now, so that it does not matter what the state has of them already.
 */
export function fold ({ me, messages, members, shown }: State, events: readonly StreamEvent[]): State {
  const copies = [...messages].map(([seq, message]) => [seq, structuredClone(message)] as const)
  const state: State = { me, messages: new Map(copies), members: structuredClone(members), shown }
  for (const event of events) apply(state, event)
  return state
}

function apply (state: State, { type, data }: StreamEvent): void {
  if (type === 'message' || type === 'messageUpdated' || type === 'messageDeleted') setMessage(state, data as unknown as ChatEvents['message'])
  else if (type === 'messageAppended') grow(state, data as unknown as ChatEvents['messageAppended'])
  else if (type === 'reaction') setReaction(state, data as unknown as ChatEvents['reaction'])
  else if (type === 'conversationUpdated') state.shown = shownOf(data as unknown as ChatEvents['conversationUpdated'])
  else if (type === 'statusUpdate') mark(state, data as unknown as ChatEvents['statusUpdate'])
  else if (type.startsWith('participant')) setMember(state, type, data as unknown as ChatEvents['participantJoined'])
}

function setMessage (state: State, { eventSeq: _, ...message }: ChatEvents['message']): void {
  const { messages } = state
  const mine = messages.get(message.seq)?.myReactions ?? []
  messages.set(message.seq, { ...message, myReactions: mine.filter(emoji => message.reactions.some(reaction => reaction.emoji === emoji)) })
  if (message.replyTo !== null) setReplyCount(state, message.replyTo.seq, message.replyTo.replyCount)
  setQuotes(state, message)
}

function setQuotes ({ messages }: State, message: Pick<Message, 'seq' | 'text' | 'deletedAt' | 'replyCount'>): void {
  const { text, truncated } = quoteOf(message)
  for (const { replyTo } of messages.values()) {
    if (replyTo?.seq === message.seq) Object.assign(replyTo, { text, truncated, deletedAt: message.deletedAt, replyCount: message.replyCount })
  }
}

/** Cuts off what is there already. What is finished grows no more. */
function grow (state: State, { messageId, offset, text }: ChatEvents['messageAppended']): void {
  const message = [...state.messages.values()].find(({ id }) => id === messageId)
  if (message?.growing !== true) return
  message.text += text.slice(message.text.length - offset)
  setQuotes(state, message)
}

function setReplyCount ({ messages }: State, seq: number, replyCount: number): void {
  const original = messages.get(seq)
  if (original !== undefined) original.replyCount = replyCount
  for (const { replyTo } of messages.values()) if (replyTo?.seq === seq) replyTo.replyCount = replyCount
}

function setReaction ({ me, messages }: State, { messageSeq, userId, emoji, reacted, reactions }: ChatEvents['reaction']): void {
  const message = messages.get(messageSeq)
  if (message === undefined) return
  message.reactions = reactions
  const mine = new Set(message.myReactions)
  if (userId === me && reacted) mine.add(emoji)
  else if (userId === me) mine.delete(emoji)
  message.myReactions = reactions.map(reaction => reaction.emoji).filter(mine.has, mine)
}

function mark ({ messages, members }: State, { messageId, userId, status }: ChatEvents['statusUpdate']): void {
  const member = members.get(userId)
  const seq = [...messages.values()].find(({ id }) => id === messageId)?.seq
  if (member === undefined || seq === undefined) return
  member.deliveredSeq = Math.max(member.deliveredSeq, seq)
  if (status === 'read') member.readSeq = Math.max(member.readSeq, seq)
}

function setMember ({ messages, members }: State, type: string, { userId, role }: ChatEvents['participantJoined']): void {
  if (type === 'participantLeft') members.delete(userId)
  else members.set(userId, { ...members.get(userId) ?? { deliveredSeq: messages.size, readSeq: messages.size }, role })
}

/** What a quote shows of a message's text. */
export function quoteOf ({ text }: Pick<Message, 'text'>): Pick<Quote, 'text' | 'truncated'> {
  const characters = Array.from(text)
  return { text: characters.slice(0, 200).join(''), truncated: characters.length > 200 }
}

/**
 * What must be equal. Names and pictures are not part of it: the newest that was seen counts. Marks, and the statuses that follow
 * from them, are compared only where nobody came or went, because a client does not know where somebody's stay began.
 */
function viewOf (state: State, withMarks: boolean, status: (message: OwnMessage) => MessageStatus): unknown[] {
  const { messages, members } = state
  const shown = [...messages.values()].sort((a, b) => a.seq - b.seq).map(({ sender: _, mentions, replyTo, ...message }) => ({
    ...message,
    mentions: mentions.map(({ displayName: _, ...mention }) => mention),
    replyTo: replyTo === null ? null : { ...replyTo, sender: undefined },
    status: withMarks ? status(messages.get(message.seq)!) : undefined
  }))
  const people = [...members].sort(([a], [b]) => a < b ? -1 : 1).map(([userId, { role, deliveredSeq, readSeq }]) =>
    ({ userId, role, marks: withMarks ? [deliveredSeq, readSeq].map(mark => reached(state, userId, mark)) : undefined }))
  return [state.shown, ...shown, ...people]
}

/** Where a mark stands for all that matters: one's own messages are never unread. */
function reached ({ messages }: State, userId: string, mark: number): number {
  while (messages.get(mark + 1)?.senderId === userId) mark++
  return mark
}

/** The lowest of the others: all of them were there from the beginning. */
function statusOf ({ members }: State, { senderId, seq }: Pick<Message, 'senderId' | 'seq'>): MessageStatus {
  const others = [...members].filter(([userId]) => userId !== senderId).map(([, member]) => member)
  if (others.every(({ readSeq }) => readSeq >= seq)) return 'read'
  return others.every(({ deliveredSeq }) => deliveredSeq >= seq) ? 'delivered' : 'sent'
}

/** The first thing in which two states differ; undefined if there is none. */
export function difference (folded: State, fresh: State, withMarks: boolean): string | undefined {
  const a = viewOf(folded, withMarks, message => statusOf(folded, message))
  const b = viewOf(fresh, withMarks, ({ status }) => status)
  const index = Array.from({ length: Math.max(a.length, b.length) }, (_, index) => index).find(index => !isDeepStrictEqual(a[index], b[index]))
  return index === undefined ? undefined : `folded ${JSON.stringify(a[index])}\n    fresh  ${JSON.stringify(b[index])}`
}
