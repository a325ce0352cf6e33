import type { ChatEvents } from '../../schemas/events.js'
import type { DisconnectCause, StreamEvent, StreamState } from '../options.js'
import { platform, type BroadcastChannelConstructor, type LockManagerLike } from '../base/platform.js'

/** What tabs need to share a stream: locks to agree on a leader, and a channel to receive its frames. */
export interface TabPlatform {
  locks: LockManagerLike
  BroadcastChannel: BroadcastChannelConstructor
}

/** The locks and channels of the browser, or null if it does not have both. */
export function tabPlatform (): TabPlatform | null {
  const { navigator, BroadcastChannel, document } = platform
  return document !== undefined && navigator?.locks !== undefined && BroadcastChannel !== undefined
    ? { locks: navigator.locks, BroadcastChannel }
    : null
}

/** What the leader's stream reported. A channel cannot carry errors whole, so a reconnect has their parts. */
export type Signal =
  | { event: StreamEvent }
  | { disconnect: DisconnectCause }
  | { reconnecting: { attempt: number, delayMs: number, code: string, statusCode: number, message: string } }

/** Identifies a frame: the n-th of a term. A term is the time during which one tab leads. */
export interface Place {
  term: string
  n: number
}

export interface Frame extends Place {
  signal: Signal
  /** The state of the stream after the signal. */
  state: StreamState
}

/** The messages between tabs. */
export type TabMessage =
  /** From the leader: its stream reported something. */
  | { kind: 'frame', frame: Frame }
  /** From a new leader: its term begins, after the last frame that it has seen. */
  | { kind: 'lead', term: string, after: Place | null, state: StreamState }
  /** From a follower: asks whether there is a leader, and names the last frame that it has seen. */
  | { kind: 'hello', tab: string, seen: Place | null }
  /** From a follower: asks the leader to reconnect without delay. */
  | { kind: 'wake' }
  /** The answer to a `hello`: the leader's last frame, and those that the tab missed. Null if they are no longer known. */
  | {
    kind: 'welcome'
    to: string
    at: Place
    state: StreamState
    connected: ChatEvents['connected'] | null
    position: string | null
    missed: Frame[] | null
  }

/** The number of frames that are kept for tabs that missed some. */
const CAPACITY = 500

/** Keeps the last frames, of this term and of earlier ones. */
export function createFrameLog (capacity = CAPACITY) {
  let frames: Frame[] = []
  return {
    add (frame: Frame): void {
      frames.push(frame)
      if (frames.length > capacity * 2) frames = frames.slice(-capacity)
    },
    /** The frames after `seen`, or null if they are no longer known. If `n` is 0, `seen` is the start of a term. */
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
