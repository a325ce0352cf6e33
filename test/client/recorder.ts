import type { StreamCallbacks } from '../../client/options.js'

type Entry = [name: string, ...args: unknown[]]

const names = [
  'onMessage', 'onStatusUpdate', 'onTyping', 'onOnlineStatus', 'onMessageUpdated', 'onMessageDeleted', 'onConversationCreated', 'onConversationUpdated',
  'onParticipantJoined', 'onParticipantLeft', 'onParticipantUpdated', 'onReaction', 'onUserUpdated', 'onBlocked', 'onReset', 'onConnect', 'onDisconnect', 'onReconnecting',
  'onError', 'onEvent', 'onLastEventId'
] as const satisfies (keyof StreamCallbacks)[]
type Name = typeof names[number]

/** Callbacks that record how they were called. */
export function createRecorder (reaction?: (name: Name, ...args: unknown[]) => void) {
  const log: Entry[] = []
  const waiting = new Set<() => void>()
  const callbacks = Object.fromEntries(names.map((name) => [name, (...args: unknown[]) => {
    log.push([name, ...args])
    for (const check of waiting) check()
    return reaction?.(name, ...args)
  }])) as StreamCallbacks

  const of = (name: Name) => log.filter((entry) => entry[0] === name).map(([, ...args]) => args)

  return {
    callbacks,
    log,
    of,
    /** The first arguments of the calls. */
    first: (name: Name) => of(name).map(([argument]) => argument),
    /** The names in order, without those that most tests do not look at. */
    order: () => log.map(([name]) => name).filter((name) => !['onEvent', 'onLastEventId', 'onReconnecting'].includes(name)),
    /** Resolves when a callback has been called for the n-th time. */
    until: (name: Name, times = 1) => new Promise<void>((resolve) => {
      const check = () => {
        if (of(name).length < times) return
        waiting.delete(check)
        resolve()
      }
      waiting.add(check)
      check()
    })
  }
}

/** A backoff that tests need not wait for. */
export const quick = { backoffBaseMs: 1, backoffCapMs: 4 }
