interface Listener {
  readonly calls: Set<() => void>
  abort (): void
}

const listeners = new WeakMap<AbortSignal, Listener>()

/**
 * Calls back, once for each function, when the signal is aborted. However many wait for one signal, it gets one listener: Node.js warns of a leak
 * at the eleventh.
 *
 * @returns a function that ends it
 */
export function onAbort (signal: AbortSignal | undefined, call: () => void): () => void {
  if (signal === undefined) return () => {}
  let listener = listeners.get(signal)
  if (listener === undefined) {
    const calls = new Set<() => void>()
    listener = { calls, abort: () => { for (const one of [...calls]) one() } }
    listeners.set(signal, listener)
    signal.addEventListener('abort', listener.abort)
  }
  const { calls, abort } = listener
  calls.add(call)
  return () => {
    if (!calls.delete(call) || calls.size > 0) return
    listeners.delete(signal)
    signal.removeEventListener('abort', abort)
  }
}

/** React Native's signals have no reason. */
export const reasonOf = (signal: AbortSignal): unknown =>
  signal.reason ?? Object.assign(new Error('The call was aborted'), { name: 'AbortError' })
