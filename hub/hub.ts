import { randomUUID } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { wallClockMs } from '../time.js'
import { LocalBus, type Bus } from './bus.js'
import { Clock, type Alarm } from './clock.js'
import type { AnyEmission, Catalogue, Emission } from './emission.js'
import { allText, blankFrame, frameOf, isFor, topicText, type Claim, type Frame } from './frame.js'
import { Heartbeats } from './heartbeats.js'
import { Job } from './job.js'
import { KnownLog, later, type Newest, type Transaction } from './known-log.js'
import { PAGE, PageReader, type Log, type LoggedEvent } from './log.js'
import { Relay, type Receiver } from './relay.js'
import { LoopSlice, Slice } from './slice.js'
import { Stream, type Progress, type Sink, type StreamLimits, type StreamOptions, type StreamOwner } from './stream.js'
import { Topic } from './topic.js'

/** Why the hub ends a stream. */
export type EndReason = 'token_expired' | 'removed' | 'shutdown' | 'too_slow' | 'unavailable'

export interface HubOptions extends Partial<StreamLimits> {
  /** Epoch milliseconds, by the clock that `expiresAt` is meant by. Default: this machine's wall clock. */
  now?: () => number
  /** What carries events between nodes. Default: there is one node. */
  bus?: Bus
  /** Told of events that can't be sent: their data is no JSON, say. Default: a warning of the process. */
  onError?: (error: Error) => void
}

export interface SubscribeOptions {
  /** Whose stream it is: spared the events that are `except` them. Default: nobody's. */
  userId?: string
  topics: readonly string[]
  /** Epoch milliseconds; null: never. Default null. */
  expiresAt?: number | null
}

/** Who is told about streams. */
export interface StreamWatcher {
  closed(stream: Stream): void
  /** It ends in half a second, unless `extend` makes it last longer. */
  expiring(stream: Stream): void
  /**
   * The log is no longer the one that these streams were told of, and its newest transaction is this. They follow nothing
   * any more: tell them so, and end them.
   */
  diverged(streams: Stream[], newest: Transaction): void
}

export interface HubCounters {
  /** Events written to streams, and writes (many events in one). */
  deliveries: number
  writes: number
  bytes: number
  /** Times that a stream went over its budget and back to the log. */
  fellBehind: number
  tooSlow: number
  /** Pages read from the log, and gaps that were filled from it. */
  pages: number
  gaps: number
  /** Times that the log was no longer the one that was known. */
  diverged: number
}

/** How long catching up may keep the event loop, in milliseconds, where reading blocks and the peer takes everything at once. */
const CATCH_UP_MS = 8
/** Who fell behind so long ago isn't served from pages that were read for others, in milliseconds. */
const KEPT_FOR_MS = 1000
/** How often the hub looks in the log for what it didn't hear, in milliseconds. */
const SWEEP_MS = 1000
const RETRY_MS = 500
/** Ephemeral events for several topics that may be under way; then the oldest ends where it is. */
export const BROADCASTS_MAX = 1000
/** Those of other nodes whose streams are remembered, while their parts come. */
export const TOLD_MAX = 1000
/** Waiting times told to clients are spread over this, in milliseconds. */
const RETRY_AFTER_MS = { min: 500, max: 5000 }

/**
 * Takes typed events and writes them to the streams that follow their topics: durable ones in order and once, by their
 * numbers, whatever the bus between nodes loses, repeats or reorders; what is missing is read from the log. Serialises
 * an event once, joins all of one turn of the event loop into one write per stream, and never holds more than a
 * stream's budget for it: who is behind reads on in the log.
 */
export class Hub<C extends Catalogue> implements StreamOwner, Receiver {
  readonly clock = new Clock()
  readonly heartbeats: Heartbeats
  readonly limits: StreamLimits
  readonly now: () => number
  readonly counters: HubCounters = { deliveries: 0, writes: 0, bytes: 0, fellBehind: 0, tooSlow: 0, pages: 0, gaps: 0, diverged: 0 }

