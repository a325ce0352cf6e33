/** Of an odd number of values the middle one, of an even number the mean of the two. */
export function median (values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** The smallest value that a share of all values don't exceed (nearest rank). */
export function percentile (values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN
}

export const sleep = async (ms: number): Promise<void> => { await new Promise(resolve => setTimeout(resolve, ms)) }

/** Waits until it is so. @throws when it isn't within the time: the run is void */
export async function until (isSo: () => boolean, ms: number, what: string): Promise<void> {
  const deadline = Date.now() + ms
  while (!isSo()) {
    if (Date.now() > deadline) throw new Error(`void: ${what} did not come about within ${ms / 1000} s`)
    await sleep(5)
  }
}
