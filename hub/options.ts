import type { Bus } from './bus.js'
import type { Transaction } from './known-log.js'
import type { Stream, StreamLimits } from './stream.js'

/** Why the hub ends a stream. */
export type EndReason = 'token_expired' | 'removed' | 'shutdown' | 'too_slow' | 'unavailable'

/** Waiting times told to clients are spread over this range, in milliseconds. */
const RETRY_AFTER_MS = { min: 500, max: 5000 }

/** When the client of a stream that has ended should reconnect, in milliseconds, spread so that not all do at once; null: never. */
export function waitAfter (reason: EndReason): number | null {
  if (reason === 'token_expired') return 0
  if (reason === 'removed') return null
  return Math.round(RETRY_AFTER_MS.min + Math.random() * (RETRY_AFTER_MS.max - RETRY_AFTER_MS.min))
}

export interface HubOptions extends Partial<StreamLimits> {
  /** Epoch milliseconds by the clock that `expiresAt` refers to. Default: this machine's wall clock. */
  now?: () => number
  /** Carries events between nodes. Default: there is one node. */
  bus?: Bus
  /** Called for events that cannot be sent, such as those whose data is no JSON. Default: a warning of the process. */
  onError?: (error: Error) => void
}

export interface SubscribeOptions {
  /** The stream's user, who is spared the events that are `except` them. Default: nobody. */
  userId?: string
  topics: readonly string[]
  /** Epoch milliseconds; null: never. Default null. */
  expiresAt?: number | null
}

/** Told about streams. */
export interface StreamWatcher {
  closed(stream: Stream): void
  /** The stream ends in half a second, unless it is extended. */
  expiring(stream: Stream): void
  /**
   * The log is no longer the one that these streams were sent events of, and its newest transaction is this. They follow
   * nothing any more: tell them so, and end them.
   */
  diverged(streams: Stream[], newest: Transaction): void
}
