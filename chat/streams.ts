import { chatError, isChatError } from '../errors.js'
import type { Cursor, Frame } from '../hub/frame.js'
import type { Hub } from '../hub/hub.js'
import type { Sink, Stream } from '../hub/stream.js'
import { isoTime, UserId } from '../schemas/common.js'
import type { ChatEvents, ResetReason, StreamEvents } from '../schemas/events.js'
import type { Transaction } from '../hub/known-log.js'
import { cursorOfAll, cursorOfCatchUp, cursorOfTopic, parseCursor, type AllCursor, type TopicCursor } from '../store/cursor.js'
import type { Followable, Resumable } from '../store/followable.js'
import type { Queries } from '../store/queries.js'
import type { StreamRow } from '../store/unit.js'
import type { Command, Writer } from '../store/writer.js'
import { isOrphan } from '../store/outage.js'
import type { SharedClock } from '../store/shared-clock.js'
import { isoTimeOrNull } from '../store/rendering.js'
import { endDiverged } from './divergence.js'
import { timeOrderedId } from './ids.js'
import { closeStream, closeStreamIfCounted, isLater, openStream, openStreamOf, renewStream } from './presence.js'
import { TYPING_LAPSE_MS } from './typing.js'
import type { Caller, Users } from './users.js'
import { assertValid } from './validation.js'

/** Who opens a stream: somebody who is made known with it, or (who holds a ticket) is known already. */
export type StreamCaller = Caller | Pick<Caller, 'userId' | 'expiresAt'>

export interface StreamRequest {
  caller: StreamCaller
  /** Undefined: all conversations of the user. */
  conversationId: string | undefined
  /** The last `id` that the client has seen. */
  lastEventId: string | undefined
  echo: boolean
}

/** An admitted stream: everything that can be refused has been. `begin` takes the connection. */
export interface Admission {
  begin(sink: Sink): void
}

export interface StreamsOptions {
  identity: string
  clock: SharedClock
  nodeId: string
  maxPerUser: number
  hub: Hub<ChatEvents>
  queries: Queries
  writer: Writer
  users: Users
  /** Takes this process's place among the nodes again. */
  comeBack: () => Promise<void>
  /** Called when a stream is counted as closed. */
  onClosed: (stream: StreamRow) => void
  /** Called when the database has lost what it had: whatever of it is remembered may be wrong. */
  onDiverged: () => void
}

/** What an all-conversations stream starts with. */
interface Start {
  position: number
  /** Undefined: it starts now. */
  cursor: AllCursor | undefined
  reset: ResetReason | undefined
  /** The newest transaction that the client has seen. */
  known?: Transaction
}

/** So many conversations are followed in slices. */
const MANY = 200

/** Opens streams: who may, from where on, and the seam between the log and what is live. */
export class Streams {
  readonly #options: StreamsOptions
  readonly #rows = new Map<string, StreamRow>()
  /** Streams of all conversations that are being admitted, by user. */
  readonly #opening = new Map<string, number>()
  #beginning: Promise<void> = Promise.resolve()

  constructor (options: StreamsOptions) {
    this.#options = options
  }

  /** What is open here, as the database should have it. */
  open (): StreamRow[] {
    return [...this.#rows.values()]
  }

  /**
   * Admits a stream.
   * @throws VALIDATION_FAILED (an id that no user can have), NOT_FOUND (no such conversation, or not the user's), TOO_MANY_STREAMS, UNAVAILABLE
   */
  async admit (request: StreamRequest): Promise<Admission> {
    const { userId } = request.caller
    assertValid(UserId, userId)
    if (request.conversationId !== undefined) return await this.#admitOne(request, request.conversationId)
    // reading all conversations is work: nobody has more of it under way than streams to open
    const opening = this.#opening.get(userId) ?? 0
    if (opening >= this.#options.maxPerUser) throw chatError('TOO_MANY_STREAMS', { retryAfter: 30 })
    this.#opening.set(userId, opening + 1)
    try {
      return await this.#admitAll(request)
    } finally {
      const left = this.#opening.get(userId)! - 1
      if (left === 0) this.#opening.delete(userId)
      else this.#opening.set(userId, left)
    }
  }

  /**
   * A stream lasts as long as a fresh token does, on whichever node it is open; one that ends sooner takes nothing away.
   * @returns when it ends now
   * @throws NOT_FOUND when it is none of the user's
   */
  async renew (userId: string, streamId: string, expiresAt: number | null): Promise<number | null> {
    const { hub, writer } = this.#options
    const stream = hub.stream(streamId)
    if (stream === undefined) return await writer.write(renewStream(userId, streamId, expiresAt))
    if (stream.userId !== userId || !stream.open) throw chatError('NOT_FOUND')
    if (isLater(expiresAt, stream.expiresAt)) this.#extend(stream, expiresAt)
    return stream.expiresAt
  }

  #extend (stream: Stream, expiresAt: number | null): void {
    const row = this.#rows.get(stream.id)
    if (row !== undefined) row.expiresAt = expiresAt
    stream.extend(expiresAt)
  }

  /** A stream's token is about to expire: perhaps it was renewed on another node. */
  expiring (stream: Stream): void {
    void this.#lookForRenewal(stream)
  }

  async #lookForRenewal (stream: Stream): Promise<void> {
    const { expiresAt } = stream
    const renewed = await this.#options.queries.streamExpiry(stream.id).catch(() => undefined)
    if (renewed === undefined || !stream.open || stream.expiresAt !== expiresAt) return
    if (isLater(renewed, expiresAt)) this.#extend(stream, renewed)
  }

