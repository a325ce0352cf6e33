import { useEffect, useMemo, useState } from 'preact/hooks'
import { followChanges, type ConversationChange, type LiveConversation } from '../../client/index.js'
import { useChat } from './context.js'
import { useStore } from './hooks.js'

/** What happened to a conversation, as far as its messages are loaded. Each belongs behind the message whose `seq` is its `afterSeq`. */
export function useChanges (live: LiveConversation): readonly ConversationChange[] {
  const { session } = useChat()
  const [view, setView] = useState<readonly ConversationChange[]>([])
  const { status, hasOlder, hasNewer, messages } = useStore(live)
  const changes = useMemo(() => {
    const following = followChanges(session, live, () => { setView(following.view()) })
    return following
  }, [live])
  useEffect(() => () => { changes.close() }, [changes])
  useEffect(() => { if (status === 'ready') void changes.load() }, [status, hasOlder, hasNewer, messages[0]?.key])
  return view
}
