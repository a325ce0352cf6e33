import type { Log } from '../hub/log.js'
import { isoTime } from '../schemas/common.js'
import type { ChatEvents } from '../schemas/events.js'
import type { Queries } from '../store/queries.js'
import { cursorOfAll, cursorOfTopic } from './event-id.js'
import { replayEvent } from './events.js'

/** The event log as the hub reads it: what happened, with each message as it is now. */
export function chatLog (queries: Queries, identity: string): Log<ChatEvents> {
  return {
    async read (topic, after, limit) {
      const { conversation, events } = await queries.events(topic, after, limit)
      if (conversation === undefined) return []
      return events.map(event => replayEvent(event, { id: topic, ...conversation }, cursorOfTopic(identity, conversation.num, event.seq, event.tag)))
    },
    look: async positions => await queries.tags.newest(positions),
    changedSince: async position =>
      (await queries.changedSince(position)).map(({ conversationId, eventSeq }) => ({ topic: conversationId, seq: eventSeq })),
    joinedSince: async position => (await queries.joinedSince(position)).map(({ conversationId, ...rest }) => ({ topic: conversationId, ...rest })),
    endedSince: async position => (await queries.deletedSince(position)).map(({ conversationId, deletedAt }) => ({
      type: 'conversationDeleted', data: { conversationId, timestamp: isoTime(deletedAt) }, topics: [conversationId], ends: true
    })),
    cursor: (at, shown) => cursorOfAll(identity, at, shown)
  }
}
