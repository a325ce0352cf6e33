import type { ConversationChange, CustomTypes } from '../custom.js'
import type { ChatSession } from './session.js'
import type { ChangeLine, ConversationLine, ConversationSnapshot, LiveConversation } from './snapshots.js'
import { createStore } from './store.js'

const PAGE_SIZE = 200
const TYPES: ReadonlySet<string> = new Set<ConversationChange['type']>([
  'conversationCreated', 'conversationUpdated', 'participantJoined', 'participantLeft', 'participantUpdated'
])

/** What happened to a conversation itself, as far as its messages are loaded: from the service first, then from the stream. */
export function followChanges (session: ChatSession, live: LiveConversation, changed: () => void) {
  const { client } = session
  const { conversationId } = live
  const abort = new AbortController()
  const { signal } = abort
  const known = new Map<number, ConversationChange>()
  /** The part of the history whose changes are known, as bounds of `afterSeq`. */
  let covered: { from: number, to: number } | null = null
  const sent = () => live.getSnapshot().messages.filter(({ seq }) => seq !== null)

  async function fetch (from: number, to: number): Promise<void> {
    for (let after: number | undefined, more = true; more;) {
      const bounds = { from, ...(to === Infinity ? {} : { to }), ...(after === undefined ? {} : { after }) }
      const page = await client.listChanges(conversationId, { ...bounds, limit: PAGE_SIZE }, { signal })
      for (const change of page.changes) known.set(change.data.eventSeq, change)
      after = page.changes.at(-1)?.data.eventSeq
      more = page.hasMore && after !== undefined
    }
  }

  async function load (): Promise<void> {
    const { hasOlder, hasNewer } = live.getSnapshot()
    const messages = sent()
    const from = hasOlder ? messages[0]?.seq ?? 0 : 0
    const to = hasNewer ? messages.at(-1)?.seq ?? 0 : Infinity
    if (covered !== null && from >= covered.from && to <= covered.to) return
    const before = covered
    const overlaps = before !== null && from <= before.to && to >= before.from
    covered = overlaps ? { from: Math.min(from, before.from), to: Math.max(to, before.to) } : { from, to }
    if (!overlaps) known.clear()
    try {
      if (overlaps && from < before.from) await fetch(from, before.from - 1)
      if (overlaps && to > before.to) await fetch(before.to + 1, to)
      if (!overlaps) await fetch(from, to)
    } catch {
      if (!signal.aborted) covered = before
    }
    if (!signal.aborted) changed()
  }

  const stop = session.listen((...event) => {
    const [type, data] = event
    // What happened while the stream was away is not told again.
    if (type === 'connected' && !data.resumed) covered = null
    if (type === 'reset' && (data.conversationId === null || data.conversationId === conversationId)) {
      // The numbers of another log.
      known.clear()
      covered = null
    }
    if (!TYPES.has(type) || !('conversationId' in data) || data.conversationId !== conversationId || live.getSnapshot().hasNewer) return
    const change = { type, data, afterSeq: sent().at(-1)?.seq ?? 0 } as ConversationChange
    if (!known.has(change.data.eventSeq)) known.set(change.data.eventSeq, change)
    changed()
  })

  return {
    /** In the order in which they happened. */
    view: (): readonly ConversationChange[] => [...known.values()].sort((a, b) => a.data.eventSeq - b.data.eventSeq),
    /** Fetches the changes between the loaded messages. Never rejects: the next call tries again. */
    load,
    close (): void {
      abort.abort()
      stop()
    }
  }
}

/** Whether an entry of `messages` is a line about the conversation, and no message. */
export const isChange = (line: ConversationLine): line is ChangeLine => 'change' in line

/** Puts each change behind the message after which it happened. Those before the oldest loaded message are left out, unless it is the first. */
export function mergeLines (
  { messages, hasOlder }: Pick<ConversationSnapshot, 'messages' | 'hasOlder'>, changes: readonly ChangeLine[]
): readonly ConversationLine[] {
  const from = hasOlder ? messages[0]?.seq ?? 0 : 0
  const lines: ConversationLine[] = []
  let next = 0
  const addBefore = (seq: number): void => {
    for (let line = changes[next]; line !== undefined && line.change.afterSeq < seq; line = changes[++next]) {
      if (line.change.afterSeq >= from) lines.push(line)
    }
  }
  for (const message of messages) {
    addBefore(message.seq ?? Infinity)
    lines.push(message)
  }
  addBefore(Infinity)
  return lines
}

/** The live state of a conversation whose `messages` hold what happened to the conversation, too. */
export function withChanges (session: ChatSession, live: LiveConversation): LiveConversation<CustomTypes, ConversationLine> {
  const lines = new Map<number, ChangeLine>()
  const store = createStore<ConversationSnapshot<CustomTypes, ConversationLine>>(() => {
    const snapshot = live.getSnapshot()
    return { ...snapshot, messages: mergeLines(snapshot, changes.view().map(lineOf)) }
  })
  const changes = followChanges(session, live, store.changed)

  /** An unchanged line stays the same object. */
  function lineOf (change: ConversationChange): ChangeLine {
    const { eventSeq } = change.data
    const known = lines.get(eventSeq)
    if (known?.change === change) return known
    const line: ChangeLine = { key: `change ${eventSeq}`, change, seq: null }
    lines.set(eventSeq, line)
    return line
  }

  function follow (): void {
    if (live.getSnapshot().status === 'ready') void changes.load()
    store.changed()
  }
  const stop = live.subscribe(follow)
  follow()

  return {
    ...live,
    subscribe: store.subscribe,
    getSnapshot: store.getSnapshot,
    close () {
      stop()
      changes.close()
      store.close()
      live.close()
    }
  }
}
