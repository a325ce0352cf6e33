import type { EventType } from '../../schemas/events.js'

/**
 * The events of the catalogue. An `EventSource` needs a listener for each name, and only these have callbacks: an event
 * named `error` must not call `onError`. Written by `npm run docs` from schemas/events.ts.
 */
export const eventNames: readonly EventType[] = [
  'conversationCreated',
  'conversationUpdated',
  'message',
  'statusUpdate',
  'messageUpdated',
  'messageDeleted',
  'reaction',
  'participantJoined',
  'participantLeft',
  'participantUpdated',
  'typing',
  'messageAppended',
  'messageStop',
  'onlineStatus',
  'conversationState',
  'blocked',
  'conversationDeleted',
  'userUpdated',
  'connected',
  'reset',
  'disconnect'
]
