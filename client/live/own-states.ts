import type { OwnState, UpdateOwnStateBody } from '../../schemas/conversations.js'
import { instant } from '../base/clock.js'
import type { ChatClient } from '../client.js'
import type { Conversation } from '../custom.js'
import type { StreamEvent } from '../options.js'

/** What the stream tells of a change. */
export type StateEvent = Extract<StreamEvent, ['conversationState', ...unknown[]]>

/** Whether a conversation is muted now. */
export const isMuted = ({ mutedUntil }: OwnState): boolean => mutedUntil !== null && (mutedUntil === 'forever' || mutedUntil > instant())

/** Up to where nothing counts as unread. */
export const readUpTo = (readSeq: number, unreadFrom: number | null): number => unreadFrom === null ? readSeq : Math.min(readSeq, unreadFrom - 1)

/**
 * Counts the changes of the user's private state that the stream tells.
 * @returns a function that is called with every event, and says how many changes were missed before it; less than 0 if it came late
 */
export function createVersion (): (event: StreamEvent) => number {
  let known = -1
  return ([type, data]) => {
    if (type === 'conversationDeleted' && known >= 0) known++
    if (!('userVersion' in data)) return 0
    const more = data.userVersion - known
    const isFirst = known < 0
    known = data.userVersion
    if (type === 'connected') return more
    return isFirst ? 0 : more > 0 ? more - 1 : more
  }
}

/** The user's changes of their own state. Live states show them before the service has answered, and no longer if it refuses them. */
export interface OwnStates {
  /** Changes the user's own state of a conversation. @throws ChatError */
  update (conversationId: string, change: UpdateOwnStateBody, signal?: AbortSignal): Promise<void>
  /** A conversation with the changes that are not answered yet. The same object if there are none. */
  show (conversation: Conversation): Conversation
  /** Calls back when a change is made, answered (then with what the stream will tell) or refused. @returns a function that ends it */
  follow (changed: (event: StateEvent | null) => void): () => void
}

export function createOwnStates (client: ChatClient): OwnStates {
  /** In the order in which they were made. */
  const waiting = new Set<{ conversationId: string, change: Partial<OwnState> }>()
  const followers = new Set<(event: StateEvent | null) => void>()
  const tell = (event: StateEvent | null) => { for (const changed of [...followers]) changed(event) }

  return {
    async update (conversationId, change, signal) {
      // Without fields that are undefined: they stay.
      const entry = { conversationId, change: JSON.parse(JSON.stringify(change)) as Partial<OwnState> }
      waiting.add(entry)
      tell(null)
      let event: StateEvent | null = null
      try {
        event = ['conversationState', { ...await client.updateOwnState(conversationId, change, { signal }), timestamp: instant() }, null]
      } finally {
        waiting.delete(entry)
        tell(event)
      }
    },
    show (conversation) {
      for (const { conversationId, change } of waiting) {
        if (conversationId === conversation.id) conversation = { ...conversation, me: { ...conversation.me, ...change } }
      }
      return conversation
    },
    follow (changed) {
      followers.add(changed)
      return () => { followers.delete(changed) }
    }
  }
}
