// SQL by hand: runs every second on every node and whenever streams resume, and tags are computed in SQL.
import DataLoader from 'dataloader'
import { elapsedMs } from '../time.js'
import type { Database } from './database.js'
import { metaRow } from './meta.js'
import { select } from './table.js'
import * as tables from './tables.js'
import { tagOf } from './tag.js'

/** The log at a position. */
export interface PlaceTag {
  /** Position of the newest transaction. */
  newest: number
  /** Tag of the transaction at the position. Null if the log has none there. */
  tag: string | null
}

/** The newest event of a conversation. */
export interface Head { num: number, seq: number, tag: string | null }

const conversation = select(tables.conversations, 'c', ['id', 'num', 'eventSeq'])
const meta = select(tables.meta, 'm', ['position'])

/** Maximum number of keys in one query. */
const BATCH_MAX = 1000

const tagAt = (position: string): string => `(SELECT ${tagOf('e')} FROM chat_events e WHERE e.position = ${position} LIMIT 1)`

/** Tags of transactions and events in the log. They show whether the log has lost its end. */
export class LogTags {
  readonly #database: Database
  readonly #places: DataLoader<number, PlaceTag>

  constructor (database: Database) {
    this.#database = database
    this.#places = new DataLoader(async positions => await this.#load(positions), { cache: false, maxBatchSize: BATCH_MAX })
  }

  /**
   * Returns the newest transaction, and the tags at the given positions as far as the log has them. Runs every second, and
   * sets the shared clock.
   */
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

  /** Streams that resume at the same moment share a query. */
  async at (position: number): Promise<PlaceTag> {
    return await this.#places.load(position)
  }

  /** Returns the newest events of those conversations that exist. */
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
