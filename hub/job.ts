import { allText, isFor, topicText, type Claim, type Frame } from './frame.js'
import type { Transaction } from './known-log.js'
import type { Stream } from './stream.js'

/** What streams of one user get of a job: from one frame on, up to another. */
interface Part { from: number, to: number }

/**
 * Frames on their way to their streams. A large audience is served in slices, with the event loop's other work between.
 * All who get the same frames share the same bytes: they are joined once.
 */
export class Job {
  readonly frames: readonly Frame[]
  readonly remaining: Set<Stream>
  /** Whose user is removed by the last of these frames. */
  readonly leaving = new Set<Stream>()
  /** Newest `seq` of the topic before these frames. */
  readonly before: number
  /** The last of these frames that the log has. */
  readonly newest: Frame | undefined
  /** Characters of all frames, their ids not counted. */
  readonly length: number
  readonly #parts: ReadonlyMap<string, Part>
  readonly #senders = new Set<string>()
  #topicBytes: Buffer | undefined
  #allBytes: { before: Claim, after: Claim, bytes: Buffer } | undefined

  constructor (frames: readonly Frame[], remaining: Set<Stream>, before = 0, parts: ReadonlyMap<string, Part> = new Map()) {
    this.frames = frames
    this.remaining = remaining
    this.before = before
    this.#parts = parts
    this.newest = frames.findLast(({ seq }) => seq !== undefined)
    let length = 0
    for (const { except, body } of frames) {
      if (except !== undefined) this.#senders.add(except)
      length += body.length
    }
    this.length = length
  }

  /** Whether the user comes in by one of these frames, and not by the first. */
  joinsLate (userId: string): boolean {
    return (this.#parts.get(userId)?.from ?? 0) > 0
  }

  /** The frames for this stream, the shared array itself where it is all of them. */
  framesFor (stream: Stream): readonly Frame[] {
    const part = this.#parts.get(stream.userId)
    if (part === undefined && !this.#senders.has(stream.userId)) return this.frames
    // by a join come in streams of all topics: one of this topic is let in by what the database has, and gets all of it
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
  allBytes (before: Claim, after: Claim, shown: Transaction): Buffer {
    const shared = this.#allBytes
    if (shared?.before === before && shared.after === after) return shared.bytes
    const bytes = Buffer.from(allText(this.frames, before, after, shown))
    this.#allBytes = { before, after, bytes }
    return bytes
  }
}
