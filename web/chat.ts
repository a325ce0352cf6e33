import {
  createChatClient, createSession, openConversation, openConversationList,
  type ChatClient, type ChatSession, type LiveConversation, type LiveConversationList, type Store
} from '../client/index.js'
import { createNotes, type Notes } from './notes.js'
import { tokenOf, type Person } from './people.js'
import { baseUrl } from './service.js'
import { createWire, type Wire } from './wire.js'

/** Somebody's chat: the stream, the list, the conversations that were opened, and what goes over the wire. */
export interface Chat {
  client: ChatClient
  session: ChatSession
  list: LiveConversationList
  wire: Wire
  notes: Store<Notes>
  /** Texts that were begun, by conversation; they outlive a sign-in that expires. */
  drafts: Map<string, string>
  /** The live state of a conversation that comes into view. */
  enter (conversationId: string): LiveConversation
  /** It has gone out of view. */
  leave (conversationId: string): void
  /** Whether there is something that was not sent yet. */
  readonly unsent: boolean
  close (): void
}

const draftsOf = new Map<string, Map<string, string>>()

/** Who signs out leaves nothing. */
export function forgetDrafts (people: readonly Person[]): void {
  for (const { userId } of people) draftsOf.delete(userId)
}

/** Conversations kept open out of view, so that coming back finds them as they were. */
const KEPT = 8

export function openChat (person: Person): Chat {
  const wire = createWire(baseUrl)
  const client = createChatClient({ baseUrl, token: () => tokenOf(person), fetch: wire.fetch })
  const session = createSession(client, { userId: person.userId, onError: (error) => { console.error(error) } })
  session.listen(wire.event)
  const list = openConversationList(session)
  /** The longest out of view first. */
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
        // Closing would forget what still waits to be sent.
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
