import {
  createChatClient, createSession, openConversation, openConversationList,
  type ChatClient, type ChatSession, type LiveConversation, type LiveConversationList, type Store
} from '../client/index.js'
import { createNotes, type Notes } from './notes.js'
import { tokenOf, type Person } from './people.js'
import { baseUrl } from './service.js'
import { createWire, type Wire } from './wire.js'

/** A user's chat: the stream, the list, the open conversations, and what goes over the wire. */
export interface Chat {
  client: ChatClient
  session: ChatSession
  list: LiveConversationList
  wire: Wire
  notes: Store<Notes>
  /** Unfinished texts by conversation. They survive a token that expires. */
  drafts: Map<string, string>
  /** The live state of a conversation that is now shown. */
  enter (conversationId: string): LiveConversation
  /** The conversation is no longer shown. */
  leave (conversationId: string): void
  /** Whether there are messages that have not been sent yet. */
  readonly unsent: boolean
  close (): void
}

const draftsOf = new Map<string, Map<string, string>>()

/** Removes the drafts of people who sign out. */
export function forgetDrafts (people: readonly Person[]): void {
  for (const { userId } of people) draftsOf.delete(userId)
}

/** The number of hidden conversations that stay open, so that a user who returns finds them as they were. */
const KEPT = 8

export function openChat (person: Person): Chat {
  const wire = createWire(baseUrl)
  const client = createChatClient({ baseUrl, token: () => tokenOf(person), fetch: wire.fetch })
  const session = createSession(client, { userId: person.userId, onError: (error) => { console.error(error) } })
  session.listen(wire.event)
  const list = openConversationList(session)
  /** In the order in which they were last shown. */
  const conversations = new Map<string, LiveConversation>()
  const hasUnsent = (live: LiveConversation) => live.getSnapshot().messages.some(({ seq }) => seq === null)
  const drafts = draftsOf.get(person.userId) ?? new Map<string, string>()
  draftsOf.set(person.userId, drafts)

  return {
    client,
    session,
    list,
    wire,
    notes: createNotes(session),
    drafts,
    enter (id) {
      const live = conversations.get(id) ?? openConversation(session, id)
      conversations.delete(id)
      conversations.set(id, live)
      return live
    },
    leave (id) {
      const left = conversations.get(id)
      left?.setTyping(false)
      let spare = conversations.size - KEPT
      for (const [oldId, live] of conversations) {
        const { status, removed } = live.getSnapshot()
        const useless = live === left && (removed || status === 'failed')
        // Closing it would drop its unsent messages.
        if ((spare-- <= 0 && !useless) || hasUnsent(live)) continue
        live.close()
        conversations.delete(oldId)
      }
    },
    get unsent () { return [...conversations.values()].some(hasUnsent) },
    close () {
      for (const [id, live] of conversations) {
        const unsent = live.getSnapshot().messages.filter(({ seq }) => seq === null).map(({ text }) => text)
        if (unsent.length > 0) drafts.set(id, [...unsent, drafts.get(id) ?? ''].join('\n').trimEnd())
        live.close()
      }
      list.close()
      session.close()
    }
  }
}
