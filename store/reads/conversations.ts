// SQL by hand: one statement returns the list with its last messages and unread counts.
import { isoTime } from '../../schemas/common.js'
import { DEFAULT_STATE, LISTED_PARTICIPANTS, type Conversation } from '../../schemas/conversations.js'
import type { Database } from '../database.js'
import { select } from '../table.js'
import * as tables from '../tables.js'
import { readMetadata, readSettings } from '../rendering.js'
import { unreadMentions } from './mentions.js'
import { messageColumns, renderOwnMessages } from './messages.js'
import { findParticipants } from './participants.js'

/** A position in a user's list of conversations, which is ordered by latest activity and number. */
export interface ListPlace { activity: number, num: number }

/** Position of a conversation's latest activity. A version without that column sets `updated_at` after `logged_at`. */
const ACTIVITY = 'CASE WHEN c.updated_at > c.logged_at THEN c.position ELSE c.activity END'

const conversation = select(tables.conversations, 'k', ['num', 'id', 'type', 'title', 'createdBy', 'createdAt', 'updatedAt', 'activity',
  'messageSeq', 'participantCount', 'avatar', 'description', 'metadata', 'settings', 'firstSeq'])
const mark = select(tables.participants, 'k', ['readSeq'])

/** One's own messages, those among them up to the read mark, and the deleted ones of others after it. */
interface Counted { own: number | null, own_read: number | null, deleted: number | bigint, mentions: number | bigint }

/**
 * Selects conversations of participants, with what is shown of them. The subquery picks the wanted ones first, however many
 * there are. Unread are the messages after the read mark, minus the user's own, minus the deleted ones of others. `sender_seq`
 * counts the user's own, so that two index look-ups are enough for any number of messages. Deleted ones have their own index.
 */
const conversations = (which: string): string => `SELECT ${conversation.columns}, ${mark.columns},
  (SELECT o.sender_seq FROM chat_messages o WHERE o.conversation = k.num AND o.sender_id = k.user_id
   ORDER BY o.seq DESC LIMIT 1) AS own,
  (SELECT o.sender_seq FROM chat_messages o WHERE o.conversation = k.num AND o.sender_id = k.user_id AND o.seq <= k.read_seq
   ORDER BY o.seq DESC LIMIT 1) AS own_read,
  (SELECT count(*) FROM chat_messages d WHERE d.conversation = k.num AND d.seq > k.read_seq AND d.sender_id <> k.user_id
   AND d.deleted_at IS NOT NULL) AS deleted,
  ${unreadMentions} AS mentions, ${messageColumns}
  FROM (SELECT c.num, c.id, c.type, c.title, c.created_by, c.created_at, c.updated_at, ${ACTIVITY} AS activity, c.message_seq, c.participant_count,
    c.avatar, c.description, c.metadata, c.settings, c.first_seq, p.user_id, p.read_seq
    FROM chat_participants p JOIN chat_conversations c ON c.num = p.conversation WHERE ${which}) k
  LEFT JOIN chat_messages m ON m.conversation = k.num AND m.seq = k.message_seq
  LEFT JOIN chat_users s ON s.id = m.sender_id
  ORDER BY k.activity DESC, k.num DESC`

/** Returns a conversation as its participant sees it, with all participants. */
export async function findConversation (database: Database, conversationId: string, userId: string): Promise<Conversation | undefined> {
  const rows = await database.read.query<Counted>(conversations('c.id = ? AND p.user_id = ?'), conversationId, userId)
  return (await renderConversations(database, rows, userId, Infinity))[0]
}

/** Returns a page of a user's conversations, latest activity first, from below a position in that order. */
export async function findConversations (
  database: Database, userId: string, below: ListPlace | undefined, limit: number
): Promise<{ conversations: Conversation[], next: ListPlace | undefined }> {
  const from = below ?? { activity: Number.MAX_SAFE_INTEGER, num: 0 }
  const rows = await database.read.query<Counted>(
    conversations(`p.user_id = ? AND (${ACTIVITY} < ? OR (${ACTIVITY} = ? AND c.num < ?))
      ORDER BY ${ACTIVITY} DESC, c.num DESC LIMIT ?`), userId, from.activity, from.activity, from.num, limit + 1)
  const page = rows.slice(0, limit)
  const last = page.at(-1)
  return {
    conversations: await renderConversations(database, page, userId, LISTED_PARTICIPANTS),
    next: rows.length > limit && last !== undefined ? placeOf(last) : undefined
  }
}

function placeOf (row: Counted): ListPlace {
  const { activity, num } = conversation.read(row)
  return { activity, num }
}

async function renderConversations (database: Database, rows: Counted[], userId: string, participantsMax: number): Promise<Conversation[]> {
  const found = rows.map(row => ({ row, ...conversation.read(row) }))
  const ids = new Map(found.map(({ num, id }) => [num, id]))
  const messages = await renderOwnMessages(database, rows, userId, (_, message) => ids.get(message.conversation) ?? '')
  const participants = await findParticipants(database, found, participantsMax)
  return found.map(({
    row, num, id, type, title, avatar, description, metadata, settings, firstSeq, createdBy, createdAt, updatedAt, messageSeq, participantCount
  }) => ({
    id,
    conversationId: id,
    type,
    title,
    avatar,
    description,
    metadata: readMetadata(metadata),
    settings: readSettings(settings),
    createdBy,
    createdAt: isoTime(createdAt),
    updatedAt: isoTime(updatedAt),
    firstSeq,
    lastMessage: messages.get(row) ?? null,
    unreadCount: messageSeq - mark.read(row).readSeq - (Number(row.own ?? 0) - Number(row.own_read ?? 0)) - Number(row.deleted),
    unreadMentionCount: Number(row.mentions),
    me: DEFAULT_STATE,
    participantCount,
    participants: participants.get(num) ?? []
  }))
}
