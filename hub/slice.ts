import { elapsedMs } from '../time.js'

/**
 * How long one turn of the event loop may write, in milliseconds: a large audience is served in slices, so that nobody waits for
 * it. Shorter ones are worse for everybody: whatever is sent meanwhile needs some turns until it is told.
 */
const SLICE_MS = 16
/** A write costs as much as so many bytes more do. */
const CALL_BYTES = 8 * 1024
/** What a look at the time is worth: 32 short writes, or one of a quarter of a megabyte. */
const LOOK_BYTES = 32 * CALL_BYTES
/** What the kernel takes in a millisecond. */
const BYTES_PER_MS = 1024 * 1024

/**
 * The part of a turn in which the hub writes. Bytes count as well as calls: in a burst, what is joined for one stream comes to
 * a megabyte, and thirty of those to 100 ms.
 */
export class Slice {
  readonly #end = elapsedMs() + SLICE_MS
  #unseen = 0
  #owed = 0

  /** Counts a write that is done. */
  wrote (bytes: number): void {
    this.#unseen += CALL_BYTES + bytes
  }

  /** Counts a write that is done when the turn ends. */
  owes (bytes: number): void {
    this.#owed += (CALL_BYTES + bytes) / BYTES_PER_MS
    this.#unseen += CALL_BYTES + bytes
  }

  get isOver (): boolean {
    if (this.#unseen < LOOK_BYTES) return false
    this.#unseen = 0
    return elapsedMs() + this.#owed > this.#end
  }
}

/** How long a loop may go on without a turn for the others, in milliseconds, and how often it looks at the time. */
const LOOP_MS = 4
const LOOP_STEPS = 64

/** The part of a turn in which a long loop runs: nothing is written, each step costs about the same. */
export class LoopSlice {
  readonly #end = performance.now() + LOOP_MS
  #steps = 0

  /** Counts a step. */
  get isOver (): boolean {
    return ++this.#steps % LOOP_STEPS === 0 && performance.now() > this.#end
  }
}
