/**
 * The clocks of this process. Durations are measured with `elapsedMs`. Instants that nodes share (deadlines, timestamps) come
 * from the database's clock (store/shared-clock.ts). The wall clock is only for instants that others have set.
 */

/** Milliseconds on the monotonic clock of this process, to measure durations. Setting the wall clock does not affect it. */
export const elapsedMs = (): number => performance.now()

/**
 * Epoch milliseconds on this machine's wall clock, which may step in either direction. Only compare it with instants that
 * somebody else has set, such as a token's `exp`.
 */
export const wallClockMs = (): number => Date.now()
