/**
 * Exponential backoff with full jitter: a random wait between 0 and `baseMs` · 2^`step`, at most `capMs`, in
 * milliseconds. Clients that lost a server at the same moment do not return at the same moment.
 */
export const backoff = (step: number, baseMs: number, capMs: number): number =>
  Math.random() * Math.min(capMs, baseMs * 2 ** step)
