// SQL by hand: asked every second by every node, and whenever streams resume; tags are not a column alone.
import DataLoader from 'dataloader'
import { elapsedMs } from '../time.js'
import type { Database } from './database.js'
import { metaRow } from './meta.js'
import { select } from './table.js'
import * as tables from './tables.js'
import { tagOf } from './tag.js'

/** What the log has at a position. */
export interface PlaceTag {
  /** Number of the newest transaction. */
  newest: number
  /** Tag of the one at the position; null where none is kept. */
  tag: string | null
}

/** The newest event of a conversation. */
export interface Head { num: number, seq: number, tag: string | null }

const conversation = select(tables.conversations, 'c', ['id', 'num', 'eventSeq'])
const meta = select(tables.meta, 'm', ['position'])

/** Keys that are looked up by one query. */
const BATCH_MAX = 1000

const tagAt = (position: string): string => `(SELECT ${tagOf('e')} FROM chat_events e WHERE e.position = ${position} LIMIT 1)`

/** Which transactions and events the log has: tells a log that was cut short from the one that was known. */
export class LogTags {
  readonly #database: Database
  readonly #places: DataLoader<number, PlaceTag>

  constructor (database: Database) {
    this.#database = database
    this.#places = new DataLoader(async positions => await this.#load(positions), { cache: false, maxBatchSize: BATCH_MAX })
  }

  /** The newest transaction, and the tags of those at some positions, as far as they are kept. Asked every second, and sets the database's clock. */
  async newest (positions: readonly number[]): Promise<{ position: number, tag: string | undefined, tags: Map<number, string> }> {
    const { read, dialect, clock } = this.#database
    const askedAt = elapsedMs()
    const rows = await read.query<{ newest: number | bigint, position: number | bigint, tag: string | null, clock: unknown }>(
      `SELECT 1 AS newest, m.position AS position, ${tagAt('m.position')} AS tag, ${clock.columns} FROM chat_meta m WHERE m.id = 1
       UNION ALL SELECT 0, k.position, ${tagAt('k.position')}, 0 FROM ${dialect.table({ position: 'bigint' })} k`,
      JSON.stringify(positions.map(position => [position])))
    const newest = metaRow(rows.find(row => Number(row.newest) === 1))
    clock.observe({ clock: newest.clock }, askedAt)
    const tags = new Map<number, string>()
    for (const { position, tag } of rows) if (tag !== null) tags.set(Number(position), tag)
    return { position: Number(newest.position), tag: newest.tag ?? undefined, tags }
  }

  /** Those who resume at the same moment ask together. */
  async at (position: number): Promise<PlaceTag> {
    return await this.#places.load(position)
  }

  /** The newest events of conversations; of those that exist. */
  async heads (conversationIds: readonly string[]): Promise<Map<string, Head>> {
    const { read, dialect } = this.#database
    const heads = new Map<string, Head>()
    for (let start = 0; start < conversationIds.length; start += BATCH_MAX) {
      const rows = await read.query<{ tag: string | null }>(
        `SELECT ${conversation.columns}, ${tagOf('e')} AS tag FROM ${dialect.table({ id: 'text' })} k
         JOIN chat_conversations c ON c.id = k.id
         LEFT JOIN chat_events e ON e.conversation = c.num AND e.seq = c.event_seq`,
        JSON.stringify(conversationIds.slice(start, start + BATCH_MAX).map(id => [id])))
      for (const row of rows) {
        const { id, num, eventSeq } = conversation.read(row)
        heads.set(id, { num, seq: eventSeq, tag: row.tag })
      }
    }
    return heads
  }

  async #load (positions: readonly number[]): Promise<PlaceTag[]> {
    const { read, dialect } = this.#database
    const rows = await read.query<{ key: number | bigint, tag: string | null }>(
      `SELECT k.key, ${meta.columns}, ${tagAt('k.position')} AS tag
       FROM ${dialect.table({ key: 'int', position: 'bigint' })} k JOIN chat_meta m ON m.id = 1`,
      JSON.stringify(positions.map((position, index) => [index, position])))
    const found = new Map(rows.map(row => [Number(row.key), { newest: meta.read(row).position, tag: row.tag }]))
    return positions.map((_, index) => metaRow(found.get(index)))
  }
}
