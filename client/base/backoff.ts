/**
 * Exponential backoff with full jitter: a random wait between 0 and `baseMs` · 2^`step`, never above `capMs`, so that
 * clients that lost one server together don't come back together.
 */
export const backoff = (step: number, baseMs: number, capMs: number): number =>
  Math.random() * Math.min(capMs, baseMs * 2 ** step)
