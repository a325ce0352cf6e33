import type { Store } from '../../client/index.js'

/** Values by the id of a conversation. They are kept on the device, and all tabs of the user agree. */
export interface Kept<T> extends Store<ReadonlyMap<string, T>> {
  /** Null removes what is kept. */
  set (conversationId: string, value: T | null): void
  close (): void
}

/** The key of what is kept of a user. */
export const keyOf = (what: string, userId: string, baseUrl: string) => `fastify-sse-chat ${what} ${JSON.stringify([new URL(baseUrl, location.href).pathname, userId])}`
/** For browsers that store nothing: what is kept then lasts as long as the page. */
const withoutStorage = new Map<string, string>()

export function read (key: string): string | null {
  try {
    return localStorage.getItem(key)
  } catch {
    return withoutStorage.get(key) ?? null
  }
}

export function write (key: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(key)
    else localStorage.setItem(key, value)
  } catch {
    if (value === null) withoutStorage.delete(key)
    else withoutStorage.set(key, value)
  }
}

function parse<T> (stored: string | null): Map<string, T> {
  try {
    return new Map(Object.entries(JSON.parse(stored ?? '{}') as Record<string, T>))
  } catch {
    return new Map()
  }
}

/** Removes what is kept of a user. */
export function forget (what: string, userId: string, baseUrl: string): void {
  write(keyOf(what, userId, baseUrl), null)
}

/** @param what names the kind of values, in the key under which they are stored */
export function createKept<T> (what: string, userId: string, baseUrl: string): Kept<T> {
  const key = keyOf(what, userId, baseUrl)
  const listeners = new Set<() => void>()
  let values = parse<T>(read(key))

  function notify (): void {
    for (const listener of [...listeners]) listener()
  }
  const hear = (event: StorageEvent) => {
    if (event.key !== key) return
    values = parse(event.newValue)
    notify()
  }
  addEventListener('storage', hear)

  return {
    set (id, value) {
      values = parse(read(key)) // Another tab may have written meanwhile
      if (value === null) values.delete(id)
      else values.set(id, value)
      write(key, values.size === 0 ? null : JSON.stringify(Object.fromEntries(values)))
      notify()
    },
    subscribe (listener) {
      listeners.add(listener)
      return () => { listeners.delete(listener) }
    },
    getSnapshot: () => values,
    close () { removeEventListener('storage', hear) }
  }
}
