import { elapsedMs } from '../time.js'
import type { Alarm, Clock } from './clock.js'
import { eventText, HEARTBEAT, withId, type Cursor, type Frame } from './frame.js'
import type { Heartbeats } from './heartbeats.js'

/** What a stream writes to: a Node.js writable such as a `ServerResponse`. */
export interface Sink {
  write(chunk: Buffer | string): boolean
  end(): unknown
  destroy(): unknown
  readonly writableLength: number
  readonly writableEnded: boolean
  readonly destroyed: boolean
  on(event: 'close' | 'drain' | 'error', listener: () => void): unknown
}

export interface StreamOptions {
  id: string
  userId: string
  sink: Sink
  /** Whether it follows all topics of its user, and those that the user joins later. */
  all: boolean
  /** Whether the user's own events are sent to it. */
  echo: boolean
  /** Epoch milliseconds by the owner's `now`; null: never. */
  expiresAt: number | null
}

export interface StreamLimits {
  heartbeatMs: number
  /** A peer that takes nothing for this long is considered gone. */
  staleAfterMs: number
  /** Unsent bytes that the process holds for a stream. */
  bufferBytes: number
}

/** A stream that is behind ends with `too_slow` when its peer takes nothing for this long, in milliseconds. */
export const TOO_SLOW_MS = 5000
/** Time that a peer has to take the last bytes, in milliseconds. */
const LINGER_MS = 1000
const BACKLOG_CHECK_MS = 1000
/** Time before its expiry at which a stream's owner is told, in milliseconds. */
const EXPIRING_MS = 500

/** Topics left that a stream remembers. Should a join of an older one arrive again, the stream shows nothing new by it. */
export const LEFT_MAX = 256

/** How far a stream has read a topic's log. */
export interface Progress {
  /** Last `seq` that it was sent. */
  sent: number
  /** Its user was known to take part when the topic was here. A leave up to here is history, a later one ends the following. */
  entitledAt: number
  /** When it fell behind, by `elapsedMs`. */
  fellBehindAt: number
  /** The topic's growth that it was told, or that was before it; null: something grew there before, of which it has to be told. */
  growth: number | null
  /** As far as it has read, its user has left and not come back. */
  away: boolean
}

/** How a resumed stream of all topics tells its cursor while it catches up. */
export interface ResumedCursor {
  /** Before the first event of the log. */
  cursor: Cursor
  /** After an event of the log. */
  after: (event: Frame) => Cursor
}

/** How a stream reports to its hub. */
export interface StreamOwner {
  clock: Clock
  heartbeats: Heartbeats
  limits: StreamLimits
  /** Epoch milliseconds, to compare with `expiresAt`. */
  now(): number
  /** The stream expires in half a second, unless it is extended. */
  expiring(stream: Stream): void
  expired(stream: Stream): void
  tooSlow(stream: Stream): void
  closed(stream: Stream): void
}

/** The last event of a stream. `retryAfterMs`: when to reconnect; null: never. */
export function disconnectText (reason: string, retryAfterMs: number | null): string {
  const retry = retryAfterMs === null ? '' : `retry: ${retryAfterMs}\n`
  return retry + eventText('disconnect', { reason, retryAfterMs })
}

const NOTHING: ReadonlyMap<string, Progress> = new Map()

/**
 * A subscriber's open connection: what it follows, how far it is, and a bounded buffer.
 *
 *     open ── end ──► ending ── the peer has taken the last bytes, or a second ──► closed
 *       └───────────────── the peer goes, or destroy ────────────────────────────►
 *
 * Of each topic that it follows, it is live or behind (see `Topic`).
 */
export class Stream {
  readonly id: string
  readonly userId: string
  readonly all: boolean
  readonly echo: boolean
  /** Names of everything that it follows. `Topic` keeps them. */
  readonly topics = new Set<string>()
  #behind: ReadonlyMap<string, Progress> = NOTHING
  #baseline = 0
  #cursor: Cursor | undefined
  #cursorAfter: ResumedCursor['after'] | undefined