  /** The hub has let go of a stream. */
  closed (stream: Stream): void {
    const row = this.#rows.get(stream.id)
    if (row === undefined) return
    // from now on none that a node which comes back would count again
    this.#rows.delete(row.id)
    void this.#close(row)
  }

  /** The log has lost events that these streams were sent: each is told so, with a place in the log as it is now, and ends. */
  diverged (streams: Stream[], newest: Transaction): void {
    const { hub, identity, queries, onDiverged } = this.#options
    onDiverged()
    const open = streams.flatMap(stream => {
      const row = this.#rows.get(stream.id)
      return row === undefined ? [] : [{ stream, conversationId: row.conversationId }]
    })
    void endDiverged(open, { hub, identity, tags: queries.tags, newest })
  }

  async #admitOne (request: StreamRequest, conversationId: string): Promise<Admission> {
    const { hub, identity, maxPerUser } = this.#options
    const isSameLog = this.#watchLog()
    const asOf = hub.position
    const row = this.#rowOf(request)
    const cursor = request.lastEventId === undefined ? undefined : parseCursor(request.lastEventId)
    const after = cursor?.kind === 'topic' ? cursor.seq : 0
    const conversation = await this.#count(request, row, openStreamOf(conversationId, row, maxPerUser, after))
    return {
      begin: sink => {
        const stream = this.#take(row, request, sink)
        if (stream === undefined) return
        if (!isSameLog()) return hub.end(stream, 'unavailable')
        if (conversation.newest !== undefined) hub.know(conversation.newest)
        const placed = this.#place(request.lastEventId, conversation)
        const start = placed.seq ?? conversation.eventSeq
        hub.follow(stream, conversationId, conversation.eventSeq, asOf, start)
        const id = cursorOfTopic(identity, conversation.num, start, placed.seq === undefined ? conversation.newest?.tag : conversation.tagAfter)
        this.#greet(stream, conversationId, id, placed.seq !== undefined)
        if (placed.reset !== undefined) this.#reset(stream, conversationId, placed.reset, id)
      }
    }
  }

  /** What was read for a stream before the log turned out to be another one can't be joined to what comes now. */
  #watchLog (): () => boolean {
    const { counters } = this.#options.hub
    const before = counters.diverged
    return () => counters.diverged === before
  }

  #place (lastEventId: string | undefined, conversation: Resumable): { seq?: number, reset?: ResetReason } {
    if (lastEventId === undefined) return {}
    const cursor = parseCursor(lastEventId)
    if (cursor === undefined) return { reset: 'unreadable' }
    if (cursor.kind !== 'topic' || cursor.identity !== this.#options.identity || cursor.num !== conversation.num) return { reset: 'foreign' }
    if (cursor.seq > conversation.eventSeq) return { reset: 'ahead' }
    if (cursor.seq < conversation.prunedSeq) return { reset: 'pruned' }
    if (!isSame(cursor.tag, conversation.tagAfter)) return { reset: 'diverged' }
    return { seq: cursor.seq }
  }

  async #admitAll (request: StreamRequest): Promise<Admission> {
    const { hub, queries, identity, maxPerUser } = this.#options
    const isSameLog = this.#watchLog()
    const asOf = hub.position
    const [conversations, placed] = await Promise.all([
      queries.followed(request.caller.userId, asOf),
      this.#startOf(request.lastEventId, asOf)
    ])
    const start = isAhead(placed, conversations) ? { ...placed, cursor: undefined, position: asOf, reset: 'ahead' as const } : placed
    const places = conversations.map(conversation => ({ conversation, base: baseOf(conversation, start) }))
    const seqs = await queries.seqsAt(places
      .filter(({ conversation, base }) => 'position' in base && conversation.position > base.position)
      .map(({ conversation, base }) => ({ num: conversation.num, position: (base as { position: number }).position })))
    const row = this.#rowOf(request)
    await this.#count(request, row, openStream(row, maxPerUser))
    const release = await this.#prepare(conversations, asOf)
    return {
      begin: sink => {
        const stream = this.#take(row, request, sink)
        if (stream === undefined) return release()
        if (!isSameLog()) {
          release()
          return hub.end(stream, 'unavailable')
        }
        const { cursor } = start
        if (start.known !== undefined) hub.showed(start.known)
        const from = cursor === undefined ? cursorOfAll(identity, { position: start.position, tag: hub.tagAt(start.position) }) : request.lastEventId!
        const pruned: string[] = []
        for (const { conversation, base } of inOrder(places, cursor)) {
          const { conversationId, num, eventSeq, prunedSeq, position, prunedPosition, newest } = conversation
          let after = eventSeq
          if ('seq' in base) after = base.seq
          else if (position > base.position) after = Math.max(seqs.get(num) ?? 0, base.position < prunedPosition ? 0 : prunedSeq)
          if (after < prunedSeq) {
            pruned.push(conversationId)
            after = eventSeq
          }
          hub.follow(stream, conversationId, eventSeq, asOf, after)
          if (newest !== undefined) hub.know(newest)
        }
        const baseline = Math.max(asOf, start.position, cursor?.partial?.to ?? 0)
        stream.startFrom(baseline, {
          cursor: claimOf(identity, cursor ?? { from: start.position, shown: { position: start.position, tag: hub.tagAt(start.position) } }),
          after: catchUpCursor(identity, start, { position: baseline, tag: hub.tagAt(baseline) })
        })
        hub.lookBack(asOf)
        this.#greet(stream, null, from, cursor !== undefined)
        if (start.reset !== undefined) this.#reset(stream, null, start.reset, from)
        for (const conversationId of pruned) this.#reset(stream, conversationId, 'pruned', from)
      }
    }
  }

  /** For a stream with many conversations, whose opening must not hold up everybody else. @returns what undoes it */
  async #prepare (conversations: Followable[], asOf: number): Promise<() => void> {
    if (conversations.length < MANY) return () => {}
    const { hub } = this.#options
    await hub.prepare(conversations.map(({ conversationId, eventSeq }) => ({ name: conversationId, head: eventSeq })), asOf)
    // those that are admitted together begin one in each turn
    this.#beginning = this.#beginning.then(async () => { await new Promise(resolve => setImmediate(resolve)) })
    await this.#beginning
    return () => { hub.release(conversations.map(({ conversationId }) => conversationId)) }
  }

  async #startOf (lastEventId: string | undefined, position: number): Promise<Start> {
    const now = (reset?: ResetReason): Start => ({ position, cursor: undefined, reset })
    if (lastEventId === undefined) return now()
    const cursor = parseCursor(lastEventId)
    if (cursor === undefined) return now('unreadable')
    if (cursor.kind !== 'all' || cursor.identity !== this.#options.identity) return now('foreign')
    const { from, shown, partial } = cursor
    if (shown.position < (partial?.to ?? from) || (partial !== undefined && partial.to < from)) return now('ahead')
    const log = await this.#options.queries.tags.at(shown.position)
    if (shown.position > log.newest) return now('ahead')
    if (!isSame(shown.tag, log.tag)) return now('diverged')
    return { position: from, cursor, reset: undefined, known: { position: shown.position, tag: log.tag ?? undefined } }
  }

  #rowOf ({ caller: { userId, expiresAt }, conversationId }: StreamRequest): StreamRow {
    return { id: timeOrderedId(), nodeId: this.#options.nodeId, userId, conversationId: conversationId ?? null, expiresAt }
  }

  async #count<Result> ({ caller }: StreamRequest, row: StreamRow, open: Command<Result>): Promise<Result> {
    const { writer, users, comeBack } = this.#options
    const write = async (): Promise<Result> => await ('displayName' in caller ? users.writeAs(caller, open) : writer.write(open))
    try {
      return await write().catch(async (error: unknown) => {
        // this node was taken for dead
        if (!isOrphan(error)) throw error
        await comeBack()
        return await write()
      })
    } catch (error) {
      // it may have been counted all the same: a commit whose answer was lost
      if (isChatError(error, 'UNAVAILABLE')) void this.#close(row, closeStreamIfCounted)
      throw error
    }
  }

  #take (row: StreamRow, { echo, caller: { expiresAt }, conversationId }: StreamRequest, sink: Sink): Stream | undefined {
    if (sink.destroyed) {
      // the client has gone while it was admitted
      void this.#close(row)
      return undefined
    }
    this.#rows.set(row.id, row)
    return this.#options.hub.open({ id: row.id, userId: row.userId, sink, all: conversationId === undefined, echo, expiresAt })
  }

  async #close (row: StreamRow, close: (userId: string, streamId: string) => Command<unknown> = closeStream): Promise<void> {
    const { writer, onClosed, hub } = this.#options
    try {
      await writer.write(close(row.userId, row.id))
      onClosed(row)
    } catch {
      // the database is away: the lease would keep the stream open, so again
      if (!hub.closing) hub.clock.after(1000, () => { void this.#close(row, close) })
    }
  }

  #greet (stream: Stream, conversationId: string | null, id: string, resumed: boolean): void {
    const data: StreamEvents['connected'] = {
      message: resumed ? 'Resumed' : 'Connected',
      conversationId,
      timestamp: isoTime(this.#options.clock.now()),
      streamId: stream.id,
      userId: stream.userId,
      heartbeatMs: this.#options.hub.limits.heartbeatMs,
      typingLapseMs: TYPING_LAPSE_MS,
      resumed,
      expiresAt: isoTimeOrNull(stream.expiresAt)
    }
    stream.send('connected', data, id)
  }

  #reset (stream: Stream, conversationId: string | null, reason: ResetReason, id: string): void {
    const data: StreamEvents['reset'] = { conversationId, reason }
    stream.send('reset', data, id)
  }
}

