/**
 * The process's clocks. What lasts is measured by `elapsedMs`. What nodes share (deadlines, instants that are shown) comes
 * from the database's clock (store/shared-clock.ts). The wall clock is for instants that others have set.
 */

/** Milliseconds by the monotonic clock, from a start of this process's own: for how long something lasts. No step of the wall clock changes it. */
export const elapsedMs = (): number => performance.now()

/**
 * Epoch milliseconds by this machine's wall clock, which may step in either direction: only for comparing with instants that
 * somebody else has set, such as a token's `exp`.
 */
export const wallClockMs = (): number => Date.now()
