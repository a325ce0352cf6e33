// SQL by hand: replay reads pages of the log with what they point at, and the sweep runs every second.
import type { DurableEventType } from '../../schemas/events.js'
import type { Message } from '../../schemas/messages.js'
import type { Database } from '../database.js'
import type { Followable } from '../followable.js'
import { keyed, select } from '../table.js'
import * as tables from '../tables.js'
import { tagOf } from '../tag.js'
import { messageColumns, renderMessages } from './messages.js'
import { findReacted, reactedKey } from './reactions.js'

/** An event of the log, with the current state of what it points at. */
export interface LoggedEvent {
  seq: number
  position: number
  tag: string
  type: string
  userId: string
  displayName: string
  detail: string | null
  /** Who did it, of an event about somebody else. */
  byUserId: string | null
  /** Of a change of the conversation: `seq` of the newest message before it. */
  afterSeq: number | null
  createdAt: number
  message: Message | null
  /** Of a reaction: whether it is there now. */
  reacted: boolean
}

const event = select(tables.events, 'e', ['seq', 'position', 'type', 'userId', 'messageSeq', 'detail', 'byUserId', 'afterSeq', 'createdAt'])
const conversation = select(tables.conversations, 'c', ['num', 'id', 'type', 'title', 'avatar', 'description', 'metadata', 'settings'])

/** Returns the `eventSeq` that conversations had at positions. Scans the events since then, which are read next anyway. */
export async function findSeqsAt (
  { read, dialect }: Database, places: ReadonlyArray<{ num: number, position: number }>
): Promise<Map<number, number>> {
  if (places.length === 0) return new Map()
  const rows = await read.query<{ num: number, seq: number | null }>(
    `SELECT k.num, (SELECT e.seq FROM chat_events e WHERE e.conversation = k.num AND e.position <= k.position ORDER BY e.seq DESC LIMIT 1) AS seq
     FROM ${dialect.table({ num: 'int', position: 'bigint' })} k`, JSON.stringify(places.map(({ num, position }) => [num, position])))
  return new Map(rows.map(row => [Number(row.num), Number(row.seq ?? 0)]))
}

const deletion = select(tables.deletions, 'd', ['conversationId', 'deletedAt'])

/** Returns conversations that were deleted after a position. */
export async function findDeletedSince ({ read }: Database, position: number): Promise<Array<{ conversationId: string, deletedAt: number }>> {
  const rows = await read.query(`SELECT ${deletion.columns} FROM chat_deletions d WHERE d.position > ?`, position)
  return rows.map(row => deletion.read(row))
}

/** Returns conversations with events after a position, and the number of their newest event. */
export async function findChangedSince ({ read }: Database, position: number): Promise<Array<{ conversationId: string, eventSeq: number }>> {
  const rows = await read.query<{ id: string, event_seq: number }>('SELECT id, event_seq FROM chat_conversations WHERE position > ?', position)
  return rows.map(row => ({ conversationId: row.id, eventSeq: Number(row.event_seq) }))
}

/** The events by which users join conversations and leave them. */
const CREATED = 'conversationCreated' satisfies DurableEventType
const JOINED = 'participantJoined' satisfies DurableEventType
const LEFT = 'participantLeft' satisfies DurableEventType

interface Entry { conversation: number, id: string, type: string, user_id: string, participant: string | null, seq: number }

/**
 * Returns the participants who joined a conversation after a position, and the event by which they did. A participant whose
 * first event is `participantJoined` joined later than by the conversation's creation.
 */
export async function findJoinedSince (
  { read }: Database, position: number
): Promise<Array<{ conversationId: string, userId: string, seq: number }>> {
  const rows = await read.query<Entry>(
    `SELECT e.conversation, c.id, e.type, e.user_id, p.user_id AS participant, e.seq AS seq, e.position AS position
     FROM chat_events e JOIN chat_conversations c ON c.num = e.conversation
     LEFT JOIN chat_participants p ON p.conversation = e.conversation AND p.user_id = e.user_id
     WHERE e.position > ? AND e.type IN ('${JOINED}', '${LEFT}')
     UNION ALL
     SELECT e.conversation, c.id, e.type, p.user_id, p.user_id AS participant, e.seq AS seq, e.position AS position
     FROM chat_events e JOIN chat_conversations c ON c.num = e.conversation JOIN chat_participants p ON p.conversation = e.conversation
     WHERE e.position > ? AND e.type = '${CREATED}'
     ORDER BY position, seq`, position, position)
  // If the creation is after the position, so are all later events of the conversation.
  const joinedFirst = new Map<string, boolean>()
  for (const { conversation, type, user_id: userId } of rows) {
    const key = `${conversation} ${userId}`
    if (type !== CREATED && !joinedFirst.has(key)) joinedFirst.set(key, type === JOINED)
  }
  return rows
    .filter(({ conversation, type, user_id: userId, participant }) => participant !== null && (type === JOINED ||
      (type === CREATED && joinedFirst.get(`${conversation} ${userId}`) !== true)))
    .map(row => ({ conversationId: row.id, userId: row.user_id, seq: Number(row.seq) }))
}

