import { createRecent } from '../base/recent.js'
import type { StreamEvent } from '../options.js'

/** The most conversations that are remembered. The one without events for the longest time is forgotten first. */
const CAPACITY = 5000

/**
 * Recognises repeated events. A resumed stream of all conversations may send an event twice. Its `eventSeq`, which counts
 * the events of each conversation, identifies it.
 */
export function createSequenceGuard (capacity = CAPACITY): { isNew (event: StreamEvent): boolean, forget (): void } {
  const seen = createRecent<number>(capacity)
  return {
    forget: () => { seen.clear() },
    isNew ([type, data]) {
      if (type === 'reset' && data.reason !== 'pruned') {
        // The numbers of another log start again.
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
