import type { ChatEvents } from '../../schemas/events.js'
import type { Timer } from '../base/platform.js'
import type { People } from './people.js'

export interface Typist {
  userId: string
  displayName: string
}

/** The server reports when typing lapses. If that event is lost, typing lapses here this much later. */
const GRACE_MS = 2000

/** The users who are typing in a conversation. */
export function createTypists (changed: () => void, people: People) {
  const typists = new Map<string, { typist: Typist, timer: Timer }>()
  let view: readonly Typist[] = []
  let version = 0

  function update (): void {
    view = Array.from(typists.values(), ({ typist }) => people.name(typist))
    version = people.version
    changed()
  }

  function stop (userId: string): void {
    const entry = typists.get(userId)
    if (entry === undefined) return
    clearTimeout(entry.timer)
    typists.delete(userId)
    update()
  }

  return {
    get size () { return typists.size },
    view (): readonly Typist[] {
      if (version !== people.version && view.length > 0) {
        version = people.version
        const named = view.map(people.name)
        if (named.some((typist, i) => typist !== view[i])) view = named
      }
      return view
    },
    stop,
    hear ({ userId, displayName, isTyping }: Pick<ChatEvents['typing'], keyof Typist | 'isTyping'>, lapseMs: number): void {
      if (!isTyping) return stop(userId)
      const known = typists.get(userId)
      clearTimeout(known?.timer)
      const timer = setTimeout(stop, lapseMs + GRACE_MS, userId)
      typists.set(userId, { typist: known?.typist ?? { userId, displayName }, timer })
      if (known === undefined) update()
    },
    clear (): void {
      for (const { timer } of typists.values()) clearTimeout(timer)
      const some = typists.size > 0
      typists.clear()
      if (some) update()
    }
  }
}

const NOBODY: readonly Typist[] = []

/** The users who are typing, by conversation. Conversations in which nobody types are not kept. */
export function createTypistsByConversation (changed: () => void, people: People) {
  const conversations = new Map<string, ReturnType<typeof createTypists>>()

  function typistsOf (id: string) {
    let known = conversations.get(id)
    if (known === undefined) {
      known = createTypists(() => {
        if (conversations.get(id)?.size === 0) conversations.delete(id)
        changed()
      }, people)
      conversations.set(id, known)
    }
    return known
  }

  return {
    view: (id: string): readonly Typist[] => conversations.get(id)?.view() ?? NOBODY,
    stop (id: string, userId: string): void { conversations.get(id)?.stop(userId) },
    hear (data: ChatEvents['typing'], lapseMs: number): void {
      if (data.isTyping || conversations.has(data.conversationId)) typistsOf(data.conversationId).hear(data, lapseMs)
    },
    clear (): void { for (const known of [...conversations.values()]) known.clear() }
  }
}
