import { elapsedMs } from '../time.js'
import type { HubCounters } from './counters.js'
import type { Catalogue } from './emission.js'
import { allText, isFor, topicText, type Frame } from './frame.js'
import type { Horizon } from './horizon.js'
import { PAGE, type FramedEvent, type PageReader } from './log.js'
import type { Registry } from './registry.js'
import { nextTurn } from './slice.js'
import type { Progress, Stream } from './stream.js'
import { EARLY_MAX, type Topic } from './topic.js'
import type { Turn } from './turn.js'

/** Time that a stream may block the event loop while it catches up, in milliseconds (reading SQLite is synchronous). */
const CATCH_UP_MS = 8
/** A stream that has been behind for longer than this reads pages as they are now, not as they were read for others, in milliseconds. */
const SHARED_PAGES_MS = 1000
const RETRY_MS = 500

export interface CatchUpOwner {
  isClosing(): boolean
  /** A stream cannot go on: what comes next is not kept any more. */
  tooSlow(stream: Stream): void
  /** The user of a stream of one topic has been removed from it. */
  removed(stream: Stream): void
}

/**
 * Reads the log: for streams that are behind, until they have read up to their topic's head and go live with no seam, and
 * for topics with a gap, until nothing is missing.
 */
export class CatchUp<C extends Catalogue> {
  readonly #horizon: Horizon<C>
  readonly #registry: Registry
  readonly #turn: Turn<C>
  readonly #counters: HubCounters
  readonly #owner: CatchUpOwner
  #pages: PageReader<C> | undefined
  /** Streams that are catching up. */
  readonly #running = new WeakSet<Stream>()
  /** The reading of what a topic misses, while it lasts and afterwards. */
  readonly #filling = new WeakMap<Topic, Promise<void>>()

  constructor (horizon: Horizon<C>, registry: Registry, turn: Turn<C>, counters: HubCounters, owner: CatchUpOwner) {
    this.#horizon = horizon
    this.#registry = registry
    this.#turn = turn
    this.#counters = counters
    this.#owner = owner
  }

  usePages (pages: PageReader<C>): void {
    this.#pages = pages
  }

  // ---- a stream that is behind

  /** A stream reads a topic's log from here on. Sends nothing in this turn of the event loop. */
  begin (stream: Stream, topic: Topic, progress: Progress): void {
    topic.fallBehind(stream, progress)
    if (this.#running.has(stream)) return
    this.#running.add(stream)
    void this.#run(stream)
  }

  async #run (stream: Stream): Promise<void> {
    await nextTurn()
    let end = elapsedMs() + CATCH_UP_MS
    while (stream.open && stream.behind.size > 0) {
      await stream.drained()
      if (elapsedMs() > end) {
        await nextTurn()
        end = elapsedMs() + CATCH_UP_MS
      }
      const next = stream.behind.entries().next()
      if (!stream.open || next.done === true) break
      const [name, progress] = next.value
      const topic = this.#registry.topic(name)!
      if (Math.max(progress.sent, progress.entitledAt) > topic.head && progress.sent >= topic.head) await this.#bringTo(topic)
      else if (progress.sent < topic.head) await this.#sendPage(stream, topic, progress)
      else if (progress.away) this.#registry.leave(stream, topic)
      else if (progress.growth !== topic.growth) await this.#sendGrowing(stream, topic, progress)
      else topic.goLive(stream)
    }
    this.#running.delete(stream)
  }

