import type { ChangesPage, ChangesQuery } from '../schemas/conversations.js'
import type { Followable } from '../store/followable.js'
import type { Queries } from '../store/queries.js'
import { replayEvent } from './events.js'

/** The greatest `seq` that a database keeps. */
const SEQ_MAX = 2_147_483_647

/** Reads a page of changes of the conversation itself, ascending: what other chats show as system messages. */
export async function findChanges (queries: Queries, followable: Followable, query: ChangesQuery): Promise<ChangesPage> {
  const { from = 0, to = SEQ_MAX, after = 0, limit = 50 } = query
  const bounds = { from: Math.min(from, SEQ_MAX), to: Math.min(to, SEQ_MAX), after: Math.min(after, SEQ_MAX), limit }
  for (;;) {
    const { conversation, events, hasMore } = await queries.changes(followable, bounds)
    const changes = events.flatMap(event => {
      const { type, data } = replayEvent(event, conversation!, '')
      return data === null || event.afterSeq === null ? [] : [{ type, data: data as Record<string, unknown>, afterSeq: event.afterSeq }]
    })
    // A page of types that only a newer version knows would have nothing to page on from.
    const last = events.at(-1)
    if (changes.length > 0 || !hasMore || last === undefined) return { changes, hasMore }
    bounds.after = last.seq
  }
}
