import { allText, isFor, topicText, type Cursor, type Frame } from './frame.js'
import type { Transaction } from './known-log.js'
import type { Stream } from './stream.js'

/** The frames that the streams of one user get: from one index to another. */
interface Part { from: number, to: number }

/** What a job of a topic has beside its frames. */
export interface TopicJob {
  /** Newest `seq` of the topic before these frames. */
  before: number
  /** The topic's growth before these frames. */
  growth: number
  /** Users who come in or leave by one of these frames. */
  parts: ReadonlyMap<string, Part>
  /** Streams whose user is removed by the last of these frames. */
  leaving: ReadonlySet<Stream>
}

const OF_NO_TOPIC: TopicJob = { before: 0, growth: 0, parts: new Map(), leaving: new Set() }

/**
 * Frames on their way to their streams. A large audience is served in slices, between which the event loop does other work.
 * All streams that get the same frames share the same bytes: they are joined once.
 */
export class Job {
  readonly frames: readonly Frame[]
  readonly before: number
  readonly growth: number
  readonly leaving: ReadonlySet<Stream>
  /** The last durable one of these frames. */
  readonly newest: Frame | undefined
  /** Characters of all frames, without their ids. */
  readonly length: number
  readonly #remaining: Set<Stream>
  readonly #parts: ReadonlyMap<string, Part>
  readonly #senders = new Set<string>()
  #topicBytes: Buffer | undefined
  #allBytes: { before: Cursor, after: Cursor, bytes: Buffer } | undefined

  /** Takes over `audience`. */
  constructor (frames: readonly Frame[], audience: Set<Stream>, { before, growth, parts, leaving } = OF_NO_TOPIC) {
    this.frames = frames
    this.before = before
    this.growth = growth
    this.leaving = leaving
    this.#remaining = audience
    this.#parts = parts
    this.newest = frames.findLast(({ seq }) => seq !== undefined)
    let length = 0
    for (const { except, body } of frames) {
      if (except !== undefined) this.#senders.add(except)
      length += body.length
    }
    this.length = length
  }

  /** Streams that have not been served. */
  get remaining (): ReadonlySet<Stream> {
    return this.#remaining
  }

  /** A stream is being served, or is not to be. */
  take (stream: Stream): void {
    this.#remaining.delete(stream)
  }

  /** Whether the user comes in by one of these frames, and not by the first. */
  joinsLate (userId: string): boolean {
    return (this.#parts.get(userId)?.from ?? 0) > 0
  }

  /** The frames for this stream; the shared array itself where it gets all of them. */
  framesFor (stream: Stream): readonly Frame[] {
    const part = this.#parts.get(stream.userId)
    if (part === undefined && !this.#senders.has(stream.userId)) return this.frames
    // A join lets in streams of all topics only. A stream of this topic was let in by what the database has, and gets every frame
    const from = stream.all ? part?.from ?? 0 : 0
    const frames = this.frames.filter((frame, index) => index >= from && index <= (part?.to ?? Infinity) && isFor(frame, stream))
    return frames.length === this.frames.length ? this.frames : frames
  }

  /** These frames as a stream of one topic shows them. */
  topicBytes (frames: readonly Frame[]): Buffer {
    if (frames !== this.frames) return Buffer.from(topicText(frames))
    return (this.#topicBytes ??= Buffer.from(topicText(frames)))
  }

  /** All frames as a stream of all topics shows them. */
  allBytes (before: Cursor, after: Cursor, shown: Transaction): Buffer {
    const shared = this.#allBytes
    if (shared?.before === before && shared.after === after) return shared.bytes
    const bytes = Buffer.from(allText(this.frames, before, after, shown))
    this.#allBytes = { before, after, bytes }
    return bytes
  }
}
