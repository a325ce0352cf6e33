import { createRecent } from '../base/recent.js'
import type { StreamEvent } from '../options.js'

/** Conversations remembered; the one that was quiet for longest is forgotten first. */
const CAPACITY = 5000

/**
 * Tells repeated events. Resuming a stream of all conversations may bring an event twice; its `eventSeq`, counted in each
 * conversation's log, gives it away.
 */
export function createSequenceGuard (capacity = CAPACITY): { isNew (event: StreamEvent): boolean, forget (): void } {
  const seen = createRecent<number>(capacity)
  return {
    forget: () => { seen.clear() },
    isNew ([type, data]) {
      if (type === 'reset' && data.reason !== 'pruned') {
        // Another log than the one that was counted: its numbers begin anew.
        if (data.conversationId === null) seen.clear()
        else seen.delete(data.conversationId)
      }
      if (!('eventSeq' in data)) return true
      const { conversationId, eventSeq } = data
      if (eventSeq <= (seen.get(conversationId) ?? 0)) return false
      seen.set(conversationId, eventSeq)
      return true
    }
  }
}
