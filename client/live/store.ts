/** State that a user interface can follow; React takes it as it is (`useSyncExternalStore`). */
export interface Store<T> {
  /** Calls back after changes, once for all that came together. @returns a function that ends it */
  subscribe (listener: () => void): () => void
  /** The state now. Immutable: the same object until something changes, and parts that didn't change stay the same. */
  getSnapshot (): T
}

export interface MutableStore<T> extends Store<T> {
  /** Says that the next snapshot must be built anew. */
  changed (): void
  close (): void
}

export function createStore<T> (build: () => T): MutableStore<T> {
  const listeners = new Set<() => void>()
  let snapshot: T
  let stale = true
  let scheduled = false
  let closed = false

  function notify (): void {
    scheduled = false
    if (closed) return
    for (const listener of [...listeners]) {
      if (!listeners.has(listener)) continue // taken off by one before it
      try {
        listener()
      } catch (error) {
        queueMicrotask(() => { throw error }) // uncaught, as it was; the others hear all the same
      }
    }
  }

  return {
    subscribe (listener) {
      // Wrapped, so that one function subscribed twice is called, and taken off, twice.
      const entry = () => listener()
      listeners.add(entry)
      return () => { listeners.delete(entry) }
    },
    getSnapshot () {
      if (stale) {
        snapshot = build()
        stale = false
      }
      return snapshot
    },
    changed () {
      stale = true
      if (scheduled || closed) return
      scheduled = true
      // A piece of the stream is handed on at once: after it, one call for all its events.
      void Promise.resolve().then(notify)
    },
    close () {
      closed = true
      listeners.clear()
    }
  }
}
