import type { ChatClient } from '../client.js'
import type { MessagePage } from '../custom.js'
import type { People } from './people.js'
import type { Timeline } from './timeline.js'

const PAGE_SIZE = 50

export interface PagesOptions {
  client: ChatClient
  conversationId: string
  signal: AbortSignal
  timeline: Timeline
  people: People
  changed (): void
  /** More was heard during a request than could be kept: the newest page has to be fetched. */
  lost (): void
}

/** Which part of the history is loaded, without gaps, and how it grows. */
export function createPages ({ client, conversationId, signal, timeline, people, changed, lost }: PagesOptions) {
  let hasOlder = false
  let hasNewer = false
  let older: Promise<void> | null = null
  let newer: Promise<void> | null = null

  function learn (page: MessagePage, since: number): void {
    for (const { sender } of page.messages) people.learn(sender, since)
  }

  function replaced (page: MessagePage): void {
    hasOlder = page.hasMore
    hasNewer = page.hasMoreAfter === true
  }

  async function loadOlder (before: number): Promise<void> {
    const since = timeline.mark()
    const sinceNames = people.mark()
    const page = await client.listMessages(conversationId, { before, limit: PAGE_SIZE }, { signal })
    if (timeline.oldestSeq !== before) return // The history was reloaded in the meantime
    learn(page, sinceNames)
    timeline.take(page.messages, since)
    hasOlder = page.hasMore
  }

  async function loadNewer (after: number): Promise<void> {
    const since = timeline.mark()
    const sinceNames = people.mark()
    const page = await client.listMessages(conversationId, { after, limit: PAGE_SIZE }, { signal })
    if (timeline.newestSeq !== after) return
    learn(page, sinceNames)
    timeline.take(page.messages, since)
    hasNewer = page.hasMore
    // Messages that arrived during the request were beyond what is loaded.
    if (!hasNewer && !timeline.resume(since)) lost()
  }

  return {
    get hasOlder () { return hasOlder },
    get hasNewer () { return hasNewer },
    get loadingOlder () { return older !== null },
    get loadingNewer () { return newer !== null },
    /** The lowest and the highest `seq` that may be added. Beyond them, a message would leave a gap; its page loads it. */
    get from () { return hasOlder ? timeline.oldestSeq ?? 0 : 0 },
    get to () { return hasNewer ? timeline.newestSeq ?? 0 : Infinity },
    learn,
    /** What is loaded has been replaced by a page. */
    replaced,
    loadOlder (): Promise<void> {
      const before = timeline.oldestSeq
      if (older !== null) return older
      if (before === null || !hasOlder) return Promise.resolve()
      older = loadOlder(before).finally(() => {
        older = null
        changed()
      })
      changed()
      return older
    },
    loadNewer (): Promise<void> {
      const after = timeline.newestSeq
      if (newer !== null) return newer
      if (after === null || !hasNewer) return Promise.resolve()
      newer = loadNewer(after).finally(() => {
        newer = null
        changed()
      })
      changed()
      return newer
    },
    async loadAround (around: number): Promise<void> {
      if (around >= (timeline.oldestSeq ?? Infinity) && around <= (timeline.newestSeq ?? 0)) return
      const since = timeline.mark()
      const sinceNames = people.mark()
      const page = await client.listMessages(conversationId, { around, limit: PAGE_SIZE }, { signal })
      learn(page, sinceNames)
      replaced(page)
      timeline.replace(page.messages, since, hasNewer ? page.messages.at(-1)?.seq : undefined)
      changed()
    }
  }
}
