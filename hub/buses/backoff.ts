const BASE_MS = 100
const CAP_MS = 3000

/** Time to wait before the next attempt at a connection, in milliseconds. The second half is random. */
export function backoffMs (attempt: number): number {
  const ms = Math.min(CAP_MS, BASE_MS * 2 ** Math.min(attempt, 10))
  return ms / 2 + Math.random() * ms / 2
}
