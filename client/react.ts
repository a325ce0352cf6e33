import { useEffect, useMemo, useState, useSyncExternalStore } from 'react'
import { openConversation } from './live/conversation.js'
import { openConversationList } from './live/conversation-list.js'
import type { Timer } from './base/platform.js'
import type { CustomTypes } from './custom.js'
import type { ChatSession, SessionSnapshot } from './live/session.js'
import type {
  ConversationFilter, ConversationLine, ConversationListSnapshot, ConversationOptions, ConversationSnapshot, LiveConversation, LiveConversationList
} from './live/snapshots.js'
import type { Store } from './live/store.js'

export { ChatList, ChatWindow, type ChatElementProps } from './react-elements.js'

interface Shared<L> {
  live: L
  users: number
  closed: boolean
  /** Closes the live state if no component uses it by then. */
  timer: Timer
}

/** Live states by session and key: components that show the same conversation share one. */
const shared = new WeakMap<object, Map<string, Shared<Closable>>>()

interface Closable { close (): void }

function find<L extends Closable> (session: object, key: string, open: () => L): Shared<L> {
  let ofSession = shared.get(session)
  if (ofSession === undefined) {
    ofSession = new Map()
    shared.set(session, ofSession)
  }
  let entry = ofSession.get(key) as Shared<L> | undefined
  if (entry === undefined) {
    const made: Shared<L> = entry = {
      live: open(),
      users: 0,
      closed: false,
      // A render may be discarded: close the live state if no effect has used it by then.
      timer: setTimeout(() => release(session, key, made), 5000)
    }
    ofSession.set(key, made)
  }
  return entry
}

function release (session: object, key: string, entry: Shared<Closable>): void {
  const ofSession = shared.get(session)
  if (entry.users > 0 || ofSession?.get(key) !== entry) return
  ofSession.delete(key)
  entry.closed = true
  entry.live.close()
}

function useShared<L extends Store<unknown> & Closable> (session: object, key: string, open: () => L): L {
  const [times, openAgain] = useState(0)
  const entry = useMemo(() => find(session, key, open), [session, key, times])
  useEffect(() => {
    // The component was hidden for a while and is shown again.
    if (entry.closed) return openAgain((n) => n + 1)
    entry.users++
    clearTimeout(entry.timer)
    return () => {
      entry.users--
      // Close it later: the next component may use it, and strict mode mounts every component twice.
      clearTimeout(entry.timer)
      entry.timer = setTimeout(() => release(session, key, entry), 0)
    }
  }, [entry, session, key])
  return entry.live
}

function useStore<T> (store: Store<T>): T {
  return useSyncExternalStore(store.subscribe, store.getSnapshot, store.getSnapshot)
}

/** The live state of a conversation while the component is mounted, with `live` for its methods. */
export function useConversation<T extends CustomTypes> (
  session: ChatSession<T>, conversationId: string, options: ConversationOptions & { changes: true }
): ConversationSnapshot<T, ConversationLine<T>> & { live: LiveConversation<T, ConversationLine<T>> }
export function useConversation<T extends CustomTypes> (
  session: ChatSession<T>, conversationId: string, options?: ConversationOptions & { changes?: false }
): ConversationSnapshot<T> & { live: LiveConversation<T> }
export function useConversation (session: ChatSession, conversationId: string, { changes = false }: ConversationOptions = {}): unknown {
  const live = useShared<LiveConversation<CustomTypes, ConversationLine>>(session, `conversation ${conversationId} ${changes}`, () =>
    changes ? openConversation(session, conversationId, { changes }) : openConversation(session, conversationId))
  const snapshot = useStore(live)
  return useMemo(() => ({ ...snapshot, live }), [snapshot, live])
}

/** The live list of the user's conversations while the component is mounted, with `live` for its methods. Default: without archived ones. */
export function useConversationList<T extends CustomTypes> (
  session: ChatSession<T>, filter: ConversationFilter = {}
): ConversationListSnapshot<T> & { live: LiveConversationList<T> } {
  const { archived = 'false', favourite = false, unread = false } = filter
  const live = useShared(session, `list ${archived} ${favourite} ${unread}`, () => openConversationList(session, filter))
  const snapshot = useStore(live)
  return useMemo(() => ({ ...snapshot, live }), [snapshot, live])
}

/** The user and the state of the stream, such as for a banner while it reconnects. */
export const useSession = <T extends CustomTypes> (session: ChatSession<T>): SessionSnapshot<T> => useStore(session)
