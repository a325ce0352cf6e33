import type { Log } from '../hub/log.js'
import { isoTime } from '../schemas/common.js'
import type { ChatEvents } from '../schemas/events.js'
import type { Database } from '../store/database.js'
import type { Queries } from '../store/queries.js'
import { cursorOfAll, cursorOfTopic } from './event-id.js'
import { replayEvent } from './events.js'

/**
 * The event log as the hub reads it: what happened, with each message as it is now. `heard` is told the newest position, once a second
 * and more often.
 */
export function chatLog (
  queries: Queries, { identity, clock }: Pick<Database, 'identity' | 'clock'>, heard: (position: number) => void = () => {}
): Log<ChatEvents> {
  return {
    async read (topic, after, limit) {
      const { conversation, events } = await queries.events(topic, after, limit)
      if (conversation === undefined) return []
      return events.map(event => replayEvent(event, conversation, cursorOfTopic(identity, conversation.num, event.seq, event.tag)))
    },
    async look (positions) {
      const newest = await queries.tags.newest(positions)
      heard(newest.position)
      return newest
    },
    changedSince: async position =>
      (await queries.changedSince(position)).map(({ conversationId, eventSeq }) => ({ topic: conversationId, seq: eventSeq })),
    joinedSince: async position => (await queries.joinedSince(position)).map(({ conversationId, ...rest }) => ({ topic: conversationId, ...rest })),
    endedSince: async position => (await queries.deletedSince(position)).map(({ conversationId, deletedAt }) => ({
      type: 'conversationDeleted', data: { conversationId, timestamp: isoTime(deletedAt) }, topics: [conversationId], ends: true
    })),
    async growing (topic) {
      const timestamp = isoTime(clock.now())
      return (await queries.growing(topic)).map(({ messageId, senderId, text }) => ({
        type: 'messageAppended', data: { conversationId: topic, messageId, offset: 0, text, timestamp }, topics: [topic], except: senderId
      }))
    },
    joined (first, second) {
      if (first.type !== 'messageAppended' || second.type !== 'messageAppended') return undefined
      const { offset, text } = first.data
      if (second.data.offset !== offset + text.length) return undefined
      return { ...second, data: { ...second.data, offset, text: text + second.data.text } }
    },
    cursor: (at, shown) => cursorOfAll(identity, at, shown)
  }
}
