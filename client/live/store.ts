/** State that a user interface can follow. It fits React's `useSyncExternalStore`. */
export interface Store<T> {
  /** Calls back after changes, once for all changes that came together. @returns a function that ends it */
  subscribe (listener: () => void): () => void
  /** The current state, which is immutable: the same object until something changes. Its unchanged parts stay the same, too. */
  getSnapshot (): T
}

export interface MutableStore<T> extends Store<T> {
  /** Marks the snapshot as stale and notifies the listeners. */
  changed (): void
  close (): void
}

/** Makes a store whose snapshots `build` makes, at most one for each change. */
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
      if (!listeners.has(listener)) continue // An earlier listener removed it
      try {
        listener()
      } catch (error) {
        queueMicrotask(() => { throw error }) // Stays uncaught, but the other listeners are called
      }
    }
  }

  return {
    subscribe (listener) {
      // Wrapped, so that a function that subscribes twice is called twice, and each subscription is removed by itself.
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
      // All events of one chunk of the stream are dispatched together: notify once after them.
      void Promise.resolve().then(notify)
    },
    close () {
      closed = true
      listeners.clear()
    }
  }
}