/** A conversation as its events show it. */
export type ShownConversation = ReturnType<typeof conversation.read>

/** A conversation as its events show it, and some of its events. */
export interface LogPage { conversation: ShownConversation | undefined, events: LoggedEvent[] }

/** Returns a page of a conversation's log, ascending, with each message as it is now. */
export async function findEvents (database: Database, conversationId: string, after: number, limit: number): Promise<LogPage> {
  const rows = await database.read.query<Row>(
    `${EVENTS} WHERE e.conversation = (SELECT num FROM chat_conversations WHERE id = ?) AND e.seq > ? ORDER BY e.seq LIMIT ?`,
    conversationId, after, limit)
  return await renderEvents(database, rows)
}

/** What changes of a conversation to return. `from` and `to` bound `afterSeq`, inclusively. */
export interface ChangeBounds { from: number, to: number, after: number, limit: number }

/** Returns changes of the conversation itself, ascending. One more than `limit` is read, to see whether there are more. */
export async function findChanges (
  database: Database, { num }: Followable, { from, to, after, limit }: ChangeBounds
): Promise<LogPage & { hasMore: boolean }> {
  const rows = await database.read.query<Row>(
    `${EVENTS} WHERE e.conversation = ? AND e.after_seq IS NOT NULL AND e.seq > ? AND e.after_seq BETWEEN ? AND ? ORDER BY e.seq LIMIT ?`,
    num, after, from, to, limit + 1)
  return { ...await renderEvents(database, rows.slice(0, limit)), hasMore: rows.length > limit }
}

interface Row { tag: string, display_name: string | null }

const EVENTS = `SELECT ${event.columns}, ${tagOf('e')} AS tag, a.display_name, ${conversation.columns}, ${messageColumns}
   FROM chat_events e JOIN chat_conversations c ON c.num = e.conversation
   LEFT JOIN chat_users a ON a.id = e.user_id
   LEFT JOIN chat_messages m ON m.conversation = e.conversation AND m.seq = e.message_seq
   LEFT JOIN chat_users s ON s.id = m.sender_id`

/** Returns those of these events that are still in the log, each with its conversation, and with its message as it is now. */
export async function findEventsAt (
  database: Database, places: ReadonlyArray<{ conversation: number, seq: number }>
): Promise<Array<{ conversation: ShownConversation, event: LoggedEvent }>> {
  const rows = await database.read.query<Row>(
    `${EVENTS.replace('FROM chat_events e', `FROM ${keyed(tables.events, database.dialect, ['conversation', 'seq'])} k
     JOIN chat_events e ON e.conversation = k.conversation AND e.seq = k.seq`)}`,
    JSON.stringify(places.map(({ conversation, seq }) => [conversation, seq])))
  const { events } = await renderEvents(database, rows)
  return rows.map((row, index) => ({ conversation: conversation.read(row), event: events[index]! }))
}

async function renderEvents (database: Database, rows: Row[]): Promise<LogPage> {
  const messages = await renderMessages(database, rows, row => conversation.read(row).id)
  const [first] = rows
  const found = rows.map(row => ({ row, logged: event.read(row) }))
  const reactions = found.flatMap(({ row, logged: { type, messageSeq, userId, detail } }) =>
    type === 'reaction' && messageSeq !== null && detail !== null
      ? [{ conversation: conversation.read(row).num, messageSeq, userId, emoji: detail }]
      : [])
  const reacted = await findReacted(database, reactions)
  const events = found.map(({ row, logged }) => {
    const { userId, messageSeq, detail } = logged
    const message = messages.get(row) ?? null
    return {
      ...logged,
      tag: row.tag,
      displayName: row.display_name ?? userId,
      message,
      reacted: message?.deletedAt === null && messageSeq !== null && detail !== null &&
        reacted.has(reactedKey({ messageSeq, userId, emoji: detail }))
    }
  })
  return { conversation: first === undefined ? undefined : conversation.read(first), events }
}
