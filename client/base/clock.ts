import { platform } from './platform.js'

let total = 0
let before = Date.now()

/**
 * Reads a monotonic clock, in milliseconds. Only differences between two readings have a meaning. The client measures
 * every duration with it, because the wall clock can be set at any moment, by hand or by the network.
 */
export function elapsedMs (): number {
  const { performance } = platform
  if (typeof performance?.now === 'function') return performance.now()
  // Platforms without such a clock: add up the steps of the wall clock, ignoring steps back.
  const now = Date.now()
  total += Math.max(0, now - before)
  before = now
  return total
}

/** The instant of the wall clock, in ISO 8601. It is shown to users and makes ids unique; nothing is decided by it. */
export const instant = (): string => new Date().toISOString()
