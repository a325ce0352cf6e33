import { randomUUID } from 'node:crypto'
import { BoundedCache } from '../bounded-cache.js'
import { elapsedMs, wallClockMs } from '../time.js'
import { LocalBus, type Bus } from './bus.js'
import { CatchUp } from './catch-up.js'
import { Clock, type Alarm } from './clock.js'
import { noCounts, type HubCounters } from './counters.js'
import { assertRoutable, isOfOneTopic, unsendable, type AnyEmission, type Catalogue, type Emission } from './emission.js'
import { blankFrame, frameOf } from './frame.js'
import { Heartbeats } from './heartbeats.js'
import { Horizon } from './horizon.js'
import type { Transaction } from './known-log.js'
import { PageReader, type Log } from './log.js'
import { waitAfter, type EndReason, type HubOptions, type StreamWatcher, type SubscribeOptions } from './options.js'
import { Pace } from './pace.js'
import { Registry, type Expected } from './registry.js'
import { Relay, type Receiver } from './relay.js'
import { LoopSlice, nextTurn } from './slice.js'
import type { Follow, ReadPoint, StartOptions } from './start.js'
import { Stream, type Sink, type StreamLimits, type StreamOwner } from './stream.js'
import type { Topic } from './topic.js'
import { Turn } from './turn.js'

export type { EndReason, HubOptions, StreamWatcher, SubscribeOptions } from './options.js'

/** Broadcasts of other nodes whose audience is remembered while their parts arrive. */
export const TOLD_MAX = 1000
/** Topics of one stream that are made ready in slices, if there are this many. */
const MANY = 200

/**
 * Takes typed events and writes them to the streams that follow their topics. Durable events arrive in order and once, by
 * their numbers, whatever the bus between nodes loses, repeats or reorders; what is missing is read from the log. An event is
 * serialised once, all events of one turn of the event loop are one write per stream, and a stream never holds more than its
 * budget: if its peer is slow, it reads on in the log.
 *
 * This is the face. `Registry` has the streams and topics, `Turn` sends, `CatchUp` reads the log, and `Horizon` knows how far
 * the hub is in it.
 */
export class Hub<C extends Catalogue> implements StreamOwner, Receiver {
  readonly clock = new Clock()
  readonly heartbeats: Heartbeats
  readonly limits: StreamLimits
  readonly now: () => number
  readonly counters: HubCounters = noCounts()

