// SQL by hand: one statement if the database supports it, since the position's row is locked from here to the commit.
import type { ConversationRow, EventRow } from './rows.js'
import { metaRow } from './meta.js'
import type { Dialect, Sql } from './sql.js'
import { insert, keyed, perDialect, update, write } from './table.js'
import * as tables from './tables.js'
import { newTag } from './tag.js'

/** Takes the next position, which no other transaction has. Locks the row that all writers need until the commit. */
export async function nextPosition (sql: Sql): Promise<number> {
  const [row] = await sql.query<{ position: bigint }>(NEXT_POSITION)
  return Number(metaRow(row).position)
}

/** A conversation whose counters are written. `active` moves it to the top of the list. */
export interface Touched {
  conversation: ConversationRow
  active: boolean
}

/** A transaction in the event log: its position and its tag (see tag.ts). */
export interface Transaction { position: number, tag: string }

const NEXT_POSITION = 'UPDATE chat_meta SET position = position + 1 WHERE id = 1 RETURNING position'

const EVENT = ['conversation', 'seq', 'type', 'userId', 'messageSeq', 'detail', 'byUserId', 'afterSeq', 'createdAt'] as const
const COUNTERS = {
  num: 'int', active: 'boolean', updated_at: 'bigint', logged_at: 'bigint', message_seq: 'int', event_seq: 'int', participant_count: 'int'
} as const

const insertEvents = (dialect: Dialect): string =>
  `INSERT INTO chat_events (conversation, seq, position, type, user_id, message_seq, detail, by_user_id, after_seq, created_at, tag)
   SELECT k.conversation, k.seq, next.position, k.type, k.user_id, k.message_seq, k.detail, k.by_user_id, k.after_seq, k.created_at, ?
   FROM ${keyed(tables.events, dialect, EVENT)} k, next WHERE true`

const updateCounters = ({ table }: Dialect): string =>
  `UPDATE chat_conversations SET position = next.position, activity = CASE WHEN k.active THEN next.position ELSE chat_conversations.activity END,
     updated_at = k.updated_at, logged_at = k.logged_at, message_seq = k.message_seq,
     event_seq = k.event_seq, participant_count = k.participant_count
   FROM ${table(COUNTERS)} k, next WHERE chat_conversations.num = k.num`

const statements = perDialect(dialect => ({
  inOne: `WITH next AS (${NEXT_POSITION}), logged AS (${insertEvents(dialect)}) ${updateCounters(dialect)} RETURNING next.position`,
  insertEvents: insert(tables.events, dialect, [...EVENT, 'position', 'tag']),
  moveToTop: update(tables.conversations, dialect, ['num'], ['activity']),
  updateCounters: update(tables.conversations, dialect, ['num'],
    ['position', 'updatedAt', 'loggedAt', 'messageSeq', 'eventSeq', 'participantCount'])
}))

/**
 * Writes a transaction's events and the counters of its conversations, under the next position.
 *
 * All writers on all nodes update the position's row, which stays locked from here to the commit. This is therefore the
 * last step, and a single statement if the database supports it, so that only one round trip lies in between.
 */
export async function appendEvents (sql: Sql, dialect: Dialect, events: EventRow[], touched: Touched[]): Promise<Transaction> {
  const tag = newTag()
  const { inOne, insertEvents, moveToTop, updateCounters } = statements(dialect)
  const takePosition = async (text: string, ...params: string[]): Promise<number> => {
    const [row] = await sql.query<{ position: bigint }>(text, ...params)
    return Number(metaRow(row).position)
  }
  if (dialect.writesInWith) {
    const eventRows = events.map(({ conversation, seq, type, userId, messageSeq, detail, byUserId, afterSeq, createdAt }) =>
      [conversation.num, seq, type, userId, messageSeq, detail, byUserId, afterSeq, createdAt])
    const counterRows = touched.map(({ conversation: row, active }) =>
      [row.num, active, row.updatedAt, row.loggedAt, row.messageSeq, row.eventSeq, row.participantCount])
    return { position: await takePosition(inOne, tag, JSON.stringify(eventRows), JSON.stringify(counterRows)), tag }
  }
  const position = await takePosition(NEXT_POSITION)
  await write(sql, insertEvents, events.map(({ conversation, seq, type, userId, messageSeq, detail, byUserId, afterSeq, createdAt }) =>
    ({ conversation, seq, position, tag, type, userId, messageSeq, detail, byUserId, afterSeq, createdAt })))
  await write(sql, updateCounters, touched.map(({ conversation: { num, updatedAt, loggedAt, messageSeq, eventSeq, participantCount } }) =>
    ({ num, position, updatedAt, loggedAt, messageSeq, eventSeq, participantCount })))
  await write(sql, moveToTop, touched.filter(({ active }) => active).map(({ conversation: { num } }) => ({ num, activity: position })))
  return { position, tag }
}