/**
 * Whether an id names what the log has: the tag in the id, and that of the log. What the log doesn't keep any more (pruned,
 * or of a conversation that was deleted), and an id without a tag, can be judged by the number only.
 */
const isSame = (inId: string | undefined, inLog: string | null): boolean => inId === undefined || inLog === null || inId === inLog

/** Whether the client has seen more of a conversation than there is. */
const isAhead = ({ cursor }: Start, conversations: Followable[]): boolean => {
  const partial = cursor?.partial
  return partial !== undefined && conversations.some(({ num, eventSeq }) => num === partial.num && partial.seq > eventSeq)
}

/** From where a conversation is to be caught up: a position, or (in the middle of it already) a `seq`. */
function baseOf ({ num }: Followable, { position, cursor }: Start): { position: number } | { seq: number } {
  const partial = cursor?.partial
  if (partial === undefined || num > partial.num) return { position }
  return num === partial.num ? { seq: partial.seq } : { position: partial.to }
}

/** By number; where an earlier catching up was cut off, what it had left goes first. */
function inOrder<T extends { conversation: Followable }> (places: T[], cursor: AllCursor | undefined): T[] {
  const { partial } = cursor ?? {}
  if (partial === undefined) return places
  const split = places.findIndex(({ conversation }) => conversation.num >= partial.num)
  return split === -1 ? places : [...places.slice(split), ...places.slice(0, split)]
}

/** The claim that a stream has resumed from; what it is sent live while it catches up is shown, and no more. */
const claimOf = (identity: string, { from, shown: seen, partial }: Pick<AllCursor, 'from' | 'shown' | 'partial'>): Cursor => shown => {
  const newest = shown.position > seen.position ? shown : seen
  return partial === undefined
    ? cursorOfAll(identity, { position: from, tag: undefined }, newest)
    : cursorOfCatchUp(identity, from, { position: partial.to, tag: undefined }, partial, newest)
}

/** See `store/cursor.ts`: what may be claimed after each event of catching up in that order. */
function catchUpCursor (identity: string, { position, cursor }: Start, now: Transaction): (event: Frame) => Cursor {
  const partial = cursor?.partial
  return ({ id }) => {
    const event = parseCursor(id!) as TopicCursor
    return partial !== undefined && event.num >= partial.num
      ? shown => cursorOfCatchUp(identity, position, { position: partial.to, tag: undefined }, event, shown)
      : shown => cursorOfCatchUp(identity, partial?.to ?? position, now, event, shown)
  }
}
