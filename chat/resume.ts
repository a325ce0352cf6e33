import type { Cursor, Frame } from '../hub/frame.js'
import type { Transaction } from '../hub/known-log.js'
import type { Follow } from '../hub/start.js'
import type { ResetReason } from '../schemas/events.js'
import type { Followable, Resumable, Tagged } from '../store/followable.js'
import type { Queries } from '../store/queries.js'
import { cursorOfAll, cursorOfCatchUp, parseCursor, type AllCursor, type TopicCursor } from './event-id.js'

/** Where a stream of one conversation starts: after an event, or (undefined) after the newest. */
export interface ConversationStart {
  after: number | undefined
  reset: ResetReason | undefined
}

/** Where a stream of all conversations starts. */
export interface AllStart {
  position: number
  /** Undefined: it starts now. */
  cursor: AllCursor | undefined
  reset: ResetReason | undefined
  /** The newest transaction of which the client has been sent anything. */
  shown: Transaction | undefined
}

/** Decides where a stream of one conversation resumes after the last event id that its client has seen. */
export function startOfConversation (lastEventId: string | undefined, conversation: Resumable, identity: string): ConversationStart {
  const now = (reset?: ResetReason): ConversationStart => ({ after: undefined, reset })
  if (lastEventId === undefined) return now()
  const cursor = parseCursor(lastEventId)
  if (cursor === undefined) return now('unreadable')
  if (cursor.kind !== 'topic' || cursor.identity !== identity || cursor.num !== conversation.num) return now('foreign')
  if (cursor.seq > conversation.eventSeq) return now('ahead')
  if (cursor.seq < conversation.prunedSeq) return now('pruned')
  if (!isSame(cursor.tag, conversation.tagAfter)) return now('diverged')
  return { after: cursor.seq, reset: undefined }
}

/** The `seq` of an event id of one conversation, or 0 if it is not one. */
export function seqIn (lastEventId: string | undefined): number {
  const cursor = lastEventId === undefined ? undefined : parseCursor(lastEventId)
  return cursor?.kind === 'topic' ? cursor.seq : 0
}

/** Decides where a stream of all conversations resumes after the last event id that its client has seen. `position` is the hub's. */
export async function startOfAll (lastEventId: string | undefined, position: number, identity: string, { tags }: Queries): Promise<AllStart> {
  const now = (reset?: ResetReason): AllStart => ({ position, cursor: undefined, reset, shown: undefined })
  if (lastEventId === undefined) return now()
  const cursor = parseCursor(lastEventId)
  if (cursor === undefined) return now('unreadable')
  if (cursor.kind !== 'all' || cursor.identity !== identity) return now('foreign')
  const { from, shown, partial } = cursor
  if (shown.position < (partial?.to ?? from) || (partial !== undefined && partial.to < from)) return now('ahead')
  const log = await tags.at(shown.position)
  if (shown.position > log.newest) return now('ahead')
  if (!isSame(shown.tag, log.tag)) return now('diverged')
  return { position: from, cursor, reset: undefined, shown: { position: shown.position, tag: log.tag ?? undefined } }
}

/** Whether the client has seen more of a conversation than there is. */
export function isAhead ({ cursor }: AllStart, conversations: readonly Followable[]): boolean {
  const partial = cursor?.partial
  return partial !== undefined && conversations.some(({ num, eventSeq }) => num === partial.num && partial.seq > eventSeq)
}

/**
 * From which event on each conversation is followed, in the order in which the stream catches up. `pruned` are those of which
 * events that the client has not seen are no longer kept: they are followed from now on.
 */
export async function followsFrom (
  start: AllStart, conversations: readonly Tagged[], queries: Queries
): Promise<{ follows: Follow[], pruned: string[] }> {
  const seen = conversations.map(conversation => ({ conversation, upTo: seenOf(conversation, start) }))
  const seqs = await queries.seqsAt(seen.flatMap(({ conversation: { num, position }, upTo }) =>
    'position' in upTo && position > upTo.position ? [{ num, position: upTo.position }] : []))
  const pruned: string[] = []
  const follows = inOrder(seen, start.cursor).map(({ conversation, upTo }): Follow => {
    const { conversationId, num, eventSeq, prunedSeq, position, prunedPosition, newest, grows } = conversation
    let after = eventSeq
    if ('seq' in upTo) after = upTo.seq
    else if (position > upTo.position) after = Math.max(seqs.get(num) ?? 0, upTo.position < prunedPosition ? 0 : prunedSeq)
    if (after < prunedSeq) {
      pruned.push(conversationId)
      after = eventSeq
    }
    return { topic: conversationId, head: eventSeq, after, newest, grows }
  })
  return { follows, pruned }
}

/** How much of a conversation the client has seen: up to a position, or (where catching up was cut off in it) a `seq`. */
function seenOf ({ num }: Followable, { position, cursor }: AllStart): { position: number } | { seq: number } {
  const partial = cursor?.partial
  if (partial === undefined || num > partial.num) return { position }
  return num === partial.num ? { seq: partial.seq } : { position: partial.to }
}

/** By number; where an earlier catching up was cut off, what it had left comes first. */
function inOrder<T extends { conversation: Followable }> (seen: T[], cursor: AllCursor | undefined): T[] {
  const { partial } = cursor ?? {}
  if (partial === undefined) return seen
  const split = seen.findIndex(({ conversation }) => conversation.num >= partial.num)
  return split === -1 ? seen : [...seen.slice(split), ...seen.slice(0, split)]
}

/** The cursor of a stream before the first event of its catching up: where the client was. Live events only move what it has been shown. */
export function cursorAtStart (identity: string, { from, shown: seen, partial }: Pick<AllCursor, 'from' | 'shown' | 'partial'>): Cursor {
  return shown => {
    const newest = shown.position > seen.position ? shown : seen
    return partial === undefined
      ? cursorOfAll(identity, { position: from, tag: undefined }, newest)
      : cursorOfCatchUp(identity, from, { position: partial.to, tag: undefined }, partial, newest)
  }
}

/** The cursor after each event of the catching up, in the order of `followsFrom`; its forms are in chat/event-id.ts. */
export function cursorWhileCatchingUp (identity: string, { position, cursor }: AllStart, now: Transaction): (event: Frame) => Cursor {
  const partial = cursor?.partial
  return ({ id }) => {
    const event = parseCursor(id!) as TopicCursor
    return partial !== undefined && event.num >= partial.num
      ? shown => cursorOfCatchUp(identity, position, { position: partial.to, tag: undefined }, event, shown)
      : shown => cursorOfCatchUp(identity, partial?.to ?? position, now, event, shown)
  }
}

/**
 * Whether an event id names what the log has, by the tag in the id and that in the log. An event that is not kept any more
 * (pruned, or of a conversation that was deleted), and an id without a tag, can only be judged by their number.
 */
const isSame = (inId: string | undefined, inLog: string | null): boolean => inId === undefined || inLog === null || inId === inLog
