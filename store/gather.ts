/** How long more is waited for while more is coming, in milliseconds. */
const GATHER_MAX_MS = 5

/**
 * Whatever arrives together goes together: waits for turns of the event loop as long as each brings more, up to a size.
 * One turn isn't enough while clients connect, since Node.js accepts one connection a turn.
 */
export async function gather (size: () => number, max: number): Promise<void> {
  const deadline = performance.now() + GATHER_MAX_MS
  for (let before = 0, now = size(); now > before && now < max && performance.now() < deadline; now = size()) {
    before = now
    await new Promise(resolve => setImmediate(resolve))
  }
}
