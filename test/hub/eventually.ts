import { setTimeout as sleep } from 'node:timers/promises'

/** Waits until the condition holds. @throws when that takes longer than `ms` milliseconds */
export async function eventually (isSo: () => boolean | Promise<boolean>, ms = 10_000): Promise<void> {
  const deadline = performance.now() + ms
  while (!await isSo()) {
    if (performance.now() > deadline) throw new Error(`not so after ${ms} ms: ${String(isSo)}`)
    await sleep(5)
  }
}
