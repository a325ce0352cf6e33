import type { FetchLike, Store } from '../client/index.js'

/** What went over the wire: an event of the stream, or a call with its response. */
export type WireEntry = { n: number, at: Date } & (
  | { kind: 'event', type: string, id: string | null, data: unknown }
  | { kind: 'call', method: string, path: string, body: string | null, status: number | null, ms: number }
)

export interface Wire extends Store<readonly WireEntry[]> {
  event (type: string, data: unknown, id: string | null): void
  /** The browser's `fetch`, which records each call. */
  fetch: FetchLike
  clear (): void
}

const CAPACITY = 300

/** Records the last events and calls, the newest last. */
export function createWire (baseUrl: string): Wire {
  const listeners = new Set<() => void>()
  let entries: readonly WireEntry[] = []
  let count = 0
  let scheduled = false

  function set (next: readonly WireEntry[]): void {
    entries = next
    if (scheduled) return
    scheduled = true
    queueMicrotask(() => {
      scheduled = false
      for (const listener of [...listeners]) listener()
    })
  }

  const entry = () => ({ n: ++count, at: new Date() })
  const add = (added: WireEntry) => { set([...entries.slice(1 - CAPACITY), added]) }

  return {
    event (type, data, id) { add({ ...entry(), kind: 'event', type, id, data }) },
    async fetch (url, init) {
      const { method, body = null } = init
      const started = performance.now()
      const note = (status: number | null) => {
        const path = url.startsWith(baseUrl) ? url.slice(baseUrl.length) : url
        add({ ...entry(), kind: 'call', method, path, body, status, ms: Math.round(performance.now() - started) })
      }
      try {
        const response = await fetch(url, init as RequestInit)
        note(response.status)
        return response
      } catch (error) {
        if (!init.signal.aborted) note(null)
        throw error
      }
    },
    clear () { set([]) },
    subscribe (listener) {
      listeners.add(listener)
      return () => { listeners.delete(listener) }
    },
    getSnapshot: () => entries
  }
}
