import type { Store } from '../../client/index.js'

/** What the user has begun to write in a conversation. */
export interface Draft {
  text: string
  /** The message that it replies to. */
  replyTo?: { id: string, name: string, text: string } | null
  /** The message that is being edited, and its text so far. The new message waits meanwhile. */
  edit?: { id: string, text: string } | null
}

/** Drafts by conversation. They are kept on the device, and all tabs of the user agree. */
export interface Drafts extends Store<ReadonlyMap<string, Draft>> {
  of (conversationId: string): Draft
  set (conversationId: string, draft: Draft): void
  close (): void
}

const nothing: Draft = { text: '' }
const isEmpty = ({ text, replyTo, edit }: Draft) => text === '' && replyTo == null && edit == null
const keyOf = (userId: string, baseUrl: string) => `fastify-sse-chat drafts ${JSON.stringify([new URL(baseUrl, location.href).pathname, userId])}`
/** For browsers that store nothing: drafts then last as long as the page. */
const withoutStorage = new Map<string, string>()

function read (key: string): string | null {
  try {
    return localStorage.getItem(key)
  } catch {
    return withoutStorage.get(key) ?? null
  }
}

function write (key: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(key)
    else localStorage.setItem(key, value)
  } catch {
    if (value === null) withoutStorage.delete(key)
    else withoutStorage.set(key, value)
  }
}

function parse (stored: string | null): Map<string, Draft> {
  try {
    return new Map(Object.entries(JSON.parse(stored ?? '{}') as Record<string, Draft>))
  } catch {
    return new Map()
  }
}

/** Removes the drafts of a user who signs out. */
export function forgetDrafts (userId: string, baseUrl: string): void {
  write(keyOf(userId, baseUrl), null)
}

export function createDrafts (userId: string, baseUrl: string): Drafts {
  const key = keyOf(userId, baseUrl)
  const listeners = new Set<() => void>()
  let drafts = parse(read(key))

  function notify (): void {
    for (const listener of [...listeners]) listener()
  }
  const hear = (event: StorageEvent) => {
    if (event.key !== key) return
    drafts = parse(event.newValue)
    notify()
  }
  addEventListener('storage', hear)

  return {
    of: (id) => drafts.get(id) ?? nothing,
    set (id, draft) {
      drafts = parse(read(key)) // Another tab may have written meanwhile
      if (isEmpty(draft)) drafts.delete(id)
      else drafts.set(id, draft)
      write(key, drafts.size === 0 ? null : JSON.stringify(Object.fromEntries(drafts)))
      notify()
    },
    subscribe (listener) {
      listeners.add(listener)
      return () => { listeners.delete(listener) }
    },
    getSnapshot: () => drafts,
    close () { removeEventListener('storage', hear) }
  }
}
