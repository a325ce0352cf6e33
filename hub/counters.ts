/** What a hub counts, since it was made. */
export interface HubCounters {
  /** Events written to streams, and writes (many events in one). */
  deliveries: number
  writes: number
  bytes: number
  /** Times that a stream went over its budget and back to the log. */
  fellBehind: number
  tooSlow: number
  /** Pages read from the log, and gaps that were filled from it. */
  pages: number
  gaps: number
  /** Times that the log was no longer the one that was known. */
  diverged: number
}

export const noCounts = (): HubCounters => ({ deliveries: 0, writes: 0, bytes: 0, fellBehind: 0, tooSlow: 0, pages: 0, gaps: 0, diverged: 0 })
