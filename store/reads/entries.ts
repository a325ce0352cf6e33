// SQL by hand: the whole log in commit order, two tables in one statement.
import type { EphemeralEvents } from '../../schemas/events.js'
import type { Database } from '../database.js'
import { select } from '../table.js'
import * as tables from '../tables.js'
import { tagOf } from '../tag.js'

/** A place in the log of all conversations. Places are ordered by position, then conversation, then `seq`. */
export interface LogPlace {
  /** Number of the transaction. */
  position: number
  /** The conversation's internal number. */
  conversation: number
  /** `eventSeq` */
  seq: number
}

/** An event of the log as followers get it: what it points at, and no contents. */
export interface LogEntry extends LogPlace {
  conversationId: string
  /** A durable event, `conversationDeleted`, or an event that only a newer version knows. */
  type: string
  tag: string
  userId: string
  messageSeq: number | null
  createdAt: number
}

const INT_MAX = 2_147_483_647

/** The end of a transaction. */
export const endOf = (position: number): LogPlace => ({ position, conversation: INT_MAX, seq: INT_MAX })

const DELETED = 'conversationDeleted' satisfies keyof EphemeralEvents

const event = select(tables.events, 'e', ['position', 'conversation', 'seq', 'type', 'userId', 'messageSeq', 'createdAt'])
const place = select(tables.conversations, 'c', ['id'])

/**
 * Returns entries of the log after a place, in commit order. Both tables are read by one statement, which sees both at one moment: a
 * place in the answer has no entry before it that a later call would find.
 */
export async function findEntries ({ read }: Database, { position, conversation, seq }: LogPlace, limit: number): Promise<LogEntry[]> {
  const rows = await read.query<{ tag: string }>(
    `SELECT * FROM (SELECT ${event.columns}, ${place.columns}, ${tagOf('e')} AS tag FROM chat_events e JOIN chat_conversations c ON c.num = e.conversation
       WHERE e.position >= ? AND (e.position > ? OR e.conversation > ? OR (e.conversation = ? AND e.seq > ?))
       ORDER BY e.position, e.conversation, e.seq LIMIT ?) logged
     UNION ALL SELECT * FROM (SELECT d.position, d.num, d.event_seq, '${DELETED}', '', CAST(NULL AS integer), d.deleted_at, d.conversation_id, CAST(d.position AS text)
       FROM chat_deletions d WHERE d.position > ? ORDER BY d.position LIMIT ?) deleted
     ORDER BY 1, 2, 3 LIMIT ?`,
    position, position, conversation, conversation, seq, limit, position, limit, limit)
  return rows.map(row => ({ ...event.read(row), conversationId: place.read(row).id, tag: row.tag }))
}
