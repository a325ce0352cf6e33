import type { ChatEvents } from '../../schemas/events.js'
import type { DisconnectCause, StreamEvent, StreamState } from '../options.js'
import { platform, type BroadcastChannelConstructor, type LockManagerLike } from '../base/platform.js'

/** What tabs need to share a stream: locks to agree on a leader, a channel to hear what it receives. */
export interface TabPlatform {
  locks: LockManagerLike
  BroadcastChannel: BroadcastChannelConstructor
}

/** The browser's, where it has both. */
export function tabPlatform (): TabPlatform | null {
  const { navigator, BroadcastChannel, document } = platform
  return document !== undefined && navigator?.locks !== undefined && BroadcastChannel !== undefined
    ? { locks: navigator.locks, BroadcastChannel }
    : null
}

/** What the leader's stream told. Errors can't be sent whole. */
export type Signal =
  | { event: StreamEvent }
  | { disconnect: DisconnectCause }
  | { reconnecting: { attempt: number, delayMs: number, code: string, statusCode: number, message: string } }

/** A place in what leaders have told: the n-th frame of a term, which is one leader's time in office. */
export interface Place {
  term: string
  n: number
}

export interface Frame extends Place {
  signal: Signal
  /** The stream's, after it. */
  state: StreamState
}

/** What tabs say to each other. */
export type TabMessage =
  /** The leader received something. */
  | { kind: 'frame', frame: Frame }
  /** A new leader, and what it had seen of its predecessor. */
  | { kind: 'lead', term: string, after: Place | null, state: StreamState }
  /** Is anybody leading? This is what I have seen. */
  | { kind: 'hello', tab: string, seen: Place | null }
  /** Somebody doesn't want to wait for the next reconnect. */
  | { kind: 'wake' }
  /** The answer: where the leader is, and what the asking tab has missed; null where that isn't known any more. */
  | {
    kind: 'welcome'
    to: string
    at: Place
    state: StreamState
    connected: ChatEvents['connected'] | null
    position: string | null
    missed: Frame[] | null
  }

/** Frames kept for tabs that missed some. */
const CAPACITY = 500

/** The last frames, of this term and the ones before. */
export function createFrameLog (capacity = CAPACITY) {
  let frames: Frame[] = []
  return {
    add (frame: Frame): void {
      frames.push(frame)
      if (frames.length > capacity * 2) frames = frames.slice(-capacity)
    },
    /** What followed `seen`; null when that can't be told. `seen` at the start of a term is followed by its first frame. */
    after (seen: Place): Frame[] | null {
      const index = frames.findIndex(({ term, n }) => term === seen.term && n === seen.n)
      if (index >= 0) return frames.slice(index + 1)
      if (seen.n === 0) {
        const first = frames.findIndex(({ term }) => term === seen.term)
        if (frames[first]?.n === 1) return frames.slice(first)
      }
      return null
    }
  }
}
