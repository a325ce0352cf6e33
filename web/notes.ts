import type { ChatSession, Store } from '../client/index.js'

/** A line in a group's history that is not a message. */
export interface Note {
  key: string
  timestamp: string
  text: string
}

export type Notes = ReadonlyMap<string, readonly Note[]>

const KEPT = 100

/** Collects who joins and leaves, by conversation, from the events of the stream. The server's history has only messages. */
export function createNotes (session: ChatSession): Store<Notes> {
  const listeners = new Set<() => void>()
  let notes: Notes = new Map()

  session.listen((...[type, data]) => {
    if (type !== 'participantJoined' && type !== 'participantLeft' && type !== 'participantUpdated') return
    const { conversationId, userId, displayName, role, eventSeq, timestamp } = data
    const me = userId === session.getSnapshot().userId
    const is = me ? 'You are' : `${displayName} is`
    const text = type === 'participantJoined'
      ? `${me ? 'You' : displayName} joined`
      : type === 'participantLeft' // The event does not say whether they left or were removed
        ? `${is} no longer in the group`
        : { owner: `${is} the owner now`, admin: `${is} an admin now`, member: `${is} no longer an admin` }[role]
    const note = { key: `note ${eventSeq}`, timestamp, text }
    notes = new Map(notes).set(conversationId, [...(notes.get(conversationId) ?? []).slice(1 - KEPT), note])
    for (const listener of [...listeners]) listener()
  })

  return {
    subscribe (listener) {
      listeners.add(listener)
      return () => { listeners.delete(listener) }
    },
    getSnapshot: () => notes
  }
}
