interface Listener {
  readonly calls: Set<() => void>
  abort (): void
}

const listeners = new WeakMap<AbortSignal, Listener>()

/**
 * Calls a function when a signal is aborted. All functions that wait for one signal share one listener, because Node.js
 * warns of a leak at the eleventh. A function that is added twice is called once.
 *
 * @returns a function that removes it
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

/** The reason of an aborted signal. React Native's signals have none: it is an `AbortError` there. */
export const reasonOf = (signal: AbortSignal): unknown =>
  signal.reason ?? Object.assign(new Error('The call was aborted'), { name: 'AbortError' })
