import { openConversation, openConversationList, type ChatClient } from '../../client/index.js'
import type { StreamEvent, StreamState } from '../../client/options.js'
import { createOwnStates } from '../../client/live/own-states.js'
import { createPeople } from '../../client/live/people.js'
import type { ChatSession, SessionListener, SessionSnapshot } from '../../client/live/session.js'
import type { ChatEvents, EventType } from '../../schemas/events.js'
import { connected } from './made.js'

/** A session whose stream and responses the test makes up. The user is alice. */
export function createStubSession (answers: Partial<ChatClient>) {
  const calls: [name: string, ...args: unknown[]][] = []
  const client = new Proxy({} as ChatClient, {
    get: (_target, name: keyof ChatClient) => (...args: unknown[]) => {
      calls.push([name, ...args.filter((argument) => !isCallOptions(argument))])
      const answer = answers[name] as ((...args: unknown[]) => unknown) | undefined
      return answer === undefined ? Promise.reject(new Error(`no answer to ${name}`)) : answer(...args)
    }
  })
  const listeners = new Set<SessionListener>()
  const followers = new Set<() => void>()
  let snapshot: SessionSnapshot = { status: 'connecting', reachable: true, userId: null, user: null, blocked: new Set(), reconnect: null, error: null }

  const people = createPeople()
  const session: ChatSession = {
    client,
    people,
    ownStates: createOwnStates(client),
    receipts: {
      delivered: ({ id }) => { calls.push(['delivered', id]) },
      read: (...args) => { calls.push(['read', ...args]) },
      forget: (...args) => { calls.push(['forget', ...args]) },
      retry () {},
      close () {}
    },
    listen (listener) {
      listeners.add(listener)
      return () => { listeners.delete(listener) }
    },
    subscribe (follower) {
      followers.add(follower)
      return () => { followers.delete(follower) }
    },
    getSnapshot: () => snapshot,
    typing: () => [],
    reconnect () {},
    close () {},
    closed: false
  }

  const emit = <T extends EventType>(type: T, data: ChatEvents[T]) => {
    people.hear([type, data, null] as unknown as StreamEvent)
    for (const listener of [...listeners]) listener(...[type, data, null] as unknown as StreamEvent)
  }
  const setStatus = (status: StreamState) => {
    snapshot = { ...snapshot, status, ...(status === 'connected' ? { userId: 'alice' } : {}) }
    for (const follower of [...followers]) follower()
  }

  const setReachable = (reachable: boolean) => {
    snapshot = { ...snapshot, reachable }
    for (const follower of [...followers]) follower()
  }

  return {
    session,
    client,
    calls,
    callsOf: (...names: string[]) => calls.filter(([name]) => names.includes(name)),
    listeners: () => listeners.size + followers.size,
    emit,
    setStatus,
    setReachable,
    setBlocked (...userIds: string[]) {
      snapshot = { ...snapshot, blocked: new Set(userIds) }
      for (const follower of [...followers]) follower()
    },
    connect (data: Partial<ChatEvents['connected']> = {}) {
      setStatus('connected')
      emit('connected', connected({ conversationId: null, ...data }))
    }
  }
}

export interface Teardown { teardown (callback: () => unknown): void }

/** The conversation `c` and the list, open and connected, as on a page that shows both. */
export async function openBoth (t: Teardown, stub: ReturnType<typeof createStubSession>) {
  const live = openConversation(stub.session, 'c')
  const list = openConversationList(stub.session)
  t.teardown(() => { live.close(); list.close() })
  stub.connect()
  await settle()
  return { live, list }
}

const isCallOptions = (argument: unknown) => typeof argument === 'object' && argument !== null && 'signal' in argument

/** A promise that is settled from outside. */
export function deferred<T> () {
  let resolve!: (value: T) => void
  let reject!: (error: unknown) => void
  const promise = new Promise<T>((_resolve, _reject) => { resolve = _resolve; reject = _reject })
  return { promise, resolve, reject }
}

export const settle = async () => { for (let i = 0; i < 5; i++) await new Promise(setImmediate) }
