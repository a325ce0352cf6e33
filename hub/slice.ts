import { elapsedMs } from '../time.js'

/**
 * Time that the hub may write in one turn of the event loop, in milliseconds, so that a large audience does not hold up others.
 * Shorter slices are slower for everybody, since an event needs more turns until it is sent.
 */
const SLICE_MS = 16
/** What a write costs beside its bytes, in bytes. */
const CALL_BYTES = 8 * 1024
/** Bytes between two looks at the time: 32 short writes, or one of a quarter of a megabyte. */
const LOOK_BYTES = 32 * CALL_BYTES
/** Bytes that the kernel takes in a millisecond. */
const BYTES_PER_MS = 1024 * 1024

/**
 * The part of a turn in which the hub writes. Counts bytes as well as calls: in a burst, the events of one stream come to a
 * megabyte, and thirty such writes take 100 ms.
 */
export class Slice {
  readonly #end = elapsedMs() + SLICE_MS
  #unseen = 0
  #owed = 0

  /** Counts a write. */
  wrote (bytes: number): void {
    this.#unseen += CALL_BYTES + bytes
  }

  /** Counts a write that follows at the end of the turn. */
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

/** Time that a loop may block the event loop, in milliseconds, and steps between two looks at the time. */
const LOOP_MS = 4
const LOOP_STEPS = 64

/** The part of a turn in which a long loop runs whose steps all cost about the same. */
export class LoopSlice {
  readonly #end = elapsedMs() + LOOP_MS
  #steps = 0

  /** Counts a step. */
  get isOver (): boolean {
    return ++this.#steps % LOOP_STEPS === 0 && elapsedMs() > this.#end
  }
}

/** Resolves in the next turn of the event loop. */
export const nextTurn = async (): Promise<void> => { await new Promise(resolve => setImmediate(resolve)) }
