import { useEffect, useMemo, useState } from 'preact/hooks'
import type { Profile } from '../../client/index.js'
import { useChat } from './context.js'
import { useStore } from './hooks.js'
import { begins, plain } from './plain.js'

export type Person = Pick<Profile, 'userId' | 'displayName' | 'avatar'>

/** The most people that are offered at a time. */
const OFFERED = 6
/** How long the user must not have typed before the service is asked, in milliseconds: it answers some thirty times a minute. */
const PAUSE_MS = 250

/** The people in the user's conversations, by their ids. */
function useKnown (): ReadonlyMap<string, Person> {
  const { list, userId } = useChat()
  const { conversations } = useStore(list)
  return useMemo(() => new Map(conversations.flatMap(({ participants }) => participants)
    .filter((person) => person.userId !== userId).map((person) => [person.userId, person])), [conversations, userId])
}

/**
 * The people whom a text finds by their name or id: at once those in the user's conversations, and then those whom the service finds.
 *
 * @param except ids of people who are not wanted
 */
export function useFoundPeople (text: string, except: readonly string[]): readonly Person[] {
  const { client } = useChat()
  const known = useKnown()
  const [answer, setAnswer] = useState<{ query: string, users: readonly Person[] }>({ query: '', users: [] })
  const query = text.trim()
  useEffect(() => {
    if (query === '') return
    const abort = new AbortController()
    const timer = setTimeout(() => {
      // Where the service finds nobody, or not so often, those in the conversations are what there is.
      client.findUsers(query, {}, { signal: abort.signal }).then(({ users }) => { setAnswer({ query, users }) }, () => {})
    }, PAUSE_MS)
    return () => {
      clearTimeout(timer)
      abort.abort()
    }
  }, [client, query])
  return useMemo(() => {
    const wanted = plain(query)
    if (wanted === '') return []
    const near = [...known.values()].filter(({ userId, displayName }) => begins(displayName, wanted) || plain(userId).startsWith(wanted))
    const found = new Map([...near, ...answer.query === query ? answer.users : []].map((person) => [person.userId, person]))
    return [...found.values()].filter(({ userId }) => !except.includes(userId))
      .sort((a, b) => Number(b.userId === query) - Number(a.userId === query)).slice(0, OFFERED)
  }, [known, answer, query, except.join('\n')])
}
