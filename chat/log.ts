import { emissionOf, type Blank, type Emission, type Routing } from '../hub/emission.js'
import type { Log } from '../hub/log.js'
import { isoTime } from '../schemas/common.js'
import type { ConversationType, Role } from '../schemas/conversations.js'
import { durableEvents, type ChatEvents, type DurableEventType } from '../schemas/events.js'
import type { MessageStatus } from '../schemas/messages.js'
import { cursorOfAll, cursorOfTopic } from '../store/cursor.js'
import type { LoggedEvent, Queries } from '../store/queries.js'

/** The event log as the hub reads it: what happened, with each message as it is now. */
export function chatLog (queries: Queries, identity: string): Log<ChatEvents> {
  return {
    async read (topic, after, limit) {
      const { num, type, title, events } = await queries.events(topic, after, limit)
      return events.map(event => replay(event, topic, cursorOfTopic(identity, num, event.seq, event.tag), { type: type as ConversationType, title }))
    },
    look: async positions => await queries.tags.newest(positions),
    changedSince: async position => (await queries.changedSince(position)).map(({ conversationId, eventSeq }) => ({ topic: conversationId, seq: eventSeq })),
    joinedSince: async position => (await queries.joinedSince(position)).map(({ conversationId, ...rest }) => ({ topic: conversationId, ...rest })),
    cursor: (at, shown) => cursorOfAll(identity, at, shown)
  }
}

function replay (event: LoggedEvent, conversationId: string, id: string, conversation: { type: ConversationType, title: string | null }): Emission<ChatEvents> | Blank {
  const { type, seq: eventSeq, position, tag, userId, displayName } = event
  const timestamp = isoTime(event.createdAt)
  const routing: Routing = { topics: [conversationId], seq: eventSeq, position, tag, id }
  if (!isKnown(type)) return { type, data: null, blank: true, ...routing }
  switch (type) {
    case 'conversationCreated':
      return emissionOf<ChatEvents, typeof type>(type, { conversationId, ...conversation, createdBy: userId, timestamp, eventSeq }, routing)
    case 'message':
      return emissionOf<ChatEvents, typeof type>(type, { ...messageOf(event), eventSeq }, { ...routing, except: userId })
    case 'messageUpdated':
    case 'messageDeleted':
      return emissionOf<ChatEvents, typeof type>(type, { ...messageOf(event), eventSeq }, routing)
    case 'statusUpdate':
      return emissionOf<ChatEvents, typeof type>(type,
        { messageId: messageOf(event).id, status: event.detail as MessageStatus, conversationId, userId, timestamp, eventSeq }, routing)
    case 'participantJoined':
    case 'participantLeft':
    case 'participantUpdated':
      return emissionOf<ChatEvents, typeof type>(type, { conversationId, userId, displayName, role: event.detail as Role, timestamp, eventSeq }, {
        ...routing,
        ...(type === 'participantJoined' ? { joins: [userId] } : {}),
        ...(type === 'participantLeft' ? { leaves: userId } : {})
      })
  }
}

/** Nodes of a newer version may write to the same log during a rolling deploy. */
const isKnown = (type: string): type is DurableEventType => Object.hasOwn(durableEvents, type)

function messageOf ({ message, seq }: LoggedEvent): NonNullable<LoggedEvent['message']> {
  if (message === null) throw new Error(`event ${seq} of the log points at no message`)
  return message
}
