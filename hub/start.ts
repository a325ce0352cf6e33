import type { Transaction } from './known-log.js'
import type { ResumedCursor, Stream, StreamOptions } from './stream.js'

/** Where a hub was in the log at some moment. What is read from the database after it can be joined to what comes live. */
export interface ReadPoint {
  readonly position: number
  /** Times that the log had diverged. */
  readonly diverged: number
}

export interface Follow {
  topic: string
  /** The topic's newest `seq` as it was read, together with the user's right to follow. */
  head: number
  /** The stream is sent what comes after this `seq`. Default: `head`. */
  after?: number
  /** Transaction of the topic's newest event, where it was read. */
  newest?: Transaction | undefined
  /** Whether something grows there. Default: no. */
  grows?: boolean
}

/** A stream, with all that it follows. */
export interface StartOptions extends StreamOptions {
  /** In the order in which the stream catches up. Default: nothing. */
  follows?: readonly Follow[] | undefined
  /** From before `follows` were read. What has happened since is looked up, and a leave among it ends the following. Default: now. */
  readAt?: ReadPoint | undefined
  /** Everything up to this position is covered by `follows`, on a stream of all topics. Default: that of `readAt`. */
  baseline?: number | undefined
  /** The newest transaction of which the client has been sent anything. */
  shown?: Transaction | undefined
  /** Cursors of a stream of all topics that has to catch up. */
  resumed?: (() => ResumedCursor) | undefined
  /** Writes what comes before all events. Not called where the stream ends at once. */
  greet?: ((stream: Stream) => void) | undefined
}
