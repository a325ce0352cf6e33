// SQL by hand: a page of history is the most frequent read.
import type { Message, MessageStatus } from '../../schemas/messages.js'
import { isLeftAlone, statusOf } from '../../schemas/status.js'
import type { Database } from '../database.js'
import type { Followable } from '../followable.js'
import { findMarks, rangesOf, type Place } from '../marks.js'
import { renderMessage } from '../rendering.js'
import { select } from '../table.js'
import * as tables from '../tables.js'

const message = select(tables.messages, 'm', ['id', 'conversation', 'seq', 'senderId', 'clientId', 'text', 'type', 'createdAt', 'editedAt',
  'deletedAt'])
const sender = select(tables.users, 's', ['displayName', 'avatar'])

/** Columns of a message `m` and its sender `s`. */
export const messageColumns = `${message.columns}, ${sender.columns}`

type Found = ReturnType<typeof message.read>

const SEQ_MAX = 2_147_483_647

/** Returns a page of messages, ascending. One more than `limit` is read, to see whether there are more. */
export async function findMessages (
  database: Database, { num, conversationId }: Followable, bounds: { before?: number, after?: number, limit: number }
): Promise<{ messages: Message[], hasMore: boolean }> {
  const { limit } = bounds
  const [condition, bound, order] = bounds.after === undefined
    ? ['<', bounds.before ?? SEQ_MAX, 'DESC']
    : ['>', bounds.after, 'ASC']
  const rows = await database.read.query(
    `SELECT ${messageColumns} FROM chat_messages m JOIN chat_users s ON s.id = m.sender_id
     WHERE m.conversation = ? AND m.seq ${condition} ? ORDER BY m.seq ${order} LIMIT ?`, num, Math.min(bound, SEQ_MAX), limit + 1)
  const page = rows.slice(0, limit)
  if (order === 'DESC') page.reverse()
  const messages = await renderMessages(database, page, () => conversationId)
  return { messages: [...messages.values()], hasMore: rows.length > limit }
}

/** Returns a message as it is now. */
export async function findMessage (database: Database, messageId: string, conversationId: string): Promise<Message | undefined> {
  const rows = await database.read.query(
    `SELECT ${messageColumns} FROM chat_messages m JOIN chat_users s ON s.id = m.sender_id WHERE m.id = ?`, messageId)
  const [found] = (await renderMessages(database, rows, () => conversationId)).values()
  return found
}

/** Renders the message of each row that has one. */
export async function renderMessages<Row> (
  database: Database, rows: Row[], conversationIdOf: (row: Row, found: Found) => string
): Promise<Map<Row, Message>> {
  const found = rows.flatMap(row => {
    const read = message.readOptional(row)
    return read === undefined ? [] : [{ row, read }]
  })
  const statuses = await findStatuses(database, found.map(({ read }) => read))
  return new Map(found.map(({ row, read }, index) =>
    [row, renderMessage(read, conversationIdOf(row, read), { userId: read.senderId, ...sender.read(row) }, statuses[index] ?? 'sent')]))
}

/** Returns the status of messages. Former participants are looked up only for messages whose recipients have all left. */
async function findStatuses ({ read, dialect }: Database, messages: Place[]): Promise<MessageStatus[]> {
  const present = await findMarks(read, dialect, 'participants', rangesOf(messages))
  const alone = messages.filter(message => isLeftAlone(message, present.get(message.conversation) ?? []))
  const former = await findMarks(read, dialect, 'former_participants', rangesOf(alone))
  return messages.map(message => statusOf(message, present.get(message.conversation) ?? [], former.get(message.conversation) ?? []))
}
