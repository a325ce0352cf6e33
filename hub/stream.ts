import { elapsedMs } from '../time.js'
import type { Alarm, Clock } from './clock.js'
import { eventText, HEARTBEAT, withId, type Claim, type Frame } from './frame.js'
import type { Heartbeats } from './heartbeats.js'
import type { Job } from './job.js'
import type { Topic } from './topic.js'

/** Where a stream's bytes go: a Node.js writable such as a `ServerResponse`. */
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
  /** Whether it follows all topics of its user, new ones included. */
  all: boolean
  /** Whether the user's own events come back. */
  echo: boolean
  /** Epoch milliseconds by the owner's `now`; null: never. */
  expiresAt: number | null
}

export interface StreamLimits {
  heartbeatMs: number
  /** A peer that takes nothing for so long is gone. */
  staleAfterMs: number
  /** Unsent bytes the process holds for it. */
  bufferBytes: number
}

/** Over its budget, a peer that takes nothing for so long is told `too_slow`, in milliseconds. */
export const TOO_SLOW_MS = 5000
/** How long a peer has to take the last bytes, in milliseconds. */
const LINGER_MS = 1000
const BACKLOG_CHECK_MS = 1000
/** So long before its end a stream is said to expire, in milliseconds. */
const EXPIRING_MS = 500

/** Topics that a stream has left and remembers: a join that comes later again than that only repeats what the log has. */
export const LEFT_MAX = 256

/** How far a stream has read a topic's log. */
export interface Progress {
  /** Last `seq` that it was sent. */
  sent: number
  /** Its user followed rightly when the topic was here: a later leave is not history, but shuts them out. */
  entitledAt: number
  /** When it fell behind, by `elapsedMs`. */
  since: number
  /** They have left, and not come back as far as it has read. */
  away: boolean
}

/** How a stream reports to its hub. */
export interface StreamOwner {
  clock: Clock
  heartbeats: Heartbeats
  limits: StreamLimits
  /** Epoch milliseconds, for when streams expire. */
  now(): number
  /** It will expire in half a second, unless somebody renews it. */
  expiring(stream: Stream): void
  expired(stream: Stream): void
  tooSlow(stream: Stream): void
  closed(stream: Stream): void
}

/** Why a stream ends, and when to come back, in milliseconds; null: don't. */
export function disconnectText (reason: string, retryAfterMs: number | null): string {
  const retry = retryAfterMs === null ? '' : `retry: ${retryAfterMs}\n`
  return retry + eventText('disconnect', { reason, retryAfterMs })
}

const NOTHING: ReadonlyMap<Topic, Progress> = new Map()

/** One subscriber's open connection: what it follows, how far it is, and a bounded buffer. */
export class Stream {
  readonly id: string
  readonly userId: string
  readonly all: boolean
  readonly echo: boolean
  /** Everything it follows. */
  readonly topics = new Set<Topic>()
  /** What it has to read from the log before it can follow live. Of most streams, most of the time, nothing. */
  behind: ReadonlyMap<Topic, Progress> = NOTHING
  /** A stream of all topics began at, or has caught up to, this position: perhaps on another node, which knew of more than this one. */
  since = 0
  /** On a stream of all topics that catches up: what it may claim so far, and after an event of the log. */
  claim: Claim | undefined
  claimAfter: ((event: Frame) => Claim) | undefined
  /** Jobs of this turn, on a stream of all topics; written together. */
  inbox: Array<{ topic: Topic | undefined, job: Job, frames: readonly Frame[] }> = []
  catchingUp = false

