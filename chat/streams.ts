import { chatError, isChatError } from '../errors.js'
import type { AnyEmission } from '../hub/emission.js'
import type { Hub } from '../hub/hub.js'
import type { StartOptions } from '../hub/start.js'
import type { Sink, Stream, StreamOptions } from '../hub/stream.js'
import { isoTime, UserId } from '../schemas/common.js'
import type { ChatEvents, ResetReason, StreamEvents } from '../schemas/events.js'
import type { Transaction } from '../hub/known-log.js'
import type { Queries } from '../store/queries.js'
import type { StreamRow } from '../store/unit.js'
import type { Command, Writer } from '../store/writer.js'
import { isOrphan } from '../store/outage.js'
import type { SharedClock } from '../store/shared-clock.js'
import { isoTimeOrNull } from '../store/rendering.js'
import { endDiverged } from './divergence.js'
import { cursorOfAll, cursorOfTopic } from './event-id.js'
import { timeOrderedId } from './ids.js'
import { closeStream, closeStreamIfCounted, isLater, openStream, openStreamOf, renewStream } from './presence.js'
import { cursorAtStart, cursorWhileCatchingUp, followsFrom, isAhead, seqIn, startOfAll, startOfConversation, type AllStart } from './resume.js'
import { TYPING_LAPSE_MS } from './typing.js'
import type { Caller, Users } from './users.js'
import { assertValid } from './validation.js'

/** Who opens a stream. A caller with a name is saved with it; one who holds a ticket was saved when that was issued. */
export type StreamCaller = Caller | Pick<Caller, 'userId' | 'expiresAt'>

export interface StreamRequest {
  caller: StreamCaller
  /** Undefined: all conversations of the user. */
  conversationId: string | undefined
  /** The last `id` that the client has seen. */
  lastEventId: string | undefined
  echo: boolean
}

/** A stream that was admitted: nothing can refuse it any more. `begin` takes the connection. */
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
  /** Renews this process's lease, after others have taken it for dead. */
  comeBack: () => Promise<void>
  /** Called when a stream's row is deleted. */
  onClosed: (stream: StreamRow) => void
  /** Called when the log has diverged: what is remembered of the database may be wrong. */
  onDiverged: () => void
}

/** Admits streams, counts them in the database, renews them and closes them. */
export class Streams {
  readonly #options: StreamsOptions
  readonly #rows = new Map<string, StreamRow>()
  /** Streams of all conversations that are being admitted, by user. */
  readonly #opening = new Map<string, number>()

  constructor (options: StreamsOptions) {
    this.#options = options
  }

