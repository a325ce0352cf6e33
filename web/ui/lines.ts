import type { ConversationChange } from '../../client/index.js'
import type { Words } from './words.js'

/** What happened to a conversation, as a sentence. Null for what is not worth a line. */
export function lineOf ({ type, data }: ConversationChange, me: string, words: Words): string | null {
  if (type === 'conversationCreated') return null
  const { userId, displayName } = data
  const own = userId === me
  if (type === 'conversationUpdated') {
    const { changed, title, settings } = data
    if (changed.includes('title')) {
      if (title === null) return own ? words.youRemovedTitle : words.removedTitle(displayName)
      return own ? words.youRenamed(title) : words.renamed(displayName, title)
    }
    if (changed.includes('description')) return own ? words.youDescribed : words.described(displayName)
    if (changed.includes('avatar')) return own ? words.youPictured : words.pictured(displayName)
    if (!changed.includes('settings')) return null
    const posting = { everyone: words.everyoneWrites, admins: words.adminsWrite, nobody: words.nobodyWrites }[settings.posting]
    return settings.slowModeSeconds > 0 ? `${posting} ${words.slowModeOf(settings.slowModeSeconds)}` : posting
  }
  const by = data.byUserId
  const alone = by === null || by === userId
  if (type === 'participantJoined') return own ? words.youJoined : words.joined(displayName)
  if (type === 'participantLeft') {
    if (own) return words.youAreOut
    return alone ? words.left(displayName) : words.isOut(displayName)
  }
  if (data.role === 'owner') return own ? words.youAreOwner : words.isOwner(displayName)
  if (data.role === 'admin') return own ? words.youAreAdmin : words.isAdmin(displayName)
  return own ? words.youAreNoAdmin : words.isNoAdmin(displayName)
}
