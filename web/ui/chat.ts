import {
  createSession, openConversation, openConversationList, type ChatClient, type ChatSession, type LiveConversation, type LiveConversationList
} from '../../client/index.js'
import { createDrafts, type Drafts } from './drafts.js'
import { createKept, type Kept } from './kept.js'
import type { Place } from './place.js'
import { createTargets, type Targets } from './target.js'

export interface ChatOptions {
  client: ChatClient
  /** The user that the client's token belongs to. */
  userId: string
  /** Whether the service takes files. Default: true. */
  hasFiles?: boolean
}

/** A user's chat: the stream, the list, and the open conversations. The parts of this folder take it from their `ChatProvider`. */
export interface Chat {
  client: ChatClient
  userId: string
  hasFiles: boolean
  session: ChatSession
  list: LiveConversationList
  drafts: Drafts
  /** The conversations whose messages are heard, on this device. */
  sounds: Kept<true>
  /** The message that is to be shown. */
  targets: Targets
  /** Where the user has scrolled to, by conversation. */
  places: Map<string, Place>
  /** The files that are chosen for a message and not sent yet, by conversation. */
  files: Map<string, readonly File[]>
  /** The live state of a conversation that is now shown. */
  enter (conversationId: string): LiveConversation
  /** The conversation is no longer shown. */
  leave (conversationId: string): void
  /** Whether there are messages that have not been sent yet. */
  readonly unsent: boolean
  close (): void
}

/** The number of hidden conversations that stay open, so that a user who returns finds them as they were. */
const KEPT = 8

/** Opens a user's chat. Close it when it is no longer shown. */
export function openChat ({ client, userId, hasFiles = true }: ChatOptions): Chat {
  const session = createSession(client, { userId, onError: (error) => { console.error(error) } })
  const list = openConversationList(session)
  const baseUrl = client.options.baseUrl ?? '/'
  const drafts = createDrafts(userId, baseUrl)
  const sounds = createKept<true>('sounds', userId, baseUrl)
  /** In the order in which they were last shown. */
  const conversations = new Map<string, LiveConversation>()
  const unsentOf = (live: LiveConversation) => live.getSnapshot().messages.filter(({ seq }) => seq === null)

  return {
    client,
    userId,
    hasFiles,
    session,
    list,
    drafts,
    sounds,
    targets: createTargets(),
    places: new Map(),
    files: new Map(),
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
        if ((spare-- <= 0 && !useless) || unsentOf(live).length > 0) continue
        live.close()
        conversations.delete(oldId)
      }
    },
    get unsent () { return [...conversations.values()].some((live) => unsentOf(live).length > 0) },
    close () {
      for (const [id, live] of conversations) {
        const unsent = unsentOf(live).map(({ text }) => text)
        const draft = drafts.of(id)
        if (unsent.length > 0) drafts.set(id, { ...draft, text: [...unsent, draft.text].join('\n').trimEnd() })
        live.close()
      }
      drafts.close()
      sounds.close()
      list.close()
      session.close()
    }
  }
}
