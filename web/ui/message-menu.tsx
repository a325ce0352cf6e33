import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import type { ChatMessage, Conversation } from '../../client/index.js'
import { download, isPicture } from './attachments.js'
import { useChat, useWords } from './context.js'
import { EmojiPopup } from './emoji-picker.js'
import { quickEmoji } from './emoji-used.js'
import { EditIcon, FileIcon, ReplyIcon } from './icons.js'
import { linksOf } from './links.js'
import { MenuList, type MenuItem } from './menu-list.js'
import { CopyIcon, DeleteIcon, InfoIcon, LinkIcon, PictureIcon, PlusIcon } from './menu-icons.js'
import { mayDelete, mayPost, type MessageActions } from './message-actions.js'
import type { Anchor } from './popup.js'

interface MenuProps {
  message: ChatMessage
  conversation: Conversation | null
  anchor: Anchor
  actions: MessageActions
  /** Whether to begin with the picker of emoji. */
  picking: boolean
  onClose: () => void
}

/** What can be done with a message: a row of reactions, and a menu. */
export function MessageMenu ({ message, conversation, anchor, actions, picking: first, onClose }: MenuProps): JSX.Element {
  const { client, userId } = useChat()
  const words = useWords()
  const [picking, setPicking] = useState(first)
  const { own, text, seq, deletedAt } = message
  const there = seq !== null && deletedAt === null
  const open = conversation !== null && there
  const canReact = open && conversation.settings.posting !== 'nobody'
  const canWrite = open && mayPost(conversation, userId)

  const items: MenuItem[] = []
  if (canWrite) items.push({ label: words.reply, icon: <ReplyIcon />, onSelect: () => { actions.reply(message) } })
  if (deletedAt === null && text !== '') {
    items.push({ label: words.copy, icon: <CopyIcon />, onSelect: () => { navigator.clipboard?.writeText(text).catch(() => {}) } })
  }
  if (open && own && !message.growing && conversation.settings.posting !== 'nobody') {
    items.push({ label: words.edit, icon: <EditIcon />, onSelect: () => { actions.edit(message) } })
  }
  // What a pointer does on the message itself
  for (const piece of there ? linksOf(text) : []) {
    if (typeof piece === 'string') continue
    const { shown, url } = piece
    items.push({ label: words.openLink(shown), icon: <LinkIcon />, onSelect: () => { window.open(url, '_blank', 'noopener,noreferrer') } })
  }
  const { replyTo, attachments } = message
  if (there && replyTo !== null) items.push({ label: words.goToQuote, icon: <ReplyIcon />, onSelect: () => { actions.jump(replyTo.seq) } })
  for (const file of there ? attachments : []) {
    if (isPicture(file)) items.push({ label: words.showPicture(file.name), icon: <PictureIcon />, onSelect: () => { actions.show(file) } })
    else items.push({ label: words.download(file.name), icon: <FileIcon />, onSelect: () => { download(client, file).catch(() => {}) } })
  }
  if (seq !== null) items.push({ label: words.info, icon: <InfoIcon />, onSelect: () => { actions.info(message) } })
  if (open && mayDelete(message, conversation, userId)) {
    items.push({ label: words.delete, icon: <DeleteIcon />, danger: true, onSelect: () => { actions.remove(message) } })
  }

  function react (emoji: string): void {
    onClose()
    actions.react(message, emoji, !message.myReactions.includes(emoji))
  }

  if (picking && canReact) return <EmojiPopup anchor={anchor} onPick={react} onClose={onClose} />
  return (
    <MenuList label={words.messageMenu} items={items} anchor={anchor} onClose={onClose}>
      {canReact && (
        <div class='quick' role='group' aria-label={words.react}>
          {quickEmoji().map((emoji) => (
            <button
              key={emoji} type='button' role='menuitemcheckbox' aria-checked={message.myReactions.includes(emoji)} tabIndex={-1}
              aria-label={words.reactWith(emoji)} onClick={() => { react(emoji) }}
            >
              {emoji}
            </button>
          ))}
          <button
            type='button' role='menuitem' tabIndex={-1} aria-label={words.moreEmoji} title={words.moreEmoji}
            onClick={() => { setPicking(true) }}
          >
            <PlusIcon />
          </button>
        </div>
      )}
    </MenuList>
  )
}
