// SQL by hand: mentions over all conversations of a user.
import type { OwnMessage } from '../../schemas/messages.js'
import type { Database } from '../database.js'
import { select } from '../table.js'
import * as tables from '../tables.js'
import { messageColumns, renderOwnMessages } from './messages.js'

/** Counting ends here. */
export const MENTIONS_COUNTED_MAX = 100

/**
 * An expression for how many unread messages mention a user or everybody, but not their own, deleted ones or those of senders
 * whom the user blocks. `k` has the user, the conversation's number, how far the user has read (see `readFrom`), and where they joined.
 */
export const unreadMentions = `(SELECT count(*) FROM (SELECT DISTINCT x.seq FROM chat_mentions x
   JOIN chat_messages y ON y.conversation = x.conversation AND y.seq = x.seq
   WHERE x.conversation = k.num AND x.user_id IN (k.user_id, '') AND x.seq > k.read_from AND x.seq > k.joined_seq
   AND y.sender_id <> k.user_id AND y.deleted_at IS NULL
   AND NOT EXISTS (SELECT 1 FROM chat_blocks b WHERE b.user_id = k.user_id AND b.blocked_id = y.sender_id)
   LIMIT ${MENTIONS_COUNTED_MAX}) unread)`

const order = select(tables.messages, 'm', ['createdAt', 'conversation', 'seq'])
const conversation = select(tables.conversations, 'c', ['id'])

/** A place among the mentions of a user, which are ordered by time, newest first. */
export interface MentionPlace { createdAt: number, conversation: number, seq: number }

/** Messages that mention a user, or everybody while the user took part, newest first, from behind a place in that order. */
export async function findMentions (
  database: Database, userId: string, behind: MentionPlace | undefined, limit: number
): Promise<{ messages: OwnMessage[], next: MentionPlace | undefined }> {
  const from = behind ?? { createdAt: Number.MAX_SAFE_INTEGER, conversation: 0, seq: 0 }
  const rows = await database.read.query(
    `SELECT ${messageColumns}, ${conversation.columns} FROM (
       SELECT DISTINCT x.conversation, x.seq FROM chat_participants p
       JOIN chat_mentions x ON x.conversation = p.conversation AND (x.user_id = p.user_id OR (x.user_id = '' AND x.seq > p.joined_seq))
       WHERE p.user_id = ?) k
     JOIN chat_messages m ON m.conversation = k.conversation AND m.seq = k.seq
     JOIN chat_users s ON s.id = m.sender_id
     JOIN chat_conversations c ON c.num = k.conversation
     WHERE m.sender_id <> ? AND m.deleted_at IS NULL
       AND (m.created_at < ? OR (m.created_at = ? AND (m.conversation < ? OR (m.conversation = ? AND m.seq < ?))))
     ORDER BY m.created_at DESC, m.conversation DESC, m.seq DESC LIMIT ?`,
    userId, userId, from.createdAt, from.createdAt, from.conversation, from.conversation, from.seq, limit + 1)
  const page = rows.slice(0, limit)
  const messages = await renderOwnMessages(database, page, userId, row => conversation.read(row).id)
  const last = page.at(-1)
  return { messages: [...messages.values()], next: rows.length > limit && last !== undefined ? order.read(last) : undefined }
}
