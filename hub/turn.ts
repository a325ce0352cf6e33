import { elapsedMs } from '../time.js'
import type { HubCounters } from './counters.js'
import type { AnyEmission, Catalogue } from './emission.js'
import { allText, frameOf, isDurable, isOwed, type Cursor, type Frame } from './frame.js'
import type { Horizon } from './horizon.js'
import { readHidden } from './hidden.js'
import { Job } from './job.js'
import { later } from './known-log.js'
import type { FramedEvent, Log } from './log.js'
import type { Registry } from './registry.js'
import { Slice } from './slice.js'
import type { Progress, Stream } from './stream.js'
import type { Topic } from './topic.js'

/** Ephemeral events for several topics that may be under way. Beyond that, the oldest goes no further. */
export const BROADCASTS_MAX = 1000

export interface TurnOwner {
  /** Something that a topic has come to is missing. */
  missing(topic: Topic): void
  /** A stream has no room for its events: it goes on in the log. */
  fellBehind(stream: Stream, topic: Topic, progress: Progress): void
  /** The user of a stream of one topic has been removed from it. */
  removed(stream: Stream): void
}

type Join = (first: AnyEmission, second: AnyEmission) => AnyEmission | undefined

/** The frames that a stream of all topics gets of one job in this turn. */
interface Due { topic: Topic | undefined, job: Job, frames: readonly Frame[] }

/**
 * Sends what has come since the last turn of the event loop to all who follow: collects each topic's events into a job, serves
 * jobs to their streams as far as the turn's slice goes, and writes each stream once.
 */
export class Turn<C extends Catalogue> {
  readonly #horizon: Horizon<C>
  readonly #registry: Registry
  readonly #counters: HubCounters
  readonly #owner: TurnOwner
  /** Topics with something under way, and the horizon's floor when that began. */
  readonly #active = new Map<Topic, number>()
  /** Ephemeral events for the followers of several topics. */
  readonly #broadcasts = new Set<Job>()
  #join: Join | undefined
  #scheduled = false

  constructor (horizon: Horizon<C>, registry: Registry, counters: HubCounters, owner: TurnOwner) {
    this.#horizon = horizon
    this.#registry = registry
    this.#counters = counters
    this.#owner = owner
  }

  /** Joins ephemeral events as this log says. */
  joinBy ({ joined }: Log<C>): void {
    this.#join = joined as Join | undefined
  }

  /** Whether a topic has something under way. */
  get isBusy (): boolean {
    return this.#active.size > 0
  }