  /** The database is ahead of what the topic has sent: events that wait bring it there, or else the log. */
  async #bringTo (topic: Topic): Promise<void> {
    if (topic.idle) void this.fill(topic)
    await this.#filling.get(topic)
    await nextTurn()
  }

  async #sendPage (stream: Stream, topic: Topic, progress: Progress): Promise<void> {
    // As this node knows the topic, which another may have taken further. A stream that takes longer reads the page as it is
    // now, so that a text that was deleted meanwhile does not show
    const isRecent = elapsedMs() - progress.fellBehindAt < SHARED_PAGES_MS
    const page = await this.#readPage(topic.name, progress.sent, isRecent ? Math.max(progress.entitledAt, topic.head) : undefined)
    if (page === undefined) return await this.#pause()
    if (!stream.open || stream.behind.get(topic.name) !== progress) return
    if (!this.#horizon.admitsPage(page)) return await this.#pause()
    const last = page.at(-1)
    // What comes next is not kept any more: the client is told when it resumes
    if (last === undefined || page[0]!.emission.seq !== progress.sent + 1) return this.#owner.tooSlow(stream)

    this.#takeNews(topic, page)
    const frames = permitted(page, stream, progress).map(({ frame }) => frame).filter(frame => isFor(frame, stream))
    if (frames.length > 0) this.#turn.write(stream, Buffer.from(stream.all ? this.#textFor(stream, frames) : topicText(frames)), frames.length)
    progress.sent = last.emission.seq!
    // As the page was read. It may be older than what has been told of its growth
    if (page.some(({ frame }) => frame.grows !== undefined)) progress.growth = null
    stream.sentFromLog(last.frame)
    if (progress.away && !stream.all) this.#owner.removed(stream)
  }

  /**
   * Tells a stream that has come to the topic's head what grows there, as it is now, and what it has grown by meanwhile: then the
   * stream has missed nothing. If the topic has moved on, the stream reads the log first, and is told later.
   */
  async #sendGrowing (stream: Stream, topic: Topic, progress: Progress): Promise<void> {
    const since = topic.collectGrowth()
    const growing = await this.#pages?.growing(topic.name) ?? (this.#pages === undefined ? [] : undefined)
    topic.endCollecting(since)
    if (growing === undefined) return await this.#pause()
    if (!stream.open || stream.behind.get(topic.name) !== progress || progress.sent < topic.head || since.length === EARLY_MAX) return
    const frames = [...growing, ...since].filter(frame => isFor(frame, stream))
    if (frames.length > 0) this.#turn.write(stream, Buffer.from(topicText(frames)), frames.length)
    topic.goLive(stream)
  }

  #textFor (stream: Stream, frames: Frame[]): string {
    return frames.map(frame => {
      const cursor = stream.cursorAfter(frame) ?? stream.cursor ?? this.#horizon.cursorAt(this.#horizon.floor)
      this.#horizon.show(frame)
      return allText([frame], cursor, cursor, this.#horizon.shown)
    }).join('')
  }

  // ---- a topic with a gap

  /** Reads what is missing in a topic, and what has come since. */
  async fill (topic: Topic): Promise<void> {
    if (!this.#horizon.hasLog || !topic.beginFilling()) return
    const filled = this.#fill(topic)
    this.#filling.set(topic, filled)
    await filled
  }

  async #fill (topic: Topic): Promise<void> {
    this.#turn.activate(topic)
    this.#counters.gaps++
    while (!this.#owner.isClosing() && this.#registry.holds(topic)) {
      const after = topic.head
      const page = await this.#readPage(topic.name, after)
      if (!this.#registry.holds(topic)) break
      if (page === undefined || !this.#horizon.admitsPage(page)) {
        await this.#pause()
        continue
      }
      if (page.length > 0 && page[0]!.emission.seq !== after + 1 && topic.head === after) {
        // What is missing is not kept any more: followers are told when they resume, and later ones begin after it
        for (const stream of topic.followers()) this.#owner.tooSlow(stream)
        topic.skipTo(page[0]!.emission.seq! - 1)
      }
      this.#takeNews(topic, page)
      if (page.length < PAGE && !topic.hasGap) break
      if (page.length === 0) await this.#pause()
      else await nextTurn()
    }
    topic.endFilling()
    this.#turn.schedule()
    this.#turn.rest(topic)
  }

  /** Events of a page that the topic has not sent are sent to all of its followers. */
  #takeNews (topic: Topic, page: FramedEvent[]): void {
    const news = page.filter(({ emission }) => emission.seq! > topic.head)
    if (news.length === 0 || news[0]!.emission.seq !== topic.head + 1) return
    for (const event of news) this.#turn.add(topic, event)
    this.#turn.startJob(topic)
  }

  /** A page of the log, as it is now, or as it was when the topic had come to `head`; undefined when the database is unavailable. */
  async #readPage (name: string, after: number, head?: number): Promise<FramedEvent[] | undefined> {
    this.#counters.pages++
    return this.#pages === undefined ? [] : await this.#pages.read(name, after, head)
  }

  async #pause (): Promise<void> {
    await new Promise<void>(resolve => {
      if (this.#owner.isClosing()) resolve()
      else setTimeout(resolve, RETRY_MS).unref()
    })
  }
}

/** The events of a page that the stream's user may see: none between a leave and the next join. */
function permitted (page: FramedEvent[], { userId, all }: Stream, progress: Progress): FramedEvent[] {
  const events: FramedEvent[] = []
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
