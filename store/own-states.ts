// SQL by hand: a user's own state of many conversations, and what of them is unread, in one statement each.
import { isoTime } from '../schemas/common.js'
import { DEFAULT_STATE, type OwnState } from '../schemas/conversations.js'
import { unreadMentions } from './reads/mentions.js'
import type { Dialect, Sql } from './sql.js'
import { ownStateFields } from './rows.js'
import { perDialect, select, update, type RowOf } from './table.js'
import * as tables from './tables.js'

/** `mutedUntil` of a conversation that is muted for ever. */
export const FOREVER = Number.MAX_SAFE_INTEGER

/**
 * A user's own state of one conversation: columns of `chat_participants` that nobody else reads or writes. It is decided over under
 * the lock of the user, not that of the conversation.
 */
export interface OwnStateRow extends RowOf<typeof tables.participants, typeof fields[number]> {
  conversationId: string
  /** `seq` of the conversation's newest message. */
  messageSeq: number
}

/** What is unread of a conversation. */
export interface Unread { unreadCount: number, unreadMentionCount: number }

/** What counting takes. `readFrom` is the `seq` up to which nothing counts. */
interface Counting { num: number, userId: string, messageSeq: number, readFrom: number, joinedSeq: number }

/** Unread counts that are filled in when the transaction has written everything. */
export interface Pending { of: Counting, into: Unread }

const fields = ['conversation', 'userId', 'joinedSeq', 'readSeq', ...ownStateFields] as const
const own = select(tables.participants, 'p', fields)
const place = select(tables.conversations, 'c', ['id', 'messageSeq'])

// ---- Expressions. `p` is a participant, `c` their conversation.

/** Whether `p` has muted the conversation. Takes one parameter: now. */
export const isMuted = '(coalesce(p.muted_until, 0) > ?)'

/** Whether `p` has archived the conversation: while muted, or until a message is sent. Takes one parameter: now. */
export const isArchived = `(p.archived_seq IS NOT NULL AND (c.message_seq <= p.archived_seq OR ${isMuted}))`

/** Up to where nothing counts as unread: the read mark, or before it if the user has marked messages as unread. */
export const readFrom = '(CASE WHEN p.unread_from <= p.read_seq THEN p.unread_from - 1 ELSE p.read_seq END)'

/**
 * How many messages of a conversation are unread: those behind `readFrom`, minus the user's own, minus the deleted ones of others.
 * `sender_seq` counts the user's own, so that two index look-ups are enough for any number of messages. Deleted ones have their
 * own index.
 */
export const unreadCount = ({ num, userId, messageSeq, readFrom }: Record<'num' | 'userId' | 'messageSeq' | 'readFrom', string>): string =>
  `(CASE WHEN ${messageSeq} <= ${readFrom} THEN 0 ELSE ${messageSeq} - ${readFrom}
  - coalesce((SELECT o.sender_seq FROM chat_messages o WHERE o.conversation = ${num} AND o.sender_id = ${userId}
   ORDER BY o.seq DESC LIMIT 1), 0)
  + coalesce((SELECT o.sender_seq FROM chat_messages o WHERE o.conversation = ${num} AND o.sender_id = ${userId} AND o.seq <= ${readFrom}
   ORDER BY o.seq DESC LIMIT 1), 0)
  - (SELECT count(*) FROM chat_messages d WHERE d.conversation = ${num} AND d.seq > ${readFrom} AND d.sender_id <> ${userId}
   AND d.deleted_at IS NOT NULL) END)`

/** The same for a row `k` that has what counting takes. */
export const unreadOfK = unreadCount({ num: 'k.num', userId: 'k.user_id', messageSeq: 'k.message_seq', readFrom: 'k.read_from' })

const statements = perDialect(dialect => ({
  find: `SELECT ${own.columns}, ${place.columns} FROM ${dialect.table({ id: 'text', user_id: 'text' })} k
    JOIN chat_conversations c ON c.id = k.id
    JOIN chat_participants p ON p.conversation = c.num AND p.user_id = k.user_id`,
  update: update(tables.participants, dialect, ['conversation', 'userId'], ownStateFields),
  move: `UPDATE chat_users SET state_version = state_version + k.more FROM ${dialect.table({ id: 'text', more: 'int' })} k WHERE chat_users.id = k.id`,
  count: `SELECT k.key, ${unreadOfK} AS unread, ${unreadMentions} AS mentions
    FROM ${dialect.table({ key: 'int', num: 'int', user_id: 'text', message_seq: 'int', read_from: 'int', joined_seq: 'int' })} k`
}))

/** The own state of participants. Read it under the lock of the user. */
export async function findOwnStates (
  sql: Sql, dialect: Dialect, keys: ReadonlyArray<[conversationId: string, userId: string]>
): Promise<OwnStateRow[]> {
  const rows = await sql.query(statements(dialect).find, JSON.stringify(keys))
  return rows.map(row => {
    const { id: conversationId, messageSeq } = place.read(row)
    return { ...own.read(row), conversationId, messageSeq }
  })
}

export async function updateOwnStates (sql: Sql, dialect: Dialect, rows: Iterable<OwnStateRow>): Promise<void> {
  const { sql: text, parameter } = statements(dialect).update
  await sql.execute(text, parameter(rows))
}

/** Adds to the number of changes of users' private state. */
export async function moveUserVersions (sql: Sql, dialect: Dialect, more: ReadonlyMap<string, number>): Promise<void> {
  await sql.execute(statements(dialect).move, JSON.stringify([...more].sort(([a], [b]) => a < b ? -1 : 1)))
}

/** Fills in unread counts. */
export async function countUnread (sql: Sql, dialect: Dialect, pending: readonly Pending[]): Promise<void> {
  const keys = pending.map(({ of: { num, userId, messageSeq, readFrom, joinedSeq } }, key) => [key, num, userId, messageSeq, readFrom, joinedSeq])
  const rows = await sql.query<{ key: number, unread: number | bigint, mentions: number | bigint }>(statements(dialect).count, JSON.stringify(keys))
  for (const { key, unread, mentions } of rows) {
    Object.assign(pending[Number(key)]!.into, { unreadCount: Number(unread), unreadMentionCount: Number(mentions) } satisfies Unread)
  }
}

/** What is counted for a user in this state. Undefined where nothing can be unread. */
export function countingOf ({ conversation: num, userId, messageSeq, readSeq, joinedSeq, unreadFrom }: OwnStateRow): Counting | undefined {
  const readFrom = unreadFrom === null ? readSeq : Math.min(unreadFrom - 1, readSeq)
  return messageSeq <= readFrom ? undefined : { num, userId, messageSeq, readFrom, joinedSeq }
}

/** The own state as its user sees it at an instant. */
export function renderOwnState (
  { mutedUntil, archivedSeq, favourite, notify, unreadFrom, messageSeq }: Pick<OwnStateRow, typeof ownStateFields[number] | 'messageSeq'>, now: number
): OwnState {
  const isMuted = mutedUntil !== null && mutedUntil > now
  return {
    ...DEFAULT_STATE,
    mutedUntil: !isMuted ? null : mutedUntil === FOREVER ? 'forever' : isoTime(mutedUntil),
    archived: archivedSeq !== null && (isMuted || messageSeq <= archivedSeq),
    favourite,
    notify,
    unreadFrom
  }
}
