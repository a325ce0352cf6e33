import DataLoader from 'dataloader'
import type { Emission } from '../../hub/emission.js'
import { isoTime } from '../../schemas/common.js'
import type { ChatEvents, FollowerEvents } from '../../schemas/events.js'
import type { Database } from '../../store/database.js'
import type { LogEntry } from '../../store/reads/entries.js'
import { findEventsAt } from '../../store/reads/log.js'
import { cursorOfTopic } from '../event-id.js'
import { elapsedMs } from '../../time.js'
import { replayEvent } from '../events.js'

/** An event as followers outside of the chat get it. */
export type FollowerEvent = {
  [T in keyof FollowerEvents]: {
    /** The same each time that the event is delivered. On a stream of the conversation, the event has this id. */
    id: string
    type: T
    /** When it happened. */
    timestamp: string
    data: FollowerEvents[T]
  }
}[keyof FollowerEvents]

/** Entries rendered by one query. */
const BATCH_MAX = 100
/** Entries that are rendered before it is their turn. */
const AHEAD_MAX = 32
/** What was rendered is rendered again after this long, in milliseconds, since it may have changed on another node. */
const AHEAD_MS = 100

/** Events after which earlier ones say less, or something else. */
const TAKES_BACK = new Set<keyof ChatEvents>(['messageUpdated', 'messageDeleted', 'conversationDeleted'])

/** The id of an entry's event. */
export const idOf = (identity: string, { conversation, seq, tag }: Pick<LogEntry, 'conversation' | 'seq' | 'tag'>): string =>
  cursorOfTopic(identity, conversation, seq, tag)

/**
 * Renders entries of the log as they are at that moment: a text that was deleted meanwhile is not in the event. Entries that are
 * rendered in the same turn of the event loop share a query.
 */
export class Renderer {
  readonly #database: Database
  readonly #onError: (error: unknown) => void
  readonly #loader: DataLoader<LogEntry, FollowerEvent | undefined>
  #changes = 0

  constructor (database: Database, onError: (error: unknown) => void) {
    this.#database = database
    this.#onError = onError
    this.#loader = new DataLoader(async entries => await this.#render(entries), { cache: false, maxBatchSize: BATCH_MAX })
  }

  /** Undefined if there is nothing to tell: the event is no longer kept, or only a newer version knows it. */
  async render (entry: LogEntry): Promise<FollowerEvent | undefined> {
    return await this.#loader.load(entry)
  }

  /** Events of this node. After some, what was rendered ahead tells what is no longer there. */
  emitted (emissions: ReadonlyArray<Emission<ChatEvents>>): void {
    if (emissions.some(({ type }) => TAKES_BACK.has(type))) this.#changes++
  }

  /** For who works on entries one after the other: renders each when it is asked for, and with it some that come next. */
  ahead (entries: readonly LogEntry[]): (index: number) => Promise<FollowerEvent | undefined> {
    let rendered: Array<FollowerEvent | undefined> = []
    let first = 0
    let changes = 0
    let at = 0
    return async index => {
      if (index >= first + rendered.length || changes !== this.#changes || elapsedMs() - at > AHEAD_MS) {
        first = index
        at = elapsedMs()
        changes = this.#changes
        rendered = await Promise.all(entries.slice(index, index + AHEAD_MAX).map(async entry => await this.render(entry)))
      }
      return rendered[index - first]
    }
  }

  async #render (entries: readonly LogEntry[]): Promise<Array<FollowerEvent | undefined>> {
    const { identity } = this.#database
    const logged = entries.filter(({ type }) => type !== 'conversationDeleted')
    const found = new Map((logged.length === 0 ? [] : await findEventsAt(this.#database, logged))
      .map(({ conversation, event }) => [`${conversation.num} ${event.seq}`, { conversation, event }]))
    return entries.map(entry => {
      const { conversation, conversationId, seq, createdAt } = entry
      const id = idOf(identity, entry)
      const timestamp = isoTime(createdAt)
      if (entry.type === 'conversationDeleted') return { id, type: entry.type, timestamp, data: { conversationId, timestamp, eventSeq: seq } }
      const row = found.get(`${conversation} ${seq}`)
      if (row === undefined || row.event.tag !== entry.tag) return undefined
      try {
        const emission = replayEvent(row.event, row.conversation, id)
        return 'blank' in emission ? undefined : { id, type: emission.type, timestamp, data: emission.data } as FollowerEvent
      } catch (error) {
        // One that cannot be rendered does not hold up those behind it.
        this.#onError(error)
        return undefined
      }
    })
  }
}
