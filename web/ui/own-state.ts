import { isMuted, type Conversation } from '../../client/index.js'
import type { Chat } from './chat.js'
import type { MenuItem } from './menu.js'
import type { Words } from './words.js'

const MUTED_FOR_MS = 8 * 3_600_000

interface Options {
  chat: Chat
  words: Words
  conversation: Pick<Conversation, 'id' | 'me' | 'unreadCount'>
  /** The `seq` of the newest message, or null without one. */
  newestSeq: number | null
  /** Called before it is marked as unread: while it is shown, it would be read at once. Without it, the menu does not offer that. */
  onUnread?: (() => void) | undefined
  onProblem: (error: unknown) => void
}

/** What a user can do with a conversation for themselves: nobody else sees it. */
export function ownStateItems ({ chat, words, conversation: { id, me, unreadCount }, newestSeq, onUnread, onProblem }: Options): MenuItem[] {
  const { client, list } = chat
  const update = (change: Parameters<typeof list.updateOwnState>[1]) => { list.updateOwnState(id, change).catch(onProblem) }
  const items: MenuItem[] = []
  if (newestSeq !== null && (unreadCount > 0 || me.unreadFrom !== null)) {
    items.push({ label: words.markRead, onSelect: () => { client.markRead(id, newestSeq).catch(onProblem) } })
  } else if (newestSeq !== null && onUnread !== undefined) {
    items.push({
      label: words.markUnread,
      onSelect () {
        onUnread()
        update({ unreadFrom: newestSeq })
      }
    })
  }
  items.push({ label: words.favourite, checked: me.favourite, onSelect: () => { update({ favourite: !me.favourite }) } })
  if (isMuted(me)) {
    items.push({ label: words.unmute, onSelect: () => { update({ mutedUntil: null }) } })
  } else {
    items.push(
      { label: words.muteForHours, onSelect: () => { update({ mutedUntil: new Date(new Date().getTime() + MUTED_FOR_MS).toISOString() }) } },
      { label: words.mute, onSelect: () => { update({ mutedUntil: 'forever' }) } }
    )
  }
  items.push({ label: me.archived ? words.unarchive : words.archive, onSelect: () => { update({ archived: !me.archived }) } })
  return items
}