  readonly #sink: Sink
  readonly #owner: StreamOwner
  #expiresAt: number | null
  /** The owner's `now` less `elapsedMs` when it was opened. Later steps of the wall clock do not move its expiry. */
  readonly #epoch: number
  #written = 0
  #taken = 0
  #progressAt = elapsedMs()
  #state: 'open' | 'ending' | 'closed' = 'open'
  readonly #beating: Set<unknown>
  #expiry: Alarm | undefined
  #backlogCheck: Alarm | undefined
  #linger: Alarm | undefined
  #drained: (() => void) | undefined
  #left: Map<string, number> | undefined

  constructor (options: StreamOptions, owner: StreamOwner) {
    this.id = options.id
    this.userId = options.userId
    this.all = options.all
    this.echo = options.echo
    this.#sink = options.sink
    this.#owner = owner
    this.#expiresAt = options.expiresAt
    this.#epoch = owner.now() - elapsedMs()
    const sink = options.sink
    sink.on('close', () => { this.#close() })
    // The peer went away: `close` follows
    sink.on('error', () => {})
    sink.on('drain', () => { this.#wake() })
    this.#beating = owner.heartbeats.add(this)
    this.#watchExpiry()
  }

  get open (): boolean {
    return this.#state === 'open'
  }

  get expiresAt (): number | null {
    return this.#expiresAt
  }

  /**
   * On a stream of all topics: everything up to this position is covered by what it started with and what it catches up on.
   * Its node may not have come so far, if the client has seen more on another one.
   */
  get baseline (): number {
    return this.#baseline
  }

  /** Topics of which it has to read the log before it goes live. For most streams, most of the time, none. */
  get behind (): ReadonlyMap<string, Progress> {
    return this.#behind
  }

  /** On a stream of all topics that is behind: its cursor. */
  get cursor (): Cursor | undefined {
    return this.#cursor
  }

  /** On a resumed stream of all topics that is behind: its cursor after an event of the log. */
  cursorAfter (event: Frame): Cursor | undefined {
    return this.#cursorAfter?.(event)
  }

  /** Changes when it expires. */
  extend (expiresAt: number | null): void {
    this.#expiresAt = expiresAt
    this.#owner.clock.cancel(this.#expiry)
    this.#watchExpiry()
  }

  /** Whether this many more bytes fit the budget. An empty buffer has room for more than the budget. */
  hasRoomFor (bytes: number): boolean {
    const waiting = this.#sink.writableLength
    return waiting === 0 || waiting + bytes <= this.#owner.limits.bufferBytes
  }

  /** All bytes leave here. */
  write (bytes: Buffer): void {
    if (!this.open || this.#sink.writableEnded || this.#sink.destroyed) return
    this.#written += bytes.length
    const flows = this.#sink.write(bytes)
    // Below its high-water mark a sink holds bytes and still returns true
    if (!flows || this.#sink.writableLength > 0) this.#watchBacklog()
  }

  /** Shows that the connection is alive. Not needed while other bytes wait. */
  beat (): void {
    if (this.hasRoomFor(HEARTBEAT.length)) this.write(HEARTBEAT)
  }

  /** Writes an event about the stream itself. */
  send (type: string, data: unknown, id?: string): void {
    const text = eventText(type, data)
    this.write(Buffer.from(id === undefined ? text : withId(id, text)))
  }

  /** Ends the stream, with the reason. */
  end (reason: string, retryAfterMs: number | null): void {
    if (!this.open) return
    this.write(Buffer.from(disconnectText(reason, retryAfterMs)))
    this.#state = 'ending'
    if (!this.#sink.destroyed) this.#sink.end()
    this.#wake()
    this.#linger = this.#owner.clock.after(LINGER_MS, () => { this.destroy() })
  }

  destroy (): void {
    this.#sink.destroy()
    // Not every writable emits `close` when it is destroyed twice
    this.#close()
  }

  /** Resolves when the peer has taken what was written, or the stream has ended. */
  async drained (): Promise<void> {
    // What was written in this turn leaves with it, and `drain` is emitted only past the high-water mark
    if (this.#sink.writableLength > 0) await new Promise(resolve => setImmediate(resolve))
    while (this.open && this.#sink.writableLength > 0) {
      await new Promise<void>(resolve => {
        this.#drained = resolve
        this.#watchBacklog()
      })
    }
  }

  #wake (): void {
    const drained = this.#drained
    this.#drained = undefined
    drained?.()
  }

  #watchExpiry (): void {
    if (this.#expiresAt === null) return
    const left = this.#msUntil(this.#expiresAt)
    this.#expiry = this.#owner.clock.after(Math.min(left > EXPIRING_MS ? left - EXPIRING_MS : left, 2 ** 31), () => {
      if (!this.open || this.#expiresAt === null) return
      const left = this.#msUntil(this.#expiresAt)
      if (left <= 0) return this.#owner.expired(this)
      const soon = left <= EXPIRING_MS
      this.#watchExpiry()
      if (soon) this.#owner.expiring(this)
    })
  }

  #msUntil (instant: number): number {
    return instant - this.#epoch - elapsedMs()
  }

  /** Everything up to `baseline` is covered by what it follows. One that is behind also has cursors. */
  startFrom (baseline: number, resumed: (() => ResumedCursor) | undefined): void {
    this.#baseline = baseline
    if (resumed === undefined || this.#behind.size === 0) return
    const { cursor, after } = resumed()
    this.#cursor = cursor
    this.#cursorAfter = after
  }

  /** It has to read a topic's log from here on. Called by `Topic` only. */
  fallBehind (name: string, progress: Progress): void {
    if (this.#behind === NOTHING) this.#behind = new Map()
    ;(this.#behind as Map<string, Progress>).set(name, progress)
  }

  /** While it is behind, it is no further than this, unless it is known to be behind a cursor already. */
  holdCursor (cursor: Cursor): void {
    this.#cursor ??= cursor
  }

  /** It has been sent an event of the log. */
  sentFromLog (event: Frame): void {
    if (this.#cursorAfter !== undefined) this.#cursor = this.#cursorAfter(event)
  }

  /** It is no longer behind with a topic. Called by `Topic` only. */
  caughtUp (name: string): void {
    if (!this.#behind.has(name)) return
    ;(this.#behind as Map<string, Progress>).delete(name)
    if (this.#behind.size > 0) return
    this.#behind = NOTHING
    this.#cursor = this.#cursorAfter = undefined
  }

  /** It follows nothing any more, and is sent only what is about itself. */
  detach (): void {
    this.topics.clear()
    this.#behind = NOTHING
    this.#cursor = this.#cursorAfter = undefined
  }

  /** Remembers how far a topic was that it follows no longer: a join may arrive late, or twice. */
  rememberLeft (name: string, head: number): void {
    this.#left ??= new Map()
    this.#left.delete(name)
    this.#left.set(name, head)
    if (this.#left.size > LEFT_MAX) this.#left.delete(this.#left.keys().next().value!)
  }

  /** Whether it had been sent this event of a topic when it left that. */
  hasPassed (name: string, seq: number): boolean {
    return seq <= (this.#left?.get(name) ?? -1)
  }

  /** While bytes are unsent, checks regularly whether the peer takes any. */
  #watchBacklog (): void {
    if (this.#backlogCheck !== undefined || this.#state === 'closed') return
    this.#progressAt = elapsedMs()
    this.#taken = this.#written - this.#sink.writableLength
    this.#checkBacklogLater()
  }

  #checkBacklogLater (): void {
    const { clock, limits } = this.#owner
    this.#backlogCheck = clock.after(Math.min(BACKLOG_CHECK_MS, limits.staleAfterMs), () => {
      this.#backlogCheck = undefined
      if (!this.open) return
      const waiting = this.#sink.writableLength
      if (waiting === 0) return this.#wake()
      const taken = this.#written - waiting
      const now = elapsedMs()
      if (taken > this.#taken) this.#progressAt = now
      this.#taken = taken
      const idle = now - this.#progressAt
      if (idle >= limits.staleAfterMs) return this.destroy()
      if (this.#behind.size > 0 && idle >= TOO_SLOW_MS) return this.#owner.tooSlow(this)
      this.#checkBacklogLater()
    })
  }

  #close (): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    const { clock } = this.#owner
    this.#beating.delete(this)
    for (const alarm of [this.#expiry, this.#backlogCheck, this.#linger]) clock.cancel(alarm)
    this.#wake()
    this.#owner.closed(this)
  }
}
