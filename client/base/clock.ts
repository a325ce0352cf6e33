import { platform } from './platform.js'

let total = 0
let before = Date.now()

/**
 * Milliseconds of a clock that only goes forward. The client measures everything that lasts with it: the wall clock may be
 * set, by hand or by the network, at any moment. Only differences mean something.
 */
export function elapsedMs (): number {
  const { performance } = platform
  if (typeof performance?.now === 'function') return performance.now()
  // Without such a clock: the wall clock, whose steps back count for nothing.
  const now = Date.now()
  total += Math.max(0, now - before)
  before = now
  return total
}

/** The wall clock's instant, to be shown or to make an id unlike others: it decides nothing. */
export const instant = (): string => new Date().toISOString()
