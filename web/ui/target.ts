import type { ChatMessage, Store } from '../../client/index.js'

/** A message that is to be shown. */
export type Target = Pick<ChatMessage, 'id' | 'conversationId'> & { seq: number }

/** Where the user wants to go: the conversation takes it when it is shown. */
export interface Targets extends Store<Target | null> {
  set (target: Target | null): void
}

export function createTargets (): Targets {
  const listeners = new Set<() => void>()
  let target: Target | null = null
  return {
    subscribe (listener) {
      listeners.add(listener)
      return () => { listeners.delete(listener) }
    },
    getSnapshot: () => target,
    set (next) {
      target = next
      for (const listener of [...listeners]) listener()
    }
  }
}
