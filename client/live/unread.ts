import type { ChatEvents, Conversation } from '../custom.js'
import { isMentioned, type Viewer } from './fold.js'
import { readUpTo } from './own-states.js'
import type { Timeline } from './timeline.js'

/** The service counts mentions up to this number, which stands for "this many or more". */
export const MENTIONS_COUNTED = 100

/**
 * What the user has not read of a conversation, or has marked as unread. Counted here if all of it is loaded, else by the service up to some
 * message.
 */
export function createUnread (timeline: Timeline, me: () => Viewer, hasNewer: () => boolean, unreadFrom: () => number | null) {
  /** How far the user has read. The server may not know it yet. */
  let readSeq = 0
  /** The counts that came with the conversation, and the `seq` of the newest message that they include. */
  let unreadThen = 0
  let mentionsThen = 0
  let countedSeq = 0

  const from = () => readUpTo(readSeq, unreadFrom())
  /** Whether every message that may be unread is loaded. */
  const allLoaded = () => !hasNewer() && timeline.oldestSeq !== null && timeline.oldestSeq <= from() + 1
  /** Whether a message is among those that only the service counts. */
  const isCounted = ({ senderId, seq }: ChatEvents['message']) =>
    senderId !== me().userId && seq > from() && seq <= countedSeq && unreadThen > 0 && !allLoaded()

  return {
    get readSeq () { return readSeq },
    count: () => allLoaded() ? timeline.countAfter(from()) : unreadThen + timeline.countAfter(countedSeq),
    mentionCount (): number {
      const count = allLoaded() ? timeline.countAfter(from(), true) : mentionsThen + timeline.countAfter(countedSeq, true)
      return Math.min(count, MENTIONS_COUNTED)
    },
    take ({ unreadCount, unreadMentionCount, lastMessage }: Conversation): void {
      unreadThen = unreadCount
      mentionsThen = unreadMentionCount
      countedSeq = lastMessage?.seq ?? 0
    },
    read (seq: number): void { readSeq = Math.max(readSeq, seq) },
    /** The `seq` of the conversation starts again. */
    reset (): void { readSeq = 0 },
    /** Call it before the event is applied. @returns whether only the service knows the counts after it */
    hear (type: 'messageUpdated' | 'messageDeleted', message: ChatEvents['message']): boolean {
      if (!isCounted(message)) return false
      const known = timeline.find(message.id)
      if (type === 'messageDeleted') {
        if (known?.deletedAt === null) {
          unreadThen--
          if (isMentioned(known, me()) && mentionsThen > 0) mentionsThen--
        }
        return true
      }
      const mentioned = isMentioned(message, me())
      return known === undefined ? mentioned || mentionsThen > 0 : isMentioned(known, me()) !== mentioned
    }
  }
}
