import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import type { LiveConversationList } from '../../client/index.js'
import { Avatar } from './avatar.js'
import { useChat, useWords } from './context.js'
import { FoundMessages } from './found-messages.js'
import { useFoundPeople, type Person } from './found-people.js'
import { useStore } from './hooks.js'
import { otherOf } from './words.js'

interface Props {
  query: string
  /** The conversations whose names are searched beside it. */
  list: LiveConversationList
  onSelect: (conversationId: string) => void
  onClose: () => void
}

/** What the service finds beside the names in the list: people to write to, and messages. */
export function Found (props: Props): JSX.Element {
  return <><FoundPeople {...props} /><FoundMessages {...props} /></>
}

/** People without a conversation in the list. Choosing one begins it. */
function FoundPeople ({ query, list, onSelect, onClose }: Props): JSX.Element {
  const { client, userId } = useChat()
  const words = useWords()
  const { conversations } = useStore(list)
  const [problem, setProblem] = useState<unknown>(null)
  const there = conversations.flatMap((conversation) => otherOf(conversation, userId)?.userId ?? [])
  const found = useFoundPeople(query, [...there, userId])

  async function open (person: Person): Promise<void> {
    try {
      onSelect((await client.createConversation({ type: 'direct', userId: person.userId })).id)
      onClose()
    } catch (error) {
      setProblem(error)
    }
  }

  if (found.length === 0) return <></>
  return (
    <section class='found-messages' aria-label={words.peopleField}>
      <h2>{words.peopleField}</h2>
      {problem !== null && <p class='problem' role='alert'>{words.sentenceOf(problem)}</p>}
      <ul>
        {found.map((person) => (
          <li key={person.userId}>
            <button type='button' class='item' onClick={() => { void open(person) }}>
              <Avatar id={person.userId} name={person.displayName} picture={person.avatar} />
              <span class='item-name'><bdi>{person.displayName}</bdi></span>
              <span class='item-preview'><bdi>{person.userId}</bdi></span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  )
}
