import { createKept, forget, type Kept } from './kept.js'

/** What the user has begun to write in a conversation. */
export interface Draft {
  text: string
  /** The message that it replies to. */
  replyTo?: { id: string, name: string, text: string } | null
  /** The message that is being edited, and its text so far. The new message waits meanwhile. */
  edit?: { id: string, text: string } | null
}

/** Drafts by conversation. */
export interface Drafts extends Omit<Kept<Draft>, 'set'> {
  of (conversationId: string): Draft
  set (conversationId: string, draft: Draft): void
}

const WHAT = 'drafts'
const nothing: Draft = { text: '' }
const isEmpty = ({ text, replyTo, edit }: Draft) => text === '' && replyTo == null && edit == null

/** Removes the drafts of a user who signs out. */
export function forgetDrafts (userId: string, baseUrl: string): void { forget(WHAT, userId, baseUrl) }

export function createDrafts (userId: string, baseUrl: string): Drafts {
  const kept = createKept<Draft>(WHAT, userId, baseUrl)
  return {
    ...kept,
    of: (id) => kept.getSnapshot().get(id) ?? nothing,
    set (id, draft) { kept.set(id, isEmpty(draft) ? null : draft) }
  }
}
