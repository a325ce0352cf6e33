import { elapsedMs } from '../time.js'

/** How long more is waited for while more is coming, in milliseconds. */
const GATHER_MAX_MS = 5
/** Turns that bring nothing, until it is enough. The first ends the turn that is under way, and has taken in nothing new. */
const QUIET_TURNS = 2

/**
 * Whatever arrives together goes together: waits for turns of the event loop as long as they bring more, up to a size.
 * One turn isn't enough while clients connect, since Node.js accepts one connection a turn.
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