  readonly #sink: Sink
  readonly #owner: StreamOwner
  #expiresAt: number | null
  /** The owner's `now` less `elapsedMs` when it was opened: later steps don't make it last longer or shorter. */
  readonly #epoch: number
  #written = 0
  #taken = 0
  #progressAt = elapsedMs()
  #ending = false
  #closed = false
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
    // a peer that went away: the close follows
    sink.on('error', () => {})
    sink.on('drain', () => { this.#wake() })
    this.#beating = owner.heartbeats.add(this)
    this.#watchExpiry()
  }

  get open (): boolean {
    return !this.#ending && !this.#closed
  }

  get expiresAt (): number | null {
    return this.#expiresAt
  }

  /** A fresh token makes it last longer. */
  extend (expiresAt: number | null): void {
    this.#expiresAt = expiresAt
    this.#owner.clock.cancel(this.#expiry)
    this.#watchExpiry()
  }

  /** Whether so many bytes more fit the budget; something larger than the budget fits an empty buffer. */
  hasRoomFor (bytes: number): boolean {
    const waiting = this.#sink.writableLength
    return waiting === 0 || waiting + bytes <= this.#owner.limits.bufferBytes
  }

  /** The one place where bytes leave. */
  write (bytes: Buffer): void {
    if (!this.open || this.#sink.writableEnded || this.#sink.destroyed) return
    this.#written += bytes.length
    const flows = this.#sink.write(bytes)
    // what is below its high-water mark a sink holds without saying so
    if (!flows || this.#sink.writableLength > 0) this.#watchBacklog()
  }

  /** Shows that the connection is alive; a peer that takes nothing sees that anyway. */
  beat (): void {
    if (this.hasRoomFor(HEARTBEAT.length)) this.write(HEARTBEAT)
  }

  /** Writes an event about the stream itself. */
  send (type: string, data: unknown, id?: string): void {
    const text = eventText(type, data)
    this.write(Buffer.from(id === undefined ? text : withId(id, text)))
  }

  /** Says why, and ends. */
  end (reason: string, retryAfterMs: number | null): void {
    if (!this.open) return
    this.write(Buffer.from(disconnectText(reason, retryAfterMs)))
    this.#ending = true
    if (!this.#sink.destroyed) this.#sink.end()
    this.#wake()
    this.#linger = this.#owner.clock.after(LINGER_MS, () => { this.destroy() })
  }

  destroy (): void {
    this.#sink.destroy()
    // not every writable says `close` when it is destroyed twice
    this.#close()
  }

  /** Resolves when the peer has taken what was written, or the stream is over. */
  async drained (): Promise<void> {
    // what was written in this turn leaves with it, and says `drain` only when it was much
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

  fallBehind (topic: Topic, progress: Progress): void {
    if (this.behind === NOTHING) this.behind = new Map()
    ;(this.behind as Map<Topic, Progress>).set(topic, progress)
  }

  catchUp (topic: Topic): void {
    if (!this.behind.has(topic)) return
    ;(this.behind as Map<Topic, Progress>).delete(topic)
    if (this.behind.size === 0) this.behind = NOTHING
  }

  /** It follows nothing any more, and gets nothing but what is sent to it by itself. */
  detach (): void {
    this.topics.clear()
    this.behind = NOTHING
    this.inbox = []
    this.claim = this.claimAfter = undefined
  }

  /** It follows a topic no longer: remembers how far that was, since a join may be heard of late, or twice. */
  leave ({ name, head }: Topic): void {
    this.#left ??= new Map()
    this.#left.delete(name)
    this.#left.set(name, head)
    if (this.#left.size > LEFT_MAX) this.#left.delete(this.#left.keys().next().value!)
  }

  /** Whether it was told of this event of a topic before it left that. */
  hasPassed (name: string, seq: number): boolean {
    return seq <= (this.#left?.get(name) ?? -1)
  }

  /** While something is unsent, looks now and then whether the peer takes any of it. */
  #watchBacklog (): void {
    if (this.#backlogCheck !== undefined || this.#closed) return
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
      if (this.behind.size > 0 && idle >= TOO_SLOW_MS) return this.#owner.tooSlow(this)
      this.#checkBacklogLater()
    })
  }

  #close (): void {
    if (this.#closed) return
    this.#closed = true
    const { clock } = this.#owner
    this.#beating.delete(this)
    for (const alarm of [this.#expiry, this.#backlogCheck, this.#linger]) clock.cancel(alarm)
    this.#wake()
    this.#owner.closed(this)
  }
}
