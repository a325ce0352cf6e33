import type { ComponentChildren, JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { ChatError, conversationTitle, type Conversation, type SearchPage } from '../../client/index.js'
import { summaryOf } from './attachments.js'
import { Avatar } from './avatar.js'
import { useChat, useWords } from './context.js'
import { useNow, useStore } from './hooks.js'
import { otherOf } from './words.js'

type Hit = SearchPage['results'][number]

/** How long the user must not have typed before the service is asked, in milliseconds. */
const PAUSE_MS = 250
/** What is shown before the first mark, in code units. */
const BEFORE = 24
/** The longest part of a text that is shown, in code units. */
const SHOWN = 160

interface Props {
  query: string
  onSelect: (conversationId: string) => void
  onClose: () => void
}

/** The messages that the service finds, newest first. One that is chosen is shown in its conversation. */
export function FoundMessages ({ query, onSelect, onClose }: Props): JSX.Element {
  const { client } = useChat()
  const words = useWords()
  const [found, setFound] = useState<{ query: string, hits: readonly Hit[], cursor: string | null } | null>(null)
  const [problem, setProblem] = useState<unknown>(null)
  const searching = problem === null && found?.query !== query

  async function search (cursor: string | null, signal?: AbortSignal): Promise<void> {
    try {
      const page = await client.search(query, cursor === null ? {} : { cursor }, { signal })
      setFound((known) => ({ query, hits: [...cursor === null ? [] : known?.hits ?? [], ...page.results], cursor: page.nextCursor }))
      setProblem(null)
    } catch (error) {
      if (signal?.aborted !== true) setProblem(error)
    }
  }

  useEffect(() => {
    setProblem(null)
    const abort = new AbortController()
    const timer = setTimeout(() => { void search(null, abort.signal) }, PAUSE_MS)
    return () => {
      clearTimeout(timer)
      abort.abort()
    }
  }, [client, query])

  const code = problem instanceof ChatError ? problem.code : null
  if (code === 'FEATURE_OFF') return <></>
  const nothing = code === 'VALIDATION_FAILED' || (!searching && problem === null && found?.hits.length === 0 && found.cursor === null)
  return (
    <section class='found-messages' aria-label={words.messages} aria-busy={searching}>
      <h2>{words.messages}</h2>
      {problem !== null && !nothing && <p class='problem' role='alert'>{words.sentenceOf(problem)}</p>}
      {nothing && <p class='hint' role='status'>{words.nothingFound}</p>}
      {searching && found === null && <p class='hint' role='status'><span class='spinner' aria-hidden='true' /> {words.loading}</p>}
      {found !== null && problem === null && (
        <ul>
          {found.hits.map((hit) => (
            <li key={hit.message.id}><FoundMessage hit={hit} onSelect={onSelect} onClose={onClose} /></li>
          ))}
        </ul>
      )}
      {found !== null && found.query === query && found.cursor !== null && (
        <button type='button' class='button is-quiet is-wide' onClick={() => { void search(found.cursor) }}>{words.showMore}</button>
      )}
    </section>
  )
}

function FoundMessage ({ hit, onSelect, onClose }: { hit: Hit } & Omit<Props, 'query'>): JSX.Element {
  const { client, list, userId: me, targets } = useChat()
  const words = useWords()
  const now = useNow()
  const { id, seq, conversationId, sender, senderId, createdAt } = hit.message
  const listed = useStore(list).conversations.find((one) => one.id === conversationId)
  const [fetched, setFetched] = useState<Conversation | null>(null)
  useEffect(() => {
    let current = true
    // Archived ones, and those of further pages, are not in the list.
    if (listed === undefined) client.getConversation(conversationId).then((one) => { if (current) setFetched(one) }, () => {})
    return () => { current = false }
  }, [client, conversationId, listed === undefined])
  const conversation = listed ?? fetched
  const title = conversation === null ? words.conversation : conversationTitle(conversation, me) || words.onlyYou
  const other = conversation === null ? undefined : otherOf(conversation, me)
  return (
    <button
      type='button' class='item found-message' onClick={() => {
        targets.set({ id, seq, conversationId })
        onSelect(conversationId)
        onClose()
      }}
    >
      <Avatar
        id={other?.userId ?? conversationId} name={title} picture={other?.avatar ?? conversation?.avatar} group={conversation?.type === 'group'}
      />
      <span class='item-name'><bdi>{title}</bdi></span>
      <time class='item-time' dateTime={createdAt}>{words.shortTime(createdAt, now)}</time>
      <span class='item-preview'>
        <span dir='auto'>
          {(conversation?.type === 'group' || senderId === me) && <><bdi>{senderId === me ? words.you : sender.displayName}</bdi>: </>}
          {hit.message.text === '' ? summaryOf(hit.message, words) : marked(hit)}
        </span>
      </span>
    </button>
  )
}

/** The part of a text around what was found, with that marked. */
function marked ({ message: { text }, highlights }: Hit): ComponentChildren[] {
  const [first = 0] = highlights[0] ?? []
  const from = first <= BEFORE ? 0 : Math.max(0, text.indexOf(' ', first - BEFORE) + 1)
  const start = from > first ? first : from
  const end = start + SHOWN
  const parts: ComponentChildren[] = start > 0 ? ['…'] : []
  let at = start
  for (const [begin = 0, length = 0] of highlights) {
    if (begin < at || begin >= end) continue
    parts.push(text.slice(at, begin), <mark key={begin}>{text.slice(begin, begin + length)}</mark>)
    at = begin + length
  }
  return [...parts, text.slice(at, Math.max(at, end))]
}
