import { useEffect, useState } from 'preact/hooks'
import { openConversationList, type LiveConversationList } from '../../client/index.js'
import { useChat } from './context.js'

/** The most conversations whose names are searched. */
const SEARCHED = 1000

/** A list of all conversations, archived ones too, whose pages are loaded one after the other. Null until the first page is there. */
export function useEverything (isSearching: boolean): LiveConversationList | null {
  const { session } = useChat()
  const [everything, setEverything] = useState<LiveConversationList | null>(null)
  useEffect(() => {
    if (!isSearching) return
    const all = openConversationList(session, { archived: 'all' })
    const end = all.subscribe(() => {
      const { status, conversations, hasMore } = all.getSnapshot()
      if (status !== 'ready') return
      setEverything(all)
      if (hasMore && conversations.length < SEARCHED) all.loadMore().catch(() => {})
    })
    return () => {
      setEverything(null)
      end()
      all.close()
    }
  }, [session, isSearching])
  return everything
}
