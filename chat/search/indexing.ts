import type { Database } from '../../store/database.js'
import type { LogEntry } from '../../store/reads/entries.js'
import { buildStep, forgetConversations, indexMessages, makeIndex, restartBuilding, SEARCH_FOLLOWER, type Place } from '../../store/search.js'
import type { Writer } from '../../store/writer.js'
import type { Background } from '../background.js'
import type { Follower, Lead } from '../followers/follower.js'
import { tokensOf } from './query.js'

/** The least time between two writes of the index, in milliseconds. What is sent meanwhile shares the next one. */
const PAUSE_MS = 400
const STEP = 200
const BUILD_MS = 1000
const CHANGES_TEXT: readonly string[] = ['message', 'messageUpdated', 'messageDeleted']

export interface IndexingOptions {
  database: Database
  writer: Writer
  background: Background
}

/** Builds the index anew in a process of its own, while servers run. */
export async function rebuildIndex ({ dialect, provider, transaction }: Database): Promise<void> {
  await transaction(async sql => {
    await makeIndex(sql, provider)
    await restartBuilding(sql)
  })
  while (await transaction(async sql => await buildStep(sql, dialect, tokensOf, STEP))) {
    // Other writers get their turn.
    await new Promise(resolve => setTimeout(resolve, 1))
  }
}

/** Keeps the index of what messages say: a follower of the log, beside the writing of messages. */
export class Indexing {
  readonly #options: IndexingOptions
  #isBuilt = false

  constructor (options: IndexingOptions) {
    this.#options = options
  }

  async prepare (): Promise<void> {
    const { database: { provider }, writer } = this.#options
    await writer.beside(async sql => { await makeIndex(sql, provider) })
  }

  /** Indexes what was sent before there was an index. All nodes may do so: each step is one transaction. */
  start (): void {
    const { background } = this.#options
    background.repeat(BUILD_MS, async () => {
      while (!background.stopped && !this.#isBuilt && await this.#build()) { /* The next step. */ }
    })
  }

  /** @returns whether to go on */
  async #build (): Promise<boolean> {
    const { database: { dialect }, writer } = this.#options
    return await writer.beside(async sql => {
      // What is committed later than the follower's beginning, the follower finds.
      const [follower] = await sql.query('SELECT 1 FROM chat_followers WHERE name = ?', SEARCH_FOLLOWER)
      if (follower === undefined) return false
      this.#isBuilt = !await buildStep(sql, dialect, tokensOf, STEP)
      return !this.#isBuilt
    })
  }

  get follower (): Follower {
    return { name: SEARCH_FOLLOWER, from: 'now', follow: async (entries, lead) => { await this.#follow(entries, lead) } }
  }

  async #follow (entries: readonly LogEntry[], { signal }: Lead): Promise<void> {
    const { database: { dialect }, writer } = this.#options
    const places = new Map<string, Place>()
    for (const { conversation, messageSeq, type } of entries) {
      if (messageSeq !== null && CHANGES_TEXT.includes(type)) places.set(`${conversation} ${messageSeq}`, { conversation, seq: messageSeq })
    }
    const all = [...places.values()]
    const gone = entries.filter(({ type }) => type === 'conversationDeleted').map(({ conversation }) => conversation)
    for (let from = 0; from < all.length && !signal.aborted; from += STEP) {
      await writer.beside(async sql => { await indexMessages(sql, dialect, all.slice(from, from + STEP), tokensOf) })
    }
    if (gone.length > 0) await writer.beside(async sql => { await forgetConversations(sql, dialect, gone) })
    // As many as fill a write have waited for each other already: else more than these in each pause would never be caught up with.
    if (!signal.aborted && all.length > 0 && all.length < STEP) await pause(signal)
  }
}

async function pause (signal: AbortSignal): Promise<void> {
  await new Promise<void>(resolve => {
    const timer = setTimeout(done, PAUSE_MS)
    function done (): void {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    signal.addEventListener('abort', done)
  })
}