  readonly #bus: Bus
  readonly #onError: (error: Error) => void
  readonly #relay: Relay
  #log: Log<C> | undefined
  #pages: PageReader<C> | undefined
  #watcher: StreamWatcher = {
    closed () {},
    expiring () {},
    diverged: streams => { for (const stream of streams) this.end(stream, 'unavailable') }
  }

  /** What was told to streams, to be compared with the log. */
  readonly #known = new KnownLog()
  /** Times that something came that doesn't fit what is known, and those of them that a look into the log has settled. */
  #doubts = 0
  #doubtsSettled = 0
  readonly #streams = new Map<string, Stream>()
  /** Streams that follow all topics of their user. */
  readonly #byUser = new Map<string, Set<Stream>>()
  readonly #topics = new Map<string, Topic>()
  /** Topics with something under way. */
  readonly #active = new Set<Topic>()
  /** Ephemeral events for the followers of several topics. */
  readonly #broadcasts = new Set<Job>()
  /** Streams that have got an event of another node: its topics come in parts. */
  readonly #told = new LRUCache<string, WeakSet<Stream>>({ max: TOLD_MAX })
  /** All events up to this position are sent or under way. */
  #settled = 0
  /** All events up to this position were sent when the last turn ended. */
  #floor = 0
  /** The newest transaction of which streams have been sent anything. */
  #shown: Transaction = { position: 0, tag: undefined }
  #scheduled = false
  #sweeping: Promise<void> | undefined
  /** Positions from which on is to be looked up, and is being: nothing after them may be claimed as seen. */
  #lookFrom = Infinity
  #lookingFrom = Infinity
  #lookSoon: Alarm | undefined
  #sweepTimer: NodeJS.Timeout | undefined
  #closed = false
  #emptied: (() => void) | undefined

  constructor (options: HubOptions = {}) {
    this.#bus = options.bus ?? new LocalBus()
    this.now = options.now ?? wallClockMs
    this.#onError = options.onError ?? (error => { process.emitWarning(error) })
    this.limits = {
      heartbeatMs: options.heartbeatMs ?? 30_000,
      staleAfterMs: options.staleAfterMs ?? 300_000,
      bufferBytes: options.bufferBytes ?? 1_048_576
    }
    this.heartbeats = new Heartbeats(this.clock, this.limits.heartbeatMs)
    this.#relay = new Relay(this.#bus, this)
    this.#bus.onReconnect(() => { this.#lookAgain() })
  }

  /** Keeps durable events in order by a log, and tells of streams. Call before the first of them. */
  async useLog (log: Log<C>, watcher?: StreamWatcher): Promise<void> {
    this.#log = log
    this.#pages = new PageReader(log, (error, emission) => { this.#report(error, emission) })
    if (watcher !== undefined) this.#watcher = watcher
    this.#begin(await log.look([]))
    this.#sweepTimer = setInterval(() => { void this.sweep() }, SWEEP_MS)
    this.#sweepTimer.unref()
  }

  /** Whether the bus to other nodes passes messages. */
  get busConnected (): boolean {
    return this.#bus.connected
  }

  get streamCount (): number {
    return this.#streams.size
  }

  get topicCount (): number {
    return this.#topics.size
  }

  get closing (): boolean {
    return this.#closed
  }

  /** The newest position up to which all events are sent or under way; 0 without a log. */
  get position (): number {
    return this.#settled
  }

  /** Tag of the transaction at a position, where the hub knows it. */
  tagAt (position: number): string | undefined {
    return this.#known.tagAt(position)
  }

  streams (): Iterable<Stream> {
    return this.#streams.values()
  }

  stream (id: string): Stream | undefined {
    return this.#streams.get(id)
  }

  // ---- events in

  /** Sends events to who follows their topics, on this node and the others. Never throws: what can't be sent is told to `onError`. */
  emit (...emissions: ReadonlyArray<Emission<C>>): void {
    for (const emission of emissions) {
      try {
        // a commit gets the next number, but for a moment in which the hub has seen it in the log before
        if (emission.tag !== undefined && emission.position! <= this.#settled && this.tagAt(emission.position!) === undefined) this.#doubt(emission.position!)
        this.#dispatch(emission)
        this.#relay.send(emission)
      } catch (error) {
        this.#report(error, emission)
      }
    }
  }

  #report (cause: unknown, emission: AnyEmission): void {
    try {
      this.#onError(new Error(`The event ${emission.type} of ${emission.topics.join(', ')} can't be sent`, { cause }))
    } catch { /* nobody wants to know */ }
  }

  /** Everything that transaction `position` logged has been given to `emit`. */
  settle (position: number, tag?: string): void {
    this.#learn({ position, tag })
    if (position === this.#settled + 1) {
      this.#settled = position
      if (this.#active.size === 0) this.#floor = this.#seenUpTo()
    }
  }

  /** Another node's event. */
  received (emission: AnyEmission, broadcast: string | undefined): void {
    if (broadcast === undefined) return this.#dispatch(emission)
    let told = this.#told.get(broadcast)
    if (told === undefined) this.#told.set(broadcast, told = new WeakSet())
    this.#broadcast(emission, told)
  }

  /** Another node says where to look. */
  announced (name: string, seq: number, joins: boolean): void {
    const topic = this.#topics.get(name)
    if (topic !== undefined && topic.head < seq) void this.#fill(topic)
    if (joins) this.#lookAgain()
  }

  /** A transaction of the log that this hub may not have heard of. */
  know (transaction: Transaction): void {
    if (transaction.position > this.#known.newest) this.#learn(transaction)
  }

  /** A transaction of which a stream's client has seen something, here or on another node. */
  showed (transaction: Transaction): void {
    this.know(transaction)
    this.#shown = later(this.#shown, transaction)
  }

  #learn (transaction: Transaction): void {
    if (this.#known.contradicts(transaction)) this.#doubt(transaction.position)
    else this.#known.learn(transaction)
  }

  /**
   * Two transactions have the same number: the log is no longer the one that was known, unless somebody is mistaken. A look
   * into the log tells. Until then no durable event is taken in, and afterwards what has come meanwhile is read from the log.
   */
  #doubt (position: number): void {
    this.#doubts++
    this.#lookFrom = Math.min(this.#lookFrom, this.#settled, position - 1)
    this.#floor = this.#seenUpTo()
    void this.sweep()
  }

  /** Takes note of an event's transaction. @returns whether it may be taken in */
  #fits ({ position, tag }: AnyEmission): boolean {
    if (this.#log === undefined) return true
    if (position !== undefined) this.#learn({ position, tag })
    return this.#doubts === this.#doubtsSettled
  }

  #dispatch (emission: AnyEmission): void {
    const { topics, joins, seq } = emission
    if (seq !== undefined && !this.#fits(emission)) return
    if (topics.length === 1) {
      const name = topics[0]!
      const topic = this.#topics.get(name) ??
        (seq !== undefined && joins?.some(userId => this.#byUser.has(userId)) === true ? this.#addTopic(name, seq - 1) : undefined)
      if (topic !== undefined) this.#push(topic, emission)
      return
    }
    this.#broadcast(emission, new WeakSet())
  }

  /** A durable event that can't be shown leaves no hole: the log may have it in a better shape; else streams go on to its id. */
  #push (topic: Topic, emission: AnyEmission): void {
    const { seq } = emission
    try {
      topic.push({ emission, frame: frameOf(emission) })
    } catch (error) {
      if (seq === undefined) throw error
      this.#report(error, emission)
      if (this.#log !== undefined) {
        void this.#fill(topic)
        return
      }
      topic.push({ emission, frame: blankFrame(emission) })
    }
    this.#activate(topic)
  }

  /** To the followers of any of the topics, but for those who were told before. */
  #broadcast (emission: AnyEmission, told: WeakSet<Stream>): void {
    const audience = new Set<Stream>()
    for (const name of emission.topics) {
      for (const stream of this.#topics.get(name)?.live ?? []) if (!told.has(stream)) audience.add(stream)
    }
    if (audience.size === 0) return
    for (const stream of audience) told.add(stream)
    if (this.#broadcasts.size >= BROADCASTS_MAX) this.#broadcasts.delete(this.#broadcasts.values().next().value!)
    this.#broadcasts.add(new Job([frameOf(emission)], audience))
    this.#schedule()
  }

  // ---- streams

  /** Lets a connection follow topics from now on. */
  subscribe (sink: Sink, { userId = '', topics, expiresAt = null }: SubscribeOptions): Stream {
    const stream = this.open({ id: randomUUID(), userId, sink, all: false, echo: false, expiresAt })
    for (const topic of topics) this.follow(stream, topic, this.#topics.get(topic)?.head ?? 0, this.#settled)
    return stream
  }

  /** Takes a connection. It gets nothing before it was told what to follow and started. */
  open (options: StreamOptions): Stream {
    const stream = new Stream(options, this)
    this.#streams.set(stream.id, stream)
    if (stream.all) {
      const set = this.#byUser.get(stream.userId) ?? new Set()
      this.#byUser.set(stream.userId, set.add(stream))
      if (set.size === 1) this.#whenHeard(this.#relay.listenUser(stream.userId))
    }
    if (this.#closed) this.end(stream, 'shutdown')
    return stream
  }

  /**
   * Lets a stream follow a topic from after a `seq` on; by itself from `head` on.
   *
   * `head` is the topic's newest `seq` as it was read, together with the user's right to follow, when the hub's position
   * was `asOf`: what has come since is looked up, and a leave among it ends the following.
   */
  follow (stream: Stream, name: string, head: number, asOf: number, after = head): void {
    let topic = this.#topics.get(name)
    if (topic === undefined) {
      topic = this.#addTopic(name, head)
      this.lookBack(asOf)
    }
    stream.topics.add(topic)
    if (after === topic.head) topic.live.add(stream)
    else this.#setBehind(stream, topic, after, head)
  }

  /**
   * Gets topics ready for a stream that will follow many of them, in slices, with heads that were read when the hub's
   * position was `asOf`. Those that nobody follows in the end have to be released.
   */
  async prepare (topics: Iterable<{ name: string, head: number }>, asOf: number): Promise<void> {
    let slice = new LoopSlice()
    for (const { name, head } of topics) {
      if (!this.#topics.has(name)) {
        this.#addTopic(name, head)
        this.lookBack(asOf)
      }
      if (!slice.isOver) continue
      await new Promise(resolve => setImmediate(resolve))
      slice = new LoopSlice()
    }
  }

  /** Forgets topics that were made ready and that nobody follows. */
  release (names: Iterable<string>): void {
    for (const name of names) {
      const topic = this.#topics.get(name)
      if (topic !== undefined) this.#drop(topic)
    }
  }

  /** What other nodes said before the bus brought it here is looked up; for all that come together, once. */
  #whenHeard (listening: Promise<void> | undefined): void {
    void listening?.then(() => {
      this.#lookSoon ??= this.clock.after(0, () => {
        this.#lookSoon = undefined
        this.#lookAgain()
      })
    })
  }

  /** Sweeps; one that is under way may have looked already. */
  #lookAgain (): void {
    if (this.#closed) return
    this.#lookFrom = Math.min(this.#lookFrom, this.#settled)
    void this.sweep()
  }

  /** Looks up what has happened since the hub's position was `asOf`, when something was read that is used only now. */
  lookBack (asOf: number): void {
    if (asOf >= this.#settled) return
    this.#lookFrom = Math.min(this.#lookFrom, asOf)
    this.#floor = this.#seenUpTo()
    void this.sweep()
  }

  /** Says why, and ends the stream. */
  end (stream: Stream, reason: EndReason): void {
    stream.end(reason, this.retryAfterMs(reason))
  }

  /** When the client should come back: spread, so that not all do at once; null: never. */
  retryAfterMs (reason: EndReason): number | null {
    if (reason === 'token_expired') return 0
    if (reason === 'removed') return null
    return Math.round(RETRY_AFTER_MS.min + Math.random() * (RETRY_AFTER_MS.max - RETRY_AFTER_MS.min))
  }

  expiring (stream: Stream): void {
    this.#watcher.expiring(stream)
  }

  expired (stream: Stream): void {
    this.end(stream, 'token_expired')
  }

  tooSlow (stream: Stream): void {
    this.counters.tooSlow++
    this.end(stream, 'too_slow')
  }

  closed (stream: Stream): void {
    this.#streams.delete(stream.id)
    for (const topic of stream.topics) this.#unfollow(stream, topic)
    this.#forgetUser(stream)
    this.#watcher.closed(stream)
    if (this.#streams.size === 0) this.#emptied?.()
  }

  #forgetUser (stream: Stream): void {
    const set = this.#byUser.get(stream.userId)
    if (set?.delete(stream) === true && set.size === 0) {
      this.#byUser.delete(stream.userId)
      this.#relay.unlistenUser(stream.userId)
    }
  }

  /** Ends all streams, each with a waiting time of its own, and takes no more; resolves when they are closed. */
  async endAll (reason: EndReason = 'shutdown'): Promise<void> {
    this.#closed = true
    for (const stream of this.#streams.values()) this.end(stream, reason)
    if (this.#streams.size > 0) await new Promise<void>(resolve => { this.#emptied = resolve })
  }

  /** Ends everything. */
  async close (): Promise<void> {
    await this.endAll()
    clearInterval(this.#sweepTimer)
    await this.#sweeping
    this.clock.stop()
  }

  #addTopic (name: string, head: number): Topic {
    const topic = new Topic(name, head)
    this.#topics.set(name, topic)
    this.#whenHeard(this.#relay.listenTopic(name))
    return topic
  }

  #leave (stream: Stream, topic: Topic): void {
    stream.leave(topic)
    this.#unfollow(stream, topic)
  }

  #unfollow (stream: Stream, topic: Topic): void {
    stream.topics.delete(topic)
    stream.catchUp(topic)
    topic.live.delete(stream)
    topic.behind.delete(stream)
    topic.job?.remaining.delete(stream)
    this.#drop(topic)
  }

  /** Forgets a topic that nobody follows; not with something in line, by which somebody may come in. */
  #drop (topic: Topic): void {
    if (topic.followed || this.#topics.get(topic.name) !== topic) return
    // without a log a gap is never filled
    if (!topic.idle && (this.#log !== undefined || !topic.hasGap)) return
    this.#topics.delete(topic.name)
    this.#active.delete(topic)
    this.#relay.unlistenTopic(topic.name)
  }

  // ---- turns: what has come since the last one, to all who follow

  #activate (topic: Topic): void {
    if (!this.#active.has(topic)) {
      topic.floor = this.#floor
      this.#active.add(topic)
    }
    this.#schedule()
  }

  #schedule (): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => { this.#turn() })
  }

  #turn (): void {
    this.#scheduled = false
    const before = this.#floor
    const touched = new Set<Stream>()
    const jobs = this.#serve(touched)
    this.#floor = this.#seenUpTo()
    if (touched.size > 0) this.#writeInboxes(touched, before)
    for (const { newest } of jobs) if (newest !== undefined) this.#shown = later(this.#shown, newest)
    if (this.#broadcasts.size > 0) return this.#schedule()
    for (const topic of this.#active) {
      if (topic.job !== undefined || topic.ready) return this.#schedule()
    }
  }

  /** Serves jobs, small audiences first, as far as this turn's slice goes. */
  #serve (touched: Set<Stream>): Job[] {
    for (const topic of this.#active) this.#startJob(topic)
    const jobs: Array<[Job, Topic | undefined]> = [...this.#broadcasts].map(job => [job, undefined])
    for (const topic of this.#active) if (topic.job !== undefined) jobs.push([topic.job, topic])
    if (jobs.length > 1) jobs.sort(([a], [b]) => a.remaining.size - b.remaining.size)

    const slice = new Slice()
    const served: Job[] = []
    for (const [job, topic] of jobs) {
      served.push(job)
      for (const stream of job.remaining) {
        if (slice.isOver) return served
        job.remaining.delete(stream)
        this.#serveOne(job, topic, stream, touched, slice)
      }
      if (topic === undefined) {
        this.#broadcasts.delete(job)
      } else {
        topic.job = undefined
        this.#rest(topic)
      }
    }
    return served
  }

  #startJob (topic: Topic): void {
    if (topic.job === undefined && topic.ready) {
      topic.job = topic.nextJob(userId => this.#byUser.get(userId) ?? [])
    }
    if (topic.job === undefined) {
      if (topic.hasGap && !topic.ready) void this.#fill(topic)
      this.#rest(topic)
    }
  }

  #rest (topic: Topic): void {
    if (!topic.idle) return
    topic.floor = undefined
    this.#active.delete(topic)
    this.#drop(topic)
  }

  #serveOne (job: Job, topic: Topic | undefined, stream: Stream, touched: Set<Stream>, slice: Slice): void {
    if (!stream.open || (topic !== undefined && stream.behind.has(topic))) return
    const frames = job.framesFor(stream)
    if (stream.all) {
      stream.inbox.push({ topic, job, frames })
      touched.add(stream)
      slice.owes(job.length)
      return
    }
    if (frames.length > 0) {
      const bytes = job.topicBytes(frames)
      slice.wrote(bytes.length)
      if (stream.hasRoomFor(bytes.length)) this.#write(stream, bytes, frames.length)
      else if (topic !== undefined && isDurable(frames)) return this.#fallBehind(stream, topic, job)
    }
    if (job.leaving.has(stream)) this.end(stream, 'removed')
  }

  /** Streams of all topics: whatever this turn has for one is one write. */
  #writeInboxes (touched: Set<Stream>, before: number): void {
    const shared = [this.#claim(before), this.#claim(this.#floor)] as const
    for (const stream of touched) {
      const inbox = stream.inbox
      stream.inbox = []
      if (!stream.open) continue
      const [first] = inbox
      const last = inbox.findLastIndex(({ frames }) => isDurable(frames))
      const isAhead = stream.since > before
      const [from, to] = isAhead ? [this.#claim(stream.since), this.#claim(Math.max(this.#floor, stream.since))] : shared
      const bytes = inbox.length === 1 && first!.frames === first!.job.frames && stream.behind.size === 0 && !isAhead
        ? first!.job.allBytes(from, to, this.#shown)
        : Buffer.from(this.#inboxText(inbox, stream.behind.size > 0 ? stream.claim ?? from : from, stream.behind.size > 0 ? stream.claim ?? from : to, last))
      if (bytes.length > 0) {
        if (stream.hasRoomFor(bytes.length)) this.#write(stream, bytes, inbox.reduce((sum, { frames }) => sum + frames.length, 0))
        else if (last !== -1) this.#allFallBehind(stream, inbox, from)
      }
      for (const { topic, job } of inbox) {
        if (topic !== undefined && job.leaving.has(stream) && !stream.behind.has(topic)) this.#leave(stream, topic)
      }
    }
  }

  #inboxText (inbox: Stream['inbox'], before: Claim, after: Claim, last: number): string {
    let shown = this.#shown
    return inbox.map(({ job, frames }, index) => {
      const text = allText(frames, before, index === last ? after : before, shown)
      if (job.newest !== undefined) shown = later(shown, job.newest)
      return text
    }).join('')
  }

  #write (stream: Stream, bytes: Buffer, events: number): void {
    this.counters.writes++
    this.counters.deliveries += events
    this.counters.bytes += bytes.length
    stream.write(bytes)
  }

  /** The position up to which all streams have been sent everything. */
  #seenUpTo (): number {
    let position = Math.min(this.#settled, this.#lookFrom, this.#lookingFrom)
    for (const { floor } of this.#active) if (floor !== undefined && floor < position) position = floor
    return position
  }

  /** What may be claimed when everything up to a position was sent. Successive events mostly have the same id. */
  #claim (position: number): Claim {
    const at = { position, tag: this.tagAt(position) }
    let last: { shown: Transaction, id: string } | undefined
    return shown => {
      if (last?.shown !== shown) last = { shown, id: this.#log?.cursor(at, shown) ?? '' }
      return last.id
    }
  }

  // ---- the log: for who is behind, and for what wasn't heard

  #fallBehind (stream: Stream, topic: Topic, job: Job): void {
    this.counters.fellBehind++
    this.#setBehind(stream, topic, job.before)
  }

  #allFallBehind (stream: Stream, inbox: Stream['inbox'], claim: Claim): void {
    this.counters.fellBehind++
    const missed = new Map(inbox.map(({ topic, job }) => [topic, job]))
    for (const topic of stream.topics) {
      if (stream.behind.has(topic)) continue
      const unsent = missed.get(topic) ?? (topic.job?.remaining.has(stream) === true ? topic.job : undefined)
      const from = unsent?.before ?? topic.head
      this.#setBehind(stream, topic, from, from, unsent?.joinsLate(stream.userId))
    }
    stream.claim ??= claim
  }

  #setBehind (stream: Stream, topic: Topic, sent: number, entitledAt = sent, away = false): void {
    topic.live.delete(stream)
    topic.behind.add(stream)
    stream.fallBehind(topic, { sent, entitledAt, since: performance.now(), away })
    if (!stream.catchingUp) void this.#catchUp(stream)
  }

  /** Sends what a stream is behind with; nothing in this turn of the event loop. */
  async #catchUp (stream: Stream): Promise<void> {
    stream.catchingUp = true
    await new Promise(resolve => setImmediate(resolve))
    let end = performance.now() + CATCH_UP_MS
    while (stream.open && stream.behind.size > 0) {
      await stream.drained()
      if (performance.now() > end) {
        await new Promise(resolve => setImmediate(resolve))
        end = performance.now() + CATCH_UP_MS
      }
      const next = stream.behind.entries().next().value as [Topic, Progress] | undefined
      if (!stream.open || next === undefined) break
      const [topic, progress] = next
      if (progress.sent > topic.head) await this.#underWay(topic)
      else if (progress.sent < topic.head) await this.#sendPage(stream, topic, progress)
      else if (progress.away) this.#leave(stream, topic)
      else this.#goLive(stream, topic)
    }
    stream.catchingUp = false
  }

  /** The database is ahead of what the topic has sent: a turn brings it there, or else the log. */
  async #underWay (topic: Topic): Promise<void> {
    if (topic.idle) void this.#fill(topic)
    await new Promise(resolve => setImmediate(resolve))
  }

  #goLive (stream: Stream, topic: Topic): void {
    stream.catchUp(topic)
    topic.behind.delete(stream)
    topic.live.add(stream)
    if (stream.behind.size === 0) stream.claim = stream.claimAfter = undefined
  }

  async #sendPage (stream: Stream, topic: Topic, progress: Progress): Promise<void> {
    // as this node knows the topic, which another may have taken further: who takes longer reads it as it is now, so that a text
    // that was deleted meanwhile doesn't come
    const isRecent = performance.now() - progress.since < KEPT_FOR_MS
    const page = await this.#readPage(topic.name, progress.sent, isRecent ? Math.max(progress.entitledAt, topic.head) : undefined)
    if (page === undefined) return await this.#pause()
    if (!stream.open || stream.behind.get(topic) !== progress) return
    if (!this.#allFit(page)) return await this.#pause()
    const last = page.at(-1)
    // what comes next is not kept any more: whoever resumes is told
    if (last === undefined || page[0]!.emission.seq !== progress.sent + 1) return this.tooSlow(stream)

    this.#takeNews(topic, page)
    const frames = permitted(page, stream, progress).map(({ frame }) => frame).filter(frame => isFor(frame, stream))
    if (frames.length > 0) this.#write(stream, Buffer.from(stream.all ? this.#catchUpText(stream, frames) : topicText(frames)), frames.length)
    progress.sent = last.emission.seq!
    if (stream.claimAfter !== undefined) stream.claim = stream.claimAfter(last.frame)
    if (progress.away && !stream.all) this.end(stream, 'removed')
  }

  #catchUpText (stream: Stream, frames: Frame[]): string {
    return frames.map(frame => {
      const claim = stream.claimAfter?.(frame) ?? stream.claim ?? this.#claim(this.#floor)
      this.#shown = later(this.#shown, frame)
      return allText([frame], claim, claim, this.#shown)
    }).join('')
  }

  /** What a page tells beyond what its topic has sent is news for all of its followers. */
  #takeNews (topic: Topic, page: LoggedEvent[]): void {
    const news = page.filter(({ emission }) => emission.seq! > topic.head)
    if (news.length === 0 || news[0]!.emission.seq !== topic.head + 1) return
    for (const event of news) topic.push(event)
    this.#activate(topic)
    this.#startJob(topic)
  }

  /** Reads what is missing in a topic, and what has come since. */
  async #fill (topic: Topic): Promise<void> {
    if (topic.filling || this.#log === undefined) return
    topic.filling = true
    this.#activate(topic)
    this.counters.gaps++
    while (!this.#closed && this.#topics.get(topic.name) === topic) {
      const after = topic.head
      const page = await this.#readPage(topic.name, after)
      if (this.#topics.get(topic.name) !== topic) break
      if (page === undefined || !this.#allFit(page)) {
        await this.#pause()
        continue
      }
      if (page.length > 0 && page[0]!.emission.seq !== after + 1 && topic.head === after) {
        // what is missing is not kept any more: who follows comes back and is told, who comes begins behind it
        for (const stream of [...topic.live, ...topic.behind]) this.tooSlow(stream)
        topic.head = page[0]!.emission.seq! - 1
      }
      this.#takeNews(topic, page)
      if (page.length < PAGE && !topic.hasGap) break
      if (page.length === 0) await this.#pause()
      else await new Promise(resolve => setImmediate(resolve))
    }
    topic.filling = false
    this.#schedule()
    this.#rest(topic)
  }

  /** Whether a page of the log contradicts nothing that is known. What is old isn't worth remembering. */
  #allFit (page: LoggedEvent[]): boolean {
    for (const { emission: { position = 0, tag } } of page) {
      if (position > this.#settled) this.#learn({ position, tag })
      else if (this.#known.contradicts({ position, tag })) this.#doubt(position)
    }
    return this.#doubts === this.#doubtsSettled
  }

  /** A page of the log, as it is now or when the topic had come to `asOf`; undefined when the database is away. */
  async #readPage (name: string, after: number, asOf?: number): Promise<LoggedEvent[] | undefined> {
    this.counters.pages++
    return this.#pages === undefined ? [] : await this.#pages.read(name, after, asOf)
  }

  async #pause (): Promise<void> {
    await new Promise<void>(resolve => {
      if (this.#closed) resolve()
      else setTimeout(resolve, RETRY_MS).unref()
    })
  }

  /** Looks in the log for what the bus did not bring: one small query when nothing has happened elsewhere. */
  async sweep (): Promise<void> {
    if (this.#log === undefined) {
      this.#lookFrom = Infinity
      return
    }
    this.#sweeping ??= this.#sweepAll().finally(() => { this.#sweeping = undefined })
    await this.#sweeping
  }

  async #sweepAll (): Promise<void> {
    try {
      if (this.#streams.size === 0 && this.#topics.size === 0) return await this.#skipAhead()
      do await this.#sweep()
      while (this.#lookFrom < Infinity)
    } catch {
      // the database is away: next time, from the same place
      this.#lookFrom = Math.min(this.#lookFrom, this.#lookingFrom)
    } finally {
      this.#lookingFrom = Infinity
    }
  }

  /** Nobody follows anything: there is nothing to look for, only to know where the log is when somebody comes. */
  async #skipAhead (): Promise<void> {
    this.#lookFrom = Infinity
    const newest = await this.#compare()
    if (newest !== undefined && this.#topics.size === 0 && newest.position > this.#settled) this.#settled = this.#floor = newest.position
  }

  /** The log's newest transaction; undefined where it has just turned out to be another log than the one that was known. */
  async #compare (): Promise<Newest | undefined> {
    if (this.#log === undefined) return undefined
    const doubts = this.#doubts
    const { positions, isSame, again } = this.#known.compare()
    let newest
    try {
      newest = await this.#log.look(positions)
    } catch (error) {
      again()
      throw error
    }
    if (!isSame(newest)) {
      this.#diverge(newest)
      return undefined
    }
    this.#doubtsSettled = doubts
    this.#learn(newest)
    return newest
  }

  /** Begins with the log as it is. */
  #begin (newest: Newest): void {
    this.#known.restart(newest)
    this.#settled = this.#floor = newest.position
    this.#shown = newest
    this.#doubtsSettled = this.#doubts
    this.#lookFrom = this.#lookingFrom = Infinity
  }

  /**
   * The log lacks events that streams were sent, or has others in their place: as after a failover to a replica that hadn't
   * got the newest. All streams end. What they may follow, and where each of them is, has to be looked up again; that is
   * what opening a stream does, and nothing new is written to one between here and its end.
   */
  #diverge (newest: Newest): void {
    this.counters.diverged++
    for (const name of this.#topics.keys()) this.#relay.unlistenTopic(name)
    this.#topics.clear()
    this.#active.clear()
    this.#broadcasts.clear()
    const streams = [...this.#streams.values()]
    for (const stream of streams) {
      stream.detach()
      this.#forgetUser(stream)
    }
    this.#pages = new PageReader(this.#log!)
    this.#begin(newest)
    this.#watcher.diverged(streams, newest)
  }

  async #sweep (): Promise<void> {
    if (this.#log === undefined) return
    const known = this.#lookingFrom = Math.min(this.#settled, this.#lookFrom)
    this.#lookFrom = Infinity
    const newest = await this.#compare()
    if (newest === undefined || newest.position <= known) return
    const { position } = newest
    const [changed, joined] = await Promise.all([this.#log.changedSince(known), this.#log.joinedSince(known)])
    for (const { topic: name, userId, seq } of joined) {
      for (const stream of this.#byUser.get(userId) ?? []) {
        const topic = this.#topics.get(name)
        const follows = topic !== undefined && stream.topics.has(topic)
        if (!follows && !stream.hasPassed(name, seq)) this.follow(stream, name, seq - 1, this.#settled)
      }
    }
    for (const { topic: name, seq } of changed) {
      const topic = this.#topics.get(name)
      if (topic !== undefined && topic.head < seq) void this.#fill(topic)
    }
    if (position > this.#settled) this.#settled = position
    this.#lookingFrom = Infinity
    this.#floor = this.#seenUpTo()
  }
}

/** The events of a page that the stream's user may see: nothing between leaving and coming back. */
function permitted (page: LoggedEvent[], { userId, all }: Stream, progress: Progress): LoggedEvent[] {
  const events: LoggedEvent[] = []
  for (const event of page) {
    const { joins, leaves, seq } = event.emission
    if (progress.away) progress.away = joins?.includes(userId) !== true
    if (progress.away) continue
    events.push(event)
    progress.away = leaves === userId && seq! > progress.entitledAt
    if (progress.away && !all) break
  }
  return events
}

const isDurable = (frames: readonly Frame[]): boolean => frames.some(({ seq }) => seq !== undefined)