  readonly #bus: Bus
  readonly #onError: (error: Error) => void
  readonly #relay: Relay
  readonly #registry: Registry
  readonly #horizon: Horizon<C>
  readonly #turn: Turn<C>
  readonly #pace = new Pace<C>(this.clock, (topic, emission) => { this.#add(topic, emission) })
  readonly #catchUp: CatchUp<C>
  #log: Log<C> | undefined
  #watcher: StreamWatcher = {
    closed () {},
    expiring () {},
    diverged: streams => { for (const stream of streams) this.end(stream, 'unavailable') }
  }

  /** Streams that already got a broadcast from another node, which arrives once per topic. */
  readonly #told = new BoundedCache<WeakSet<Stream>>(TOLD_MAX)
  /** Resolves once the last of the streams that are prepared may start. */
  #prepared: Promise<void> = Promise.resolve()
  #lookSoon: Alarm | undefined
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
    this.#registry = new Registry(this.#relay, {
      listening: joined => { this.#lookWhenHeard(joined) },
      // Without a log a gap is never filled. A topic with events in line stays: somebody may come in by one of them
      isDone: topic => topic.idle || (!this.#horizon.hasLog && topic.hasGap),
      forgotten: topic => { this.#turn.forget(topic) }
    })
    this.#horizon = new Horizon({
      isIdle: () => this.#registry.streamCount === 0 && this.#registry.topicCount === 0,
      isBusy: () => this.#turn.isBusy,
      heldAt: () => this.#turn.heldAt,
      foundJoin: (name, userId, seq) => { this.#foundJoin(name, userId, seq) },
      foundEnd: emission => { this.#end(emission) },
      foundEvents: (name, seq) => { this.#foundEvents(name, seq) },
      diverged: newest => { this.#diverged(newest) }
    })
    this.#turn = new Turn(this.#horizon, this.#registry, this.counters, {
      missing: topic => { void this.#catchUp.fill(topic) },
      fellBehind: (stream, topic, progress) => { this.#catchUp.begin(stream, topic, progress) },
      removed: stream => { this.end(stream, 'removed') }
    })
    this.#catchUp = new CatchUp(this.#horizon, this.#registry, this.#turn, this.counters, {
      isClosing: () => this.#closed,
      tooSlow: stream => { this.tooSlow(stream) },
      removed: stream => { this.end(stream, 'removed') }
    })
    this.#bus.onReconnect(() => { this.#lookAgain() })
  }

  /** Keeps durable events in order by a log, and tells of streams. Call it before the first of them. */
  async useLog (log: Log<C>, watcher?: StreamWatcher): Promise<void> {
    this.#log = log
    this.#readPages(log)
    this.#turn.joinBy(log)
    this.#pace.joinBy(log)
    if (watcher !== undefined) this.#watcher = watcher
    await this.#horizon.useLog(log)
  }

  #readPages (log: Log<C>): void {
    this.#catchUp.usePages(new PageReader(log, (error, emission) => { this.#report(error, emission) }))
  }

  /** Whether the bus to other nodes passes messages. */
  get busConnected (): boolean {
    return this.#bus.connected
  }

  get streamCount (): number {
    return this.#registry.streamCount
  }

  get topicCount (): number {
    return this.#registry.topicCount
  }

  get closing (): boolean {
    return this.#closed
  }

  /** The newest position up to which all events are sent or under way; 0 without a log. */
  get position (): number {
    return this.#horizon.position
  }

  /** Tag of the transaction at a position, where the hub knows it. */
  tagAt (position: number): string | undefined {
    return this.#horizon.tagAt(position)
  }

  stream (id: string): Stream | undefined {
    return this.#registry.stream(id)
  }

  // ---- events

  /** Sends events to the followers of their topics, on this node and the others. Never throws: `onError` is told what cannot be sent. */
  emit (...emissions: ReadonlyArray<Emission<C>>): void {
    for (const emission of emissions) {
      try {
        assertRoutable(emission)
        this.#horizon.committed(emission)
        this.#dispatch(emission)
        this.#relay.send(emission)
      } catch (error) {
        this.#report(error, emission)
      }
    }
  }

  #report (cause: unknown, emission: AnyEmission): void {
    try {
      this.#onError(unsendable(emission, cause))
    } catch { /* It has nobody to tell */ }
  }

  /** Everything that the transaction at `position` logged has been given to `emit`. */
  settle (position: number, tag?: string): void {
    this.#horizon.settle({ position, tag })
  }

  /** An event of another node. */
  received (emission: AnyEmission, broadcast: string | undefined): void {
    if (broadcast === undefined) return this.#dispatch(emission)
    let told = this.#told.get(broadcast)
    if (told === undefined) this.#told.set(broadcast, told = new WeakSet())
    this.#turn.broadcast(emission, told)
  }

  /** Another node has committed events of a topic up to this `seq`. */
  announced (name: string, seq: number, joins: boolean): void {
    this.#foundEvents(name, seq)
    if (joins) this.#lookAgain()
  }

  #dispatch (emission: AnyEmission): void {
    const { topics, joins, seq, ends } = emission
    if (ends === true) return this.#end(emission)
    if (seq !== undefined && !this.#horizon.admits(emission)) return
    if (!isOfOneTopic(emission)) return this.#turn.broadcast(emission, new WeakSet())
    const name = topics[0]!
    const topic = this.#registry.topic(name) ??
      (seq !== undefined && joins?.some(userId => this.#registry.hasStreamsOf(userId)) === true ? this.#registry.addTopic(name, seq - 1) : undefined)
    if (topic !== undefined) this.#pace.send(topic, emission)
  }

  /** A topic has ended: nobody follows it any more. */
  #end (emission: AnyEmission): void {
    const topic = this.#registry.topic(emission.topics[0]!)
    if (topic === undefined) return
    this.#registry.dissolve(topic, emission, stream => { this.end(stream, 'removed') })
    this.#turn.rest(topic)
  }

  /** A durable event that cannot be written leaves no gap: the log may have it in another form; if not, streams go on to its id. */
  #add (topic: Topic, emission: AnyEmission): void {
    let frame
    try {
      frame = frameOf(emission)
    } catch (error) {
      this.#report(error, emission)
      if (emission.seq === undefined) return
      if (this.#horizon.hasLog) {
        void this.#catchUp.fill(topic)
        return
      }
      frame = blankFrame(emission)
    }
    this.#turn.add(topic, { emission, frame })
  }

  // ---- streams

  /** Lets a connection follow topics from now on. */
  subscribe (sink: Sink, { userId = '', topics, expiresAt = null }: SubscribeOptions): Stream {
    const follows = topics.map(topic => ({ topic, head: this.#registry.topic(topic)?.head ?? 0 }))
    return this.start({ id: randomUUID(), userId, sink, all: false, echo: false, expiresAt, follows })
  }

  /** Where the hub is in the log. Take it before reading what a stream is to follow. */
  readPoint (): ReadPoint {
    return { position: this.position, diverged: this.counters.diverged }
  }

  /** Collects what is sent to the user's own streams and to nobody else. Take it before reading what a stream is told at its start. */
  expect (userId: string): Expected { return this.#registry.expect(userId) }

  /**
   * Starts a stream, with all that it follows. Ends it at once if the hub is closing, or if the log has diverged since
   * `readAt`, so that what was read does not fit what comes.
   */
  start (options: StartOptions): Stream {
    const { follows = [], readAt = this.readPoint(), baseline = readAt.position, shown, resumed, greet } = options
    const stream = new Stream(options, this)
    this.#registry.addStream(stream)
    if (this.#closed) this.end(stream, 'shutdown')
    else if (readAt.diverged !== this.counters.diverged) this.end(stream, 'unavailable')
    if (!stream.open) {
      this.#release(follows)
      return stream
    }
    if (shown !== undefined) this.#horizon.showed(shown)
    for (const follow of follows) {
      this.#follow(stream, follow, readAt.position)
      if (follow.newest !== undefined) this.#horizon.know(follow.newest)
    }
    stream.startFrom(baseline, resumed)
    if (stream.all) this.#horizon.lookBack(readAt.position)
    greet?.(stream)
    return stream
  }

  /**
   * Gets the topics of a stream ready that will follow many of them, in slices, so that starting it does not block the event
   * loop. Of streams that are prepared together, one is ready in each turn.
   * @returns what undoes it, for a stream that is not started
   */
  async prepare (follows: readonly Follow[], readAt: ReadPoint): Promise<() => void> {
    if (follows.length < MANY) return () => {}
    let slice = new LoopSlice()
    for (const { topic, head } of follows) {
      this.#topic(topic, head, readAt.position)
      if (!slice.isOver) continue
      await nextTurn()
      slice = new LoopSlice()
    }
    this.#prepared = this.#prepared.then(nextTurn)
    await this.#prepared
    return () => { this.#release(follows) }
  }

  #release (follows: readonly Follow[]): void {
    for (const { topic: name } of follows) {
      const topic = this.#registry.topic(name)
      if (topic !== undefined) this.#registry.release(topic)
    }
  }

  /** The topic; where nobody has followed it, with a head that was read when the hub was at `position`. */
  #topic (name: string, head: number, position: number): Topic {
    const known = this.#registry.topic(name)
    if (known !== undefined) return known
    const topic = this.#registry.addTopic(name, head)
    this.#horizon.lookBack(position)
    return topic
  }

  #follow (stream: Stream, { topic: name, head, after = head, grows = false }: Follow, position: number): void {
    const topic = this.#topic(name, head, position)
    // A topic that has not come to what was read is still to send some of that, which the stream's ids must not cover yet
    const growth = grows ? null : topic.growth
    if (!grows && after === topic.head && head <= topic.head) topic.goLive(stream)
    else this.#catchUp.begin(stream, topic, { sent: after, entitledAt: head, fellBehindAt: elapsedMs(), growth, away: false })
  }

  /** Ends a stream, and says why. */
  end (stream: Stream, reason: EndReason): void {
    stream.end(reason, this.retryAfterMs(reason))
  }

  /** When the client should reconnect, in milliseconds, spread so that not all do at once; null: never. */
  retryAfterMs (reason: EndReason): number | null {
    return waitAfter(reason)
  }

  expiring (stream: Stream): void { this.#watcher.expiring(stream) }

  expired (stream: Stream): void { this.end(stream, 'token_expired') }

  tooSlow (stream: Stream): void {
    this.counters.tooSlow++
    this.end(stream, 'too_slow')
  }

  closed (stream: Stream): void {
    this.#registry.removeStream(stream)
    this.#watcher.closed(stream)
    if (this.streamCount === 0) this.#emptied?.()
  }

  /** Ends all streams, each with its own waiting time, and takes no more. Resolves when they are closed. */
  async endAll (reason: EndReason = 'shutdown'): Promise<void> {
    this.#closed = true
    for (const stream of this.#registry.streams()) this.end(stream, reason)
    if (this.streamCount > 0) await new Promise<void>(resolve => { this.#emptied = resolve })
  }

  /** Ends everything. */
  async close (): Promise<void> {
    await this.endAll()
    await this.#horizon.close()
    this.clock.stop()
  }

  // ---- the log

  /** Looks in the log for what the bus did not bring. The hub does so every second. */
  async sweep (): Promise<void> {
    await this.#horizon.sweep()
  }

  /** Looks up what other nodes sent before the bus brought it here; once for all channels that are joined at about the same time. */
  #lookWhenHeard (joined: Promise<void> | undefined): void {
    void joined?.then(() => {
      this.#lookSoon ??= this.clock.after(0, () => {
        this.#lookSoon = undefined
        this.#lookAgain()
      })
    })
  }

  #lookAgain (): void {
    if (!this.#closed) this.#horizon.lookAgain()
  }

  #foundEvents (name: string, seq: number): void {
    const topic = this.#registry.topic(name)
    if (topic !== undefined && topic.head < seq) void this.#catchUp.fill(topic)
  }

  #foundJoin (name: string, userId: string, seq: number): void {
    for (const stream of this.#registry.streamsOf(userId)) {
      if (!stream.topics.has(name) && !stream.hasPassed(name, seq)) this.#follow(stream, { topic: name, head: seq - 1, grows: true }, this.position)
    }
  }

  /**
   * The log lacks events that streams were sent, or has others in their place, as after a failover to a replica that lacked
   * the newest. All streams end: what their users may follow, and where each stream is, has to be read again, and that is
   * what opening a stream does. Between here and its end, nothing new is written to a stream.
   */
  #diverged (newest: Transaction): void {
    this.counters.diverged++
    const streams = this.#registry.detachAll()
    this.#turn.forgetAll()
    this.#pace.forgetAll()
    if (this.#log !== undefined) this.#readPages(this.#log)
    this.#watcher.diverged(streams, newest)
  }
}
