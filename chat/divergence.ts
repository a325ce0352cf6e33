import { setTimeout as sleep } from 'node:timers/promises'
import type { Hub } from '../hub/hub.js'
import type { Transaction } from '../hub/known-log.js'
import type { Stream } from '../hub/stream.js'
import type { ChatEvents, StreamEvents } from '../schemas/events.js'
import type { Head, LogTags } from '../store/log-tags.js'
import { cursorOfAll, cursorOfTopic } from './event-id.js'

export interface DivergenceOptions {
  hub: Hub<ChatEvents>
  identity: string
  tags: LogTags
  /** The newest transaction of the log as it is now. */
  newest: Transaction
}

/** Streams ended in one turn of the event loop. */
const SLICE = 200
const RETRY_MS = 500

/**
 * Tells streams that the log no longer has events that they were sent: each gets `reset`, with the id of the newest event
 * there is, then `disconnect`.
 *
 * The streams end because memberships may have been lost with the end of the log. When the client reconnects, all of them are
 * read again. Its id belongs to the log as it is now, so it misses nothing from there on, and it fetches the history for what
 * came before.
 */
export async function endDiverged (
  streams: ReadonlyArray<{ stream: Stream, conversationId: string | null }>, { hub, identity, tags, newest }: DivergenceOptions
): Promise<void> {
  const conversationIds = new Set(streams.flatMap(({ conversationId }) => conversationId ?? []))
  let heads: Map<string, Head> | undefined
  while (heads === undefined) {
    if (hub.closing) return
    heads = await tags.heads([...conversationIds]).catch(() => undefined)
    // The database is unavailable again.
    if (heads === undefined) await sleep(RETRY_MS, undefined, { ref: false })
  }
  for (const [index, { stream, conversationId }] of streams.entries()) {
    if (index % SLICE === SLICE - 1) await new Promise(resolve => setImmediate(resolve))
    const head = conversationId === null ? undefined : heads.get(conversationId)
    const data: StreamEvents['reset'] = { conversationId, reason: 'diverged' }
    const id = conversationId === null
      ? cursorOfAll(identity, newest)
      // A conversation that was lost entirely has number 0: nobody can resume it.
      : cursorOfTopic(identity, head?.num ?? 0, head?.seq ?? 0, head?.tag)
    stream.send('reset', data, id)
    hub.end(stream, 'unavailable')
  }
}