  /** The lowest floor of the topics with something under way; Infinity where there are none. */
  get heldAt (): number {
    let position = Infinity
    for (const floor of this.#active.values()) if (floor < position) position = floor
    return position
  }

  // ---- what is to be sent

  add (topic: Topic, event: FramedEvent): void {
    topic.push(event)
    this.activate(topic)
  }

  /**
   * Sends an event to the live followers of its topics that may see it, and to its users (those of their streams that follow `within`, if
   * that is given), except the streams in `told`, and adds them to it.
   */
  broadcast (emission: AnyEmission, told: WeakSet<Stream>): void {
    const audience = new Set<Stream>()
    const { topics, users = [], within, only, hidden } = emission
    const isHidden = hidden === undefined ? undefined : readHidden(hidden)
    for (const name of topics) {
      for (const stream of this.#registry.topic(name)?.live ?? []) {
        if (!told.has(stream) && (only === undefined || stream.userId === only) && isHidden?.(stream.userId) !== true) audience.add(stream)
      }
    }
    for (const userId of users) {
      if (topics.length === 0) this.#registry.keep(userId, emission)
      for (const stream of this.#registry.everyStreamOf(userId)) {
        if (!told.has(stream) && (within === undefined || stream.topics.has(within))) audience.add(stream)
      }
    }
    if (audience.size === 0) return
    for (const stream of audience) told.add(stream)
    if (this.#broadcasts.size >= BROADCASTS_MAX) this.#broadcasts.delete(this.#broadcasts.values().next().value!)
    this.#broadcasts.add(new Job([frameOf(emission)], audience))
    this.schedule()
  }

  /** Something of a topic is under way. */
  activate (topic: Topic): void {
    if (!this.#active.has(topic)) this.#active.set(topic, this.#horizon.floor)
    this.schedule()
  }

  /** Nothing of a topic is under way, if so. */
  rest (topic: Topic): void {
    if (!topic.idle) return
    this.forget(topic)
    this.#registry.release(topic)
  }

  forget (topic: Topic): void {
    this.#active.delete(topic)
  }

  forgetAll (): void {
    this.#active.clear()
    this.#broadcasts.clear()
  }

  schedule (): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => { this.#run() })
  }

  // ---- the turn

  #run (): void {
    this.#scheduled = false
    const before = this.#horizon.floor
    const due = new Map<Stream, Due[]>()
    const jobs = this.#serve(due)
    this.#horizon.raiseFloor()
    if (due.size > 0) this.#writeDue(due, before)
    for (const { newest } of jobs) if (newest !== undefined) this.#horizon.show(newest)
    if (this.#hasMore) this.schedule()
  }

  get #hasMore (): boolean {
    if (this.#broadcasts.size > 0) return true
    for (const topic of this.#active.keys()) if (topic.job !== undefined || topic.ready) return true
    return false
  }

  /** Serves jobs, small audiences first, as far as the slice goes. */
  #serve (due: Map<Stream, Due[]>): Job[] {
    for (const topic of this.#active.keys()) this.startJob(topic)
    const jobs: Array<[Job, Topic | undefined]> = [...this.#broadcasts].map(job => [job, undefined])
    for (const topic of this.#active.keys()) if (topic.job !== undefined) jobs.push([topic.job, topic])
    if (jobs.length > 1) jobs.sort(([a], [b]) => a.remaining.size - b.remaining.size)

    const slice = new Slice()
    const served: Job[] = []
    for (const [job, topic] of jobs) {
      served.push(job)
      for (const stream of job.remaining) {
        if (slice.isOver) return served
        job.take(stream)
        this.#serveOne(job, topic, stream, due, slice)
      }
      if (topic === undefined) {
        this.#broadcasts.delete(job)
      } else {
        topic.endJob()
        this.rest(topic)
      }
    }
    return served
  }

  /** Collects what has come for a topic, unless its last job is still under way. */
  startJob (topic: Topic): void {
    topic.startJob(userId => this.#registry.streamsOf(userId), events => this.#joined(events))
    if (topic.job !== undefined) return
    if (topic.hasGap && !topic.ready) this.#owner.missing(topic)
    this.rest(topic)
  }

  /** Neighbours that tell of the growth of one thing become one event, so that what waits for a turn costs its readers no more. */
  #joined (events: FramedEvent[]): FramedEvent[] {
    const join = this.#join
    if (join === undefined || !events.some(({ frame: { grows } }) => grows !== undefined)) return events
    const joined: Array<Pick<FramedEvent, 'emission'> & Partial<FramedEvent>> = []
    for (const event of events) {
      const { emission } = event
      const last = joined.at(-1)?.emission
      const isNext = emission.seq === undefined && last?.seq === undefined && emission.grows !== undefined && emission.grows === last?.grows
      const both = isNext ? join(last, emission) : undefined
      if (both === undefined) joined.push(event)
      else joined[joined.length - 1] = { emission: both }
    }
    return joined.map(({ emission, frame = frameOf(emission) }) => ({ emission, frame }))
  }

  #serveOne (job: Job, topic: Topic | undefined, stream: Stream, due: Map<Stream, Due[]>, slice: Slice): void {
    if (!stream.open || (topic !== undefined && stream.behind.has(topic.name))) return
    const frames = job.framesFor(stream)
    if (stream.all) {
      const list = due.get(stream)
      if (list === undefined) due.set(stream, [{ topic, job, frames }])
      else list.push({ topic, job, frames })
      slice.owes(job.length)
      return
    }
    if (frames.length > 0) {
      const bytes = job.topicBytes(frames)
      slice.wrote(bytes.length)
      if (stream.hasRoomFor(bytes.length)) this.write(stream, bytes, frames.length)
      else if (topic !== undefined && isOwed(frames)) return this.#fallBehind(stream, topic, job)
    }
    if (job.leaving.has(stream)) this.#owner.removed(stream)
  }

  /** Writes what this turn has for streams of all topics: once for each stream. */
  #writeDue (due: Map<Stream, Due[]>, before: number): void {
    const { floor, shown } = this.#horizon
    const shared = [this.#horizon.cursorAt(before), this.#horizon.cursorAt(floor)] as const
    for (const [stream, list] of due) {
      if (!stream.open) continue
      const [first] = list
      const isAhead = stream.baseline > before
      const isBehind = stream.behind.size > 0
      const [from, to] = isAhead ? [this.#horizon.cursorAt(stream.baseline), this.#horizon.cursorAt(Math.max(floor, stream.baseline))] : shared
      const bytes = list.length === 1 && first!.frames === first!.job.frames && !isBehind && !isAhead
        ? first!.job.allBytes(from, to, shown)
        : Buffer.from(this.#textOf(list, isBehind ? stream.cursor ?? from : from, isBehind ? stream.cursor ?? from : to))
      if (bytes.length > 0) {
        if (stream.hasRoomFor(bytes.length)) this.write(stream, bytes, list.reduce((sum, { frames }) => sum + frames.length, 0))
        else if (list.some(({ frames }) => isOwed(frames))) this.#allFallBehind(stream, list, from)
      }
      for (const { topic, job } of list) {
        if (topic !== undefined && job.leaving.has(stream) && !stream.behind.has(topic.name)) this.#registry.leave(stream, topic)
      }
    }
  }

  #textOf (list: Due[], before: Cursor, after: Cursor): string {
    let { shown } = this.#horizon
    const last = list.findLastIndex(({ frames }) => isDurable(frames))
    return list.map(({ job, frames }, index) => {
      const text = allText(frames, before, index === last ? after : before, shown)
      if (job.newest !== undefined) shown = later(shown, job.newest)
      return text
    }).join('')
  }

  write (stream: Stream, bytes: Buffer, events: number): void {
    this.#counters.writes++
    this.#counters.deliveries += events
    this.#counters.bytes += bytes.length
    stream.write(bytes)
  }

  #fallBehind (stream: Stream, topic: Topic, { before, growth }: Job): void {
    this.#counters.fellBehind++
    this.#owner.fellBehind(stream, topic, { sent: before, entitledAt: before, fellBehindAt: elapsedMs(), growth, away: false })
  }

  /** A stream of all topics falls behind with all of them, so that its cursor stays true. */
  #allFallBehind (stream: Stream, list: Due[], cursor: Cursor): void {
    this.#counters.fellBehind++
    const missed = new Map(list.map(({ topic, job }) => [topic?.name, job]))
    for (const name of stream.topics) {
      const topic = this.#registry.topic(name)
      if (topic === undefined || stream.behind.has(name)) continue
      const unsent = missed.get(name) ?? (topic.job?.remaining.has(stream) === true ? topic.job : undefined)
      const sent = unsent?.before ?? topic.head
      const growth = unsent?.growth ?? topic.growth
      const away = unsent?.joinsLate(stream.userId) ?? false
      this.#owner.fellBehind(stream, topic, { sent, entitledAt: sent, fellBehindAt: elapsedMs(), growth, away })
    }
    stream.holdCursor(cursor)
  }
}
