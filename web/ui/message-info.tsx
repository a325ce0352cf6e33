import type { JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import type { ChatMessage, LiveConversation, Profile, ReceiptPage } from '../../client/index.js'
import { Avatar } from './avatar.js'
import { useChat, useWords } from './context.js'
import { Dialog } from './dialog.js'
import { Ticks } from './icons.js'

/** When a message was sent and how far it came, and who reacted to it. */
export function MessageInfo ({ message, live, onClose }: { message: ChatMessage, live: LiveConversation, onClose: () => void }): JSX.Element {
  const { client } = useChat()
  const words = useWords()
  const { id, own, status, createdAt, editedAt, reactions } = message
  const [who, setWho] = useState<readonly { emoji: string, user: Profile }[] | null>(null)
  const [problem, setProblem] = useState<string | null>(null)
  const [cursor, setCursor] = useState<string | null>(null)

  async function load (from: string | null): Promise<void> {
    try {
      const page = await client.listReactions(id, from === null ? {} : { cursor: from }, { conversationId: live.conversationId })
      setWho((known) => [...from === null ? [] : known ?? [], ...page.reactions])
      setCursor(page.nextCursor)
    } catch (error) {
      setProblem(words.sentenceOf(error))
    }
  }
  useEffect(() => { if (reactions.length > 0) void load(null) }, [])

  return (
    <Dialog title={words.info} onClose={onClose}>
      <dl class='facts'>
        <dt>{words.sent}</dt><dd>{words.exactTime(createdAt)}</dd>
        {editedAt !== null && <><dt>{words.edited}</dt><dd>{words.exactTime(editedAt)}</dd></>}
        {own && <><dt>{words.state}</dt><dd><Ticks status={status} /> {status === 'failed' ? words.notSent : words[status]}</dd></>}
      </dl>
      {problem !== null && <p class='problem' role='alert'>{problem}</p>}
      {own && message.seq !== null && <SeenBy messageId={id} />}
      {who !== null && (
        <>
          <h3>{words.reactions}</h3>
          <ul class='members'>
            {who.map(({ emoji, user }) => (
              <li key={`${emoji} ${user.userId}`} class='member'>
                <Avatar id={user.userId} name={user.displayName} picture={user.avatar} />
                <span class='member-name'><b><bdi>{user.displayName}</bdi></b></span>
                <span class='info-emoji'>{emoji}</span>
              </li>
            ))}
          </ul>
          {cursor !== null && <button type='button' class='button is-quiet' onClick={() => { void load(cursor) }}>{words.showMore}</button>}
        </>
      )}
    </Dialog>
  )
}

/** Who of the others has read a message, who has only got it, and who has not, with the times. */
function SeenBy ({ messageId }: { messageId: string }): JSX.Element {
  const { client } = useChat()
  const words = useWords()
  const [seen, setSeen] = useState<ReceiptPage | null>(null)
  const [problem, setProblem] = useState<string | null>(null)

  async function load (known: ReceiptPage | null): Promise<void> {
    try {
      const page = await client.receipts(messageId, known?.nextCursor == null ? {} : { cursor: known.nextCursor })
      setSeen({
        ...page,
        read: [...known?.read ?? [], ...page.read],
        delivered: [...known?.delivered ?? [], ...page.delivered],
        pending: [...known?.pending ?? [], ...page.pending]
      })
    } catch (error) {
      setProblem(words.sentenceOf(error))
    }
  }
  useEffect(() => { void load(null) }, [messageId])

  if (problem !== null) return <p class='problem' role='alert'>{problem}</p>
  if (seen === null) return <></>
  const lists: [string, readonly { user: Profile, at: string | null }[]][] = [
    [words.seenBy(seen.counts.read), seen.read],
    [words.deliveredTo(seen.counts.delivered), seen.delivered],
    [words.notYetTo(seen.counts.pending), seen.pending.map((user) => ({ user, at: null }))]
  ]
  return (
    <>
      {lists.filter(([, people]) => people.length > 0).map(([title, people]) => (
        <section key={title} aria-label={title}>
          <h3>{title}</h3>
          <ul class='members'>
            {people.map(({ user, at }) => (
              <li key={user.userId} class='member'>
                <Avatar id={user.userId} name={user.displayName} picture={user.avatar} />
                <span class='member-name'><b><bdi>{user.displayName}</bdi></b></span>
                {at !== null && <time dateTime={at}>{words.exactTime(at)}</time>}
              </li>
            ))}
          </ul>
        </section>
      ))}
      {seen.nextCursor !== null && <button type='button' class='button is-quiet' onClick={() => { void load(seen) }}>{words.showMore}</button>}
    </>
  )
}
