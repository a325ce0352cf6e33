import type { EventType } from '../../schemas/events.js'

/**
 * The events of the catalogue. An `EventSource` needs a listener for each name, and only these have callbacks: an event
 * named `error` must not call `onError`. A missing name does not compile.
 */
export const eventNames = /* @__PURE__ */ Object.keys({
  connected: 0,
  conversationCreated: 0,
  message: 0,
  statusUpdate: 0,
  messageUpdated: 0,
  messageDeleted: 0,
  reaction: 0,
  participantJoined: 0,
  participantLeft: 0,
  participantUpdated: 0,
  typing: 0,
  onlineStatus: 0,
  userUpdated: 0,
  reset: 0,
  disconnect: 0
} satisfies Record<EventType, 0>) as EventType[]
