import type { JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import type { ChatMessage, ReactionPage } from '../../client/index.js'
import { useChat, useWords } from './context.js'
import { Popup, type Anchor } from './popup.js'

/** The most people that are named: the info of the message has all. */
const NAMED = 12

interface Props {
  message: ChatMessage
  emoji: string
  anchor: Anchor
  onClose: () => void
}

/** Who reacted to a message with an emoji, beside its count. */
export function WhoReacted ({ message: { id, conversationId, reactions }, emoji, anchor, onClose }: Props): JSX.Element {
  const { client, userId } = useChat()
  const words = useWords()
  const [page, setPage] = useState<ReactionPage | null>(null)
  const count = reactions.find((one) => one.emoji === emoji)?.count ?? 0
  useEffect(() => {
    if (count === 0) return onClose()
    let current = true
    client.listReactions(id, { emoji, limit: NAMED }, { conversationId }).then((found) => { if (current) setPage(found) }, onClose)
    return () => { current = false }
  }, [client, id, emoji, count])
  if (page === null) return <></>
  const names = page.reactions.map(({ user }) => user.userId === userId ? words.you : user.displayName)
  return (
    <Popup anchor={anchor} class='who-reacted' quiet onClose={onClose}>
      <span class='info-emoji' aria-hidden='true'>{emoji}</span>
      <ul>
        {names.map((name, index) => <li key={index}><bdi>{name}</bdi></li>)}
        {count > names.length && <li>{words.others(count - names.length)}</li>}
      </ul>
    </Popup>
  )
}
