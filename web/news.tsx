import type { JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import type { Chat } from './chat.js'

interface Props {
  chat: Chat
  selected: string | null
  me: string
}

/** Announces new messages to users of screen readers. */
export function NewsForReaders ({ chat: { session }, selected, me }: Props): JSX.Element {
  const [news, setNews] = useState('')
  useEffect(() => session.listen((...[type, data]) => {
    if (type !== 'message' || data.senderId === me) return
    const { displayName } = data.sender
    setNews(data.conversationId === selected ? `${displayName}: ${data.text}` : `New message from ${displayName}`)
  }), [session, selected, me])
  return <div class='for-readers' role='status' aria-live='polite'>{news}</div>
}
