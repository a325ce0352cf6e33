// SQL by hand: one statement returns the list with its last messages and unread counts.
import { isoTime } from '../../schemas/common.js'
import { LISTED_PARTICIPANTS, type Conversation } from '../../schemas/conversations.js'
import type { Database } from '../database.js'
import { isArchived, readFrom, renderOwnState, unreadCount, unreadOfK } from '../own-states.js'
import { ownStateFields } from '../rows.js'
import { columnOf, fieldsBut, select } from '../table.js'
import * as tables from '../tables.js'
import { readMetadata, readSettings } from '../rendering.js'
import { unreadMentions } from './mentions.js'
import { messageColumns, renderOwnMessages } from './messages.js'
import { findParticipants } from './participants.js'

/** A position in a user's list of conversations, which is ordered by latest activity and number. */
export interface ListPlace { activity: number, num: number }

/** Position of a conversation's latest activity. A version without that column sets `updated_at` after `logged_at`. */
const ACTIVITY = 'CASE WHEN c.updated_at > c.logged_at THEN c.position ELSE c.activity END'

const shown = fieldsBut(tables.conversations, ['activity', 'loggedAt', 'eventSeq', 'prunedSeq', 'position', 'prunedPosition'])
const conversation = select(tables.conversations, 'k', [...shown, 'activity'])
const own = select(tables.participants, 'k', ownStateFields)

interface Counted { unread: number | bigint, mentions: number | bigint }

/** Selects conversations of participants, with what is shown of them. The subquery picks the wanted ones first, however many there are. */
const conversations = (which: string): string => `SELECT ${conversation.columns}, ${own.columns},
  ${unreadOfK} AS unread, ${unreadMentions} AS mentions, ${messageColumns}
  FROM (SELECT ${[...shown.map(field => `c.${columnOf(field)}`), ...ownStateFields.map(field => `p.${columnOf(field)}`)].join(', ')},
    ${ACTIVITY} AS activity, p.user_id, p.joined_seq, ${readFrom} AS read_from
    FROM chat_participants p JOIN chat_conversations c ON c.num = p.conversation WHERE ${which}) k
  LEFT JOIN chat_messages m ON m.conversation = k.num AND m.seq = k.message_seq
  LEFT JOIN chat_users s ON s.id = m.sender_id
  ORDER BY k.activity DESC, k.num DESC`

/** Returns a conversation as its participant sees it, with all participants. */
export async function findConversation (database: Database, conversationId: string, userId: string): Promise<Conversation | undefined> {
  const rows = await database.read.query<Counted>(conversations('c.id = ? AND p.user_id = ?'), conversationId, userId)
  return (await renderConversations(database, rows, userId, Infinity))[0]
}

/** Which of a user's conversations a list has. */
export interface ListFilter {
  /** Undefined: both. */
  archived: boolean | undefined
  favourite: boolean
  unread: boolean
}

const unread = unreadCount({ num: 'c.num', userId: 'p.user_id', messageSeq: 'c.message_seq', readFrom })

function conditionOf ({ archived, favourite, unread: isUnread }: ListFilter): string {
  return [
    ...(archived === undefined ? [] : [archived ? isArchived : `NOT ${isArchived}`]),
    ...(favourite ? ['p.favourite'] : []),
    ...(isUnread ? [`(p.unread_from IS NOT NULL OR ${unread} > 0)`] : [])
  ].map(condition => `AND ${condition} `).join('')
}

/** Returns a page of a user's conversations, latest activity first, from below a position in that order. */
export async function findConversations (
  database: Database, userId: string, filter: ListFilter, below: ListPlace | undefined, limit: number
): Promise<{ conversations: Conversation[], next: ListPlace | undefined }> {
  const from = below ?? { activity: Number.MAX_SAFE_INTEGER, num: 0 }
  const rows = await database.read.query<Counted>(
    conversations(`p.user_id = ? ${conditionOf(filter)}AND (${ACTIVITY} < ? OR (${ACTIVITY} = ? AND c.num < ?))
      ORDER BY ${ACTIVITY} DESC, c.num DESC LIMIT ?`), userId, ...(filter.archived === undefined ? [] : [database.clock.now()]),
    from.activity, from.activity, from.num, limit + 1)
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
  const now = database.clock.now()
  const ids = new Map(found.map(({ num, id }) => [num, id]))
  const messages = await renderOwnMessages(database, rows, userId, (_, message) => ids.get(message.conversation) ?? '')
  const participants = await findParticipants(database, found, userId, participantsMax)
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
    unreadCount: Number(row.unread),
    unreadMentionCount: Number(row.mentions),
    me: renderOwnState({ ...own.read(row), messageSeq }, now),
    participantCount,
    participants: participants.get(num) ?? []
  }))
}
