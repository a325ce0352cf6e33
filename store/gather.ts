import { elapsedMs } from '../time.js'

/** Maximum time to wait while more arrives, in milliseconds. */
const GATHER_MAX_MS = 5
/** Number of turns without arrivals after which waiting ends. The first of them is the rest of the current turn. */
const QUIET_TURNS = 2

/**
 * Waits for turns of the event loop as long as more arrives, up to a maximum, so that what arrives together is handled
 * together. One turn is not enough while clients connect, since Node.js accepts one connection per turn.
 */
export async function gather (size: () => number, max: number): Promise<void> {
  const deadline = elapsedMs() + GATHER_MAX_MS
  for (let before = size(), quiet = 0; quiet < QUIET_TURNS && before < max && elapsedMs() < deadline;) {
    await new Promise(resolve => setImmediate(resolve))
    const now = size()
    quiet = now > before ? 0 : quiet + 1
    before = now
  }
}