  /** The streams that are open here, as their rows should be. */
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
    const { emissions: missed, end } = this.#options.hub.expect(userId)
    try {
      const admission = await this.#admitOneOrAll(request, missed)
      return {
        begin: sink => {
          try {
            admission.begin(sink)
          } finally {
            end()
          }
        }
      }
    } catch (error) {
      end()
      throw error
    }
  }

  async #admitOneOrAll (request: StreamRequest, missed: readonly AnyEmission[]): Promise<Admission> {
    const { userId } = request.caller
    if (request.conversationId !== undefined) return await this.#admitOne(request, request.conversationId, missed)
    // Reading all conversations is expensive: nobody has more streams under way than they may have open
    const opening = this.#opening.get(userId) ?? 0
    if (opening >= this.#options.maxPerUser) throw chatError('TOO_MANY_STREAMS', { retryAfter: 30 })
    this.#opening.set(userId, opening + 1)
    try {
      return await this.#admitAll(request, missed)
    } finally {
      const left = this.#opening.get(userId)! - 1
      if (left === 0) this.#opening.delete(userId)
      else this.#opening.set(userId, left)
    }
  }

  /**
   * Extends a stream, on whichever node it is open, until a fresh token expires. Never shortens it.
   * @returns when it expires
   * @throws NOT_FOUND where the user has no such stream
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

  /** A stream is about to expire, unless it was renewed on another node. */
  expiring (stream: Stream): void {
    void this.#lookForRenewal(stream)
  }

  async #lookForRenewal (stream: Stream): Promise<void> {
    const { expiresAt } = stream
    const renewed = await this.#options.queries.streamExpiry(stream.id).catch(() => undefined)
    if (renewed === undefined || !stream.open || stream.expiresAt !== expiresAt) return
    if (isLater(renewed, expiresAt)) this.#extend(stream, renewed)
  }

  /** The hub has closed a stream. */
  closed (stream: Stream): void {
    const row = this.#rows.get(stream.id)
    if (row === undefined) return
    // First, so that a node that renews a lapsed lease does not count it again
    this.#rows.delete(row.id)
    void this.#close(row)
  }

  /** The log has lost events that these streams were sent: each is told so, with an event id of the log as it is now, and ends. */
  diverged (streams: Stream[], newest: Transaction): void {
    const { hub, identity, queries, onDiverged } = this.#options
    onDiverged()
    const open = streams.flatMap(stream => {
      const row = this.#rows.get(stream.id)
      return row === undefined ? [] : [{ stream, conversationId: row.conversationId }]
    })
    void endDiverged(open, { hub, identity, tags: queries.tags, newest })
  }

  async #admitOne (request: StreamRequest, conversationId: string, missed: readonly AnyEmission[]): Promise<Admission> {
    const { hub, identity, maxPerUser } = this.#options
    const readAt = hub.readPoint()
    const row = this.#rowOf(request)
    const conversation = await this.#count(request, row, openStreamOf(conversationId, row, maxPerUser, seqIn(request.lastEventId)))
    return {
      begin: sink => {
        if (this.#isGone(row, sink)) return
        const { num, eventSeq, newest, tagAfter, grows, userVersion } = conversation
        const { after, reset } = startOfConversation(request.lastEventId, conversation, identity)
        const id = after === undefined ? cursorOfTopic(identity, num, eventSeq, newest?.tag) : cursorOfTopic(identity, num, after, tagAfter)
        this.#start(row, request, sink, {
          readAt,
          follows: [{ topic: conversationId, head: eventSeq, after: after ?? eventSeq, newest, grows }],
          greet: stream => {
            this.#greet(stream, { conversationId, id, resumed: after !== undefined, userVersion })
            if (reset !== undefined) this.#reset(stream, conversationId, reset, id)
            this.#tellMissed(stream, missed, userVersion, conversationId)
          }
        })
      }
    }
  }

  /** The options are named one by one, since a spread took a sixth of what a resumption costs. */
  #start (row: StreamRow, request: StreamRequest, sink: Sink, options: Omit<StartOptions, keyof StreamOptions>): void {
    const { readAt, follows, baseline, shown, resumed, greet } = options
    this.#options.hub.start({
      id: row.id,
      userId: row.userId,
      sink,
      all: request.conversationId === undefined,
      echo: request.echo,
      expiresAt: request.caller.expiresAt,
      readAt,
      follows,
      baseline,
      shown,
      resumed,
      greet
    })
  }

  async #admitAll (request: StreamRequest, missed: readonly AnyEmission[]): Promise<Admission> {
    const { hub, queries, identity, maxPerUser } = this.#options
    const { lastEventId } = request
    const readAt = hub.readPoint()
    const [conversations, asked] = await Promise.all([
      queries.followed(request.caller.userId, readAt.position),
      startOfAll(lastEventId, readAt.position, identity, queries)
    ])
    const start: AllStart = isAhead(asked, conversations) ? { ...asked, cursor: undefined, position: readAt.position, reset: 'ahead' } : asked
    const { position, cursor, reset, shown } = start
    const { follows, pruned } = await followsFrom(start, conversations, queries)
    const row = this.#rowOf(request)
    const { userVersion } = await this.#count(request, row, openStream(row, maxPerUser))
    const undo = await hub.prepare(follows, readAt)
    const transactionAt = (position: number): Transaction => ({ position, tag: hub.tagAt(position) })
    const baseline = Math.max(readAt.position, position, cursor?.partial?.to ?? 0)
    return {
      begin: sink => {
        if (this.#isGone(row, sink)) return undo()
        this.#start(row, request, sink, {
          readAt,
          follows,
          shown,
          baseline,
          resumed: () => ({
            cursor: cursorAtStart(identity, cursor ?? { from: position, shown: transactionAt(position) }),
            after: cursorWhileCatchingUp(identity, start, transactionAt(baseline))
          }),
          greet: stream => {
            const id = cursor === undefined || lastEventId === undefined ? cursorOfAll(identity, transactionAt(position)) : lastEventId
            this.#greet(stream, { conversationId: null, id, resumed: cursor !== undefined, userVersion })
            if (reset !== undefined) this.#reset(stream, null, reset, id)
            for (const conversationId of pruned) this.#reset(stream, conversationId, 'pruned', id)
            this.#tellMissed(stream, missed, userVersion)
          }
        })
      }
    }
  }

  #rowOf ({ caller: { userId, expiresAt }, conversationId }: StreamRequest): StreamRow {
    return { id: timeOrderedId(), nodeId: this.#options.nodeId, userId, conversationId: conversationId ?? null, expiresAt }
  }

  async #count<Result> ({ caller }: StreamRequest, row: StreamRow, open: Command<Result>): Promise<Result> {
    const { writer, users, comeBack } = this.#options
    const write = async (): Promise<Result> => await ('displayName' in caller ? users.writeAs(caller, open) : writer.write(open))
    try {
      return await write().catch(async (error: unknown) => {
        // Others have taken this node for dead
        if (!isOrphan(error)) throw error
        await comeBack()
        return await write()
      })
    } catch (error) {
      // It may have been counted: the answer to the commit may be what was lost
      if (isChatError(error, 'UNAVAILABLE')) void this.#close(row, closeStreamIfCounted)
      throw error
    }
  }

  /** Takes note of the stream, unless the client went away while it was admitted. */
  #isGone (row: StreamRow, sink: Sink): boolean {
    if (sink.destroyed) void this.#close(row)
    else this.#rows.set(row.id, row)
    return sink.destroyed
  }

  async #close (row: StreamRow, close: (userId: string, streamId: string) => Command<unknown> = closeStream): Promise<void> {
    const { writer, onClosed, hub } = this.#options
    try {
      await writer.write(close(row.userId, row.id))
      onClosed(row)
    } catch {
      // The database is unavailable. The row would count as open as long as the node lives, so this is tried again
      if (!hub.closing) hub.clock.after(1000, () => { void this.#close(row, close) })
    }
  }

  #greet (
    stream: Stream, { id, resumed, ...rest }: Pick<StreamEvents['connected'], 'conversationId' | 'resumed' | 'userVersion'> & { id: string }
  ): void {
    const data: StreamEvents['connected'] = {
      message: resumed ? 'Resumed' : 'Connected',
      ...rest,
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

  /**
   * Changes of the user's private state that were made after their number was read, and before the stream was there to be told. Nothing
   * repeats them, and the next one may be far.
   */
  #tellMissed (stream: Stream, missed: readonly AnyEmission[], known: number, conversationId?: string): void {
    for (const { type, data, within = conversationId } of missed) {
      const { userVersion = Infinity } = data as { userVersion?: number }
      if (userVersion > known && (conversationId === undefined || within === conversationId)) stream.send(type, data)
    }
  }

  #reset (stream: Stream, conversationId: string | null, reason: ResetReason, id: string): void {
    const data: StreamEvents['reset'] = { conversationId, reason }
    stream.send('reset', data, id)
  }
}
