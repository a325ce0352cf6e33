import { setTimeout as sleep } from 'node:timers/promises'
import type { Hub } from '../hub/hub.js'
import type { Transaction } from '../hub/known-log.js'
import type { Stream } from '../hub/stream.js'
import type { ChatEvents, StreamEvents } from '../schemas/events.js'
import { cursorOfAll, cursorOfTopic } from '../store/cursor.js'
import type { Head, LogTags } from '../store/log-tags.js'

export interface DivergenceOptions {
  hub: Hub<ChatEvents>
  identity: string
  tags: LogTags
  /** The log's newest transaction. */
  newest: Transaction
}

/** Streams that are ended in one turn of the event loop. */
const SLICE = 200
const RETRY_MS = 500

/**
 * Tells streams that the log lacks events that they were sent: `reset`, with the id of the newest event that there is, then
 * `disconnect`.
 *
 * They are ended rather than taken further, because who takes part in what may have been lost with the log's end: when the
 * client comes back, all of that is looked up. Its id is in the new log, so that it misses nothing from there on; what came
 * before is in the history that it fetches.
 */
export async function endDiverged (streams: ReadonlyArray<{ stream: Stream, conversationId: string | null }>, { hub, identity, tags, newest }: DivergenceOptions): Promise<void> {
  const conversationIds = new Set(streams.flatMap(({ conversationId }) => conversationId ?? []))
  let heads: Map<string, Head> | undefined
  while (heads === undefined) {
    if (hub.closing) return
    heads = await tags.heads([...conversationIds]).catch(() => undefined)
    // the database is away again
    if (heads === undefined) await sleep(RETRY_MS, undefined, { ref: false })
  }
  for (const [index, { stream, conversationId }] of streams.entries()) {
    if (index % SLICE === SLICE - 1) await new Promise(resolve => setImmediate(resolve))
    const head = conversationId === null ? undefined : heads.get(conversationId)
    const data: StreamEvents['reset'] = { conversationId, reason: 'diverged' }
    const id = conversationId === null
      ? cursorOfAll(identity, newest)
      // a conversation that was lost as a whole: nobody can resume it
      : cursorOfTopic(identity, head?.num ?? 0, head?.seq ?? 0, head?.tag)
    stream.send('reset', data, id)
    hub.end(stream, 'unavailable')
  }
}
