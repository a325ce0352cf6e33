import type { JSX } from 'preact'
import { isMuted, type Conversation } from '../../client/index.js'
import { useChat, useWords } from './context.js'
import { useStore } from './hooks.js'
import { MenuList, type MenuItem } from './menu-list.js'
import { playSound } from './play-sound.js'
import type { Anchor } from './popup.js'
import { otherOf } from './words.js'

const MUTED_FOR_MS = 8 * 3_600_000

interface Props {
  conversation: Conversation
  /** The `seq` of the newest message, or null without one. */
  newestSeq: number | null
  /** Called before it is marked as unread: while it is shown, it would be read at once. Without it, the menu does not offer that. */
  onUnread?: (() => void) | undefined
  /** Asks whether to block the other participant. Without it, the menu does not offer that. */
  onBlock?: (() => void) | undefined
  onProblem: (error: unknown) => void
  anchor: Anchor
  onClose: () => void
}

/** What a user can do with a conversation for themselves: nobody else sees it. */
export function ConversationMenu ({ conversation, newestSeq, onUnread, onBlock, onProblem, anchor, onClose }: Props): JSX.Element {
  const { client, list, session, sounds, userId } = useChat()
  const words = useWords()
  const { blocked } = useStore(session)
  const hasSound = useStore(sounds).has(conversation.id)
  const { id, me, unreadCount } = conversation
  const other = otherOf(conversation, userId)
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
  items.push({
    label: words.sound,
    checked: hasSound,
    onSelect () {
      sounds.set(id, hasSound ? null : true)
      if (!hasSound) playSound() // So that one knows what to listen for
    }
  })
  items.push({ label: me.archived ? words.unarchive : words.archive, onSelect: () => { update({ archived: !me.archived }) } })
  if (other !== undefined && onBlock !== undefined) {
    items.push(blocked.has(other.userId)
      ? { label: words.unblock, onSelect: () => { client.unblock(other.userId).catch(onProblem) } }
      : { label: words.askBlock, danger: true, onSelect: onBlock })
  }
  return <MenuList label={words.conversationMenu} items={items} anchor={anchor} onClose={onClose} />
}
